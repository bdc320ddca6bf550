// Plans and writes the coefficient buffer of a job, NN core version 8 (spec/coefficients-v8.md 1, 2, 6).
// SPDX-License-Identifier: MIT
import { Experiment, Fault, NnJob, QuirkFlag, RunSearch, Status } from "../abi";
import { bitsWritten, endBits, startBits } from "../bits/writer";
import { fail, noteFault } from "../fault";
import { COEF_ALIGN, COEF_V8_LENGTHS_OFFSET } from "../gen/fields";
import { member, setMember } from "../record";
import { countedPairs, startCount } from "./count-runs";
import {
  DRAIN_BITS,
  DRAIN_CODES,
  bitsOf,
  drainPipeline,
  lengthOf,
  setSymbolMap,
  startPipeline,
} from "./emit-v8";
import {
  clearHistogram,
  codedTimes,
  correctedBiasV8,
  coresUsedV8,
  loadJobV8,
  walkCoreV8,
} from "./walk-v8";

const MAX_CORES = 32;
const LENGTHS = 8;
/** Format version in the header's first byte. */
const HEADER_BYTE: u32 = 0x10;
const SYMBOL_MAP_OFFSET: usize = 20;
/** Of the width of zero runs in the header's first word. */
const RUN_LENGTH_SHIFT = 8;
/** A stream begins with its number of kernels. */
const COUNT_BYTES: u32 = 2;
/** Run widths 0 to 8, with room. */
const MAX_WIDTHS = 16;

/** Times each length class is coded: per core, and in all. */
const perCore = memory.data(MAX_CORES * LENGTHS * 4);
const total = memory.data((LENGTHS + 1) * 8);
/** Zeros in each core's stream with run width z, at [c][z]. */
const zeros = memory.data(MAX_CORES * MAX_WIDTHS * 4);
/** The exchanges of the reference's sorting network, pair by pair. */
const NETWORK = memory.data<u8>([
  0, 2, 1, 3, 4, 6, 5, 7, 0, 4, 1, 5, 2, 6, 3, 7, 0, 1, 2, 3, 4, 5, 6, 7, 2, 4, 3, 5, 1, 4, 3, 6, 1,
  2, 3, 4, 5, 6,
]);
const NETWORK_PAIRS = 19;

function count(length: i32): u64 {
  return load<u64>(total + ((<usize>length) << 3));
}

function addCount(length: i32, times: u64): void {
  const at = total + ((<usize>length) << 3);
  store<u64>(at, load<u64>(at) + times);
}

/** Length classes of what is coded, core by core; with runs, of what is not zero, and the zeros of every width. */
function countCoded(runs: bool): void {
  memory.fill(perCore, 0, MAX_CORES * LENGTHS * 4);
  for (let core = 0; core < coresUsedV8(); core++) {
    clearHistogram();
    if (runs) startCount();
    const coded = walkCoreV8(core, false, runs ? 1 : 0);
    for (let byte = 0; byte < 256; byte++) {
      const at = perCore + ((<usize>(core * LENGTHS + lengthOf(byte))) << 2);
      store<u32>(at, load<u32>(at) + codedTimes(byte));
    }
    if (runs) noteZeros(core, coded);
  }
}

/** Zeros that stand in the stream of a core, by width; `coded` = its other bytes, the number of kernels included. */
function noteZeros(core: i32, coded: u32): void {
  for (let z = 0; z < MAX_WIDTHS; z++) {
    const codes = <u32>countedPairs(z) + COUNT_BYTES;
    const even = (codes + 1) & ~1;
    store<u32>(zeros + ((<usize>(core * MAX_WIDTHS + z)) << 2), even - coded);
  }
}

/** Times a length class stands in a core's stream with run width `z`. */
function timesOf(core: i32, length: i32, z: i32, runs: bool): u32 {
  const times = load<u32>(perCore + ((<usize>(core * LENGTHS + length)) << 2));
  if (!runs || length != 0) return times;
  return times + load<u32>(zeros + ((<usize>(core * MAX_WIDTHS + z)) << 2));
}

/** The reference counts the bytes as they are stored, and 0xff as length 1 (Q11, Q12). */
function countStored(weights: usize, bytes: i32): void {
  for (let i = 0; i < bytes; i++) {
    const byte: i32 = load<u8>(weights + <usize>i);
    const length = lengthOf(byte);
    addCount(byte == 0xff ? 1 : length, 1);
  }
}

/** Orders length classes by how often they occur, most frequent first: the first symbols take the fewest bits. */
function sortedMap(): u32 {
  let map: u32 = 0x76543210;
  for (let pair = 0; pair < NETWORK_PAIRS; pair++) {
    const a: u32 = 4 * load<u8>(NETWORK + <usize>(2 * pair));
    const b: u32 = 4 * load<u8>(NETWORK + <usize>(2 * pair), 1);
    const lengthA = (map >> a) & 15;
    const lengthB = (map >> b) & 15;
    if (count(lengthA) < count(lengthB)) {
      map = (map & ~(((<u32>15) << a) | ((<u32>15) << b))) | (lengthB << a) | (lengthA << b);
    }
  }
  return map;
}

function headerBytes(job: usize): u32 {
  // Nine lengths fit the captured header of 64 bytes; more cores need a larger one (Q9).
  const needed = COEF_V8_LENGTHS_OFFSET + 4 * <u32>member(job, NnJob.NN_CORES);
  return (needed + COEF_ALIGN - 1) & ~(COEF_ALIGN - 1);
}

function streamBits(core: i32, z: i32, runs: bool): u64 {
  let codes: u64 = DRAIN_CODES;
  let bits: u64 = DRAIN_BITS;
  for (let length = 0; length < LENGTHS; length++) {
    const times = timesOf(core, length, z, runs);
    codes += <u64>times;
    bits += <u64>times * <u64>bitsOf(length);
  }
  return bits + codes * <u64>z;
}

/** Bytes of a core's stream in memory. */
function streamBytes(core: i32, z: i32, runs: bool): u64 {
  if (core >= coresUsedV8()) return 0;
  const bytes = (streamBits(core, z, runs) + 7) >> 3;
  return (bytes + <u64>(COEF_ALIGN - 1)) & ~(<u64>(COEF_ALIGN - 1));
}

/** Sets the best symbol map for run width `z`. */
function chooseMap(job: usize, weights: usize, z: i32, runs: bool): void {
  memory.fill(total, 0, (LENGTHS + 1) * 8);
  if ((member(job, NnJob.QUIRKS) & QuirkFlag.COUNT_STORED) != 0) {
    countStored(weights, member(job, NnJob.WEIGHT_BYTES));
  } else {
    for (let core = 0; core < coresUsedV8(); core++) {
      for (let length = 0; length < LENGTHS; length++) {
        addCount(length, timesOf(core, length, z, runs));
      }
    }
  }
  const map = sortedMap();
  setSymbolMap(map);
  setMember(job, NnJob.SYMBOL_MAP, <i32>map);
}

/** The run width with the least memory; the narrowest of equals. Leaves its symbol map. */
function chooseWidth(job: usize, weights: usize, widest: i32): i32 {
  let best = 0;
  let least = u64.MAX_VALUE;
  for (let z = 0; z <= widest; z++) {
    chooseMap(job, weights, z, true);
    let bytes: u64 = 0;
    for (let core = 0; core < coresUsedV8(); core++) bytes += streamBytes(core, z, true);
    if (bytes >= least) continue;
    least = bytes;
    best = z;
  }
  return best;
}

/** See versions.ts, planCoefs. */
export function planCoefsV8(job: usize, weights: usize, biases: usize): Status {
  if (member(job, NnJob.NN_CORES) > MAX_CORES || member(job, NnJob.ZRL_MAX) >= MAX_WIDTHS) {
    noteFault(Fault.VALUE, member(job, NnJob.NN_CORES));
    noteFault(Fault.LIMIT, MAX_CORES);
    return fail(Status.COEFFICIENTS);
  }
  loadJobV8(job, weights);
  // No capture has zero runs.
  const runs =
    (member(job, NnJob.EXPERIMENTS) & Experiment.ZERO_RUNS) != 0 &&
    member(job, NnJob.RUN_SEARCH) != RunSearch.NONE;
  countCoded(runs);
  let width = 0;
  if (runs) {
    const widest = member(job, NnJob.ZRL_MAX);
    width =
      member(job, NnJob.RUN_SEARCH) == RunSearch.FIXED
        ? min(member(job, NnJob.ZRL_BITS), widest)
        : chooseWidth(job, weights, widest);
  }
  chooseMap(job, weights, width, runs);

  let bytes: u64 = headerBytes(job);
  for (let core = 0; core < MAX_CORES; core++) {
    const size = streamBytes(core, width, runs);
    setMember(job, NnJob.CORE_BYTES + core, <i32>size);
    bytes += size;
  }
  bytes += 4 * <u64>member(job, NnJob.COEF_KERNELS);
  if (bytes > 0x7fffffff) {
    noteFault(Fault.VALUE, <i32>(bytes >> 20));
    noteFault(Fault.LIMIT, 0x7ff);
    return fail(Status.COEFFICIENTS);
  }
  setMember(job, NnJob.ZRL_BITS, width);
  setMember(job, NnJob.COEF_BYTES, <i32>bytes);
  setMember(job, NnJob.COEF_CACHE_BYTES, <i32>bytes);
  return Status.OK;
}

/** See versions.ts, encodeCoefs. */
export function encodeCoefsV8(job: usize, weights: usize, biases: usize, dst: usize): Status {
  loadJobV8(job, weights);
  setSymbolMap(<u32>member(job, NnJob.SYMBOL_MAP));
  memory.fill(dst, 0, <usize>member(job, NnJob.COEF_BYTES));
  const width = member(job, NnJob.ZRL_BITS);
  store<u32>(dst, HEADER_BYTE | ((<u32>width) << RUN_LENGTH_SHIFT));
  store<u32>(dst + SYMBOL_MAP_OFFSET, <u32>member(job, NnJob.SYMBOL_MAP));
  let stream = dst + <usize>headerBytes(job);
  for (let core = 0; core < coresUsedV8(); core++) {
    startBits(stream);
    startPipeline(width);
    const odd = (walkCoreV8(core, true, width) & 1) != 0;
    drainPipeline(odd);
    const bits = bitsWritten(stream);
    store<u32>(dst + <usize>COEF_V8_LENGTHS_OFFSET + ((<usize>core) << 2), bits);
    const planned = member(job, NnJob.CORE_BYTES + core);
    if ((((bits + 7) >> 3) + COEF_ALIGN - 1) / COEF_ALIGN != <u32>planned / COEF_ALIGN) {
      noteFault(Fault.VALUE, <i32>bits);
      noteFault(Fault.LIMIT, planned);
      return fail(Status.COEFFICIENTS);
    }
    endBits();
    stream += planned;
  }
  const kernels = member(job, NnJob.COEF_KERNELS);
  const inZeroPoint = member(job, NnJob.IN_ZP);
  for (let channel = 0; channel < kernels; channel++) {
    const at = (<usize>channel) << 2;
    store<i32>(stream + at, correctedBiasV8(channel, load<i32>(biases + at), inZeroPoint));
  }
  return Status.OK;
}
