// Plans and writes the coefficient buffer of a job, NN core version 7 (spec/coefficients-v7.md 1, 6, 7).
// SPDX-License-Identifier: MIT
import { Fault, NnJob, RunSearch, Status } from "../abi";
import { endBits, putBits, startBits } from "../bits/writer";
import { fail, noteFault } from "../fault";
import { COEF_ALIGN } from "../gen/fields";
import { member, setMember } from "../record";
import { countedBits, startCount } from "./count-runs";
import { startEmit } from "./emit-v7";
import {
  copyPointwiseCore,
  coresUsed,
  isBytewise,
  kernelsOfCore,
  loadJob,
  plainBits,
  walkCore,
} from "./walk-v7";

const MAX_CORES = 32;
const MAX_WIDTHS = 16;
/** Stream words of core c with width z, at [c][z]. */
const sizes = memory.data(MAX_CORES * MAX_WIDTHS * 4);

function wordsOf(core: i32, z: i32): u32 {
  return load<u32>(sizes + ((<usize>(core * MAX_WIDTHS + z)) << 2));
}

function setWords(core: i32, z: i32, bits: u64): void {
  store<u32>(sizes + ((<usize>(core * MAX_WIDTHS + z)) << 2), <u32>((bits + 31) >> 5));
}

function alignUp(bytes: u64): u64 {
  return (bytes + <u64>(COEF_ALIGN - 1)) & ~(<u64>(COEF_ALIGN - 1));
}

function headerBytes(job: usize): u64 {
  return alignUp(4 * <u64>member(job, NnJob.NN_CORES));
}

/** Words of all cores for width z: what the reference compares (a constant apart). */
function totalWords(z: i32): u64 {
  let total: u64 = 0;
  for (let core = 0; core < coresUsed(); core++) total += <u64>wordsOf(core, z);
  return total;
}

/** Bytes of all streams for width z as they lie in memory. */
function totalBytes(z: i32): u64 {
  let total: u64 = 0;
  for (let core = 0; core < coresUsed(); core++) total += alignUp(<u64>wordsOf(core, z) * 4);
  return total;
}

function searchGreedy(widest: i32): i32 {
  let best = widest;
  let least = totalWords(widest);
  for (let z = widest - 1; z >= 0; z--) {
    const total = totalWords(z);
    if (total > least) break;
    best = z;
    least = total;
  }
  return best;
}

/** The least memory; the narrowest of equals, since streams without runs are the most often captured ones. */
function searchExhaustive(widest: i32): i32 {
  let best = 0;
  for (let z = 1; z <= widest; z++) {
    if (totalBytes(z) < totalBytes(best)) best = z;
  }
  return best;
}

function chooseWidth(job: usize, search: RunSearch, widest: i32): i32 {
  switch (search) {
    case RunSearch.NONE:
      return 0;
    case RunSearch.GREEDY:
      return searchGreedy(widest);
    case RunSearch.FIXED:
      return min(member(job, NnJob.ZRL_BITS), widest);
    default:
      return searchExhaustive(widest);
  }
}

/** See versions.ts, planCoefs. */
export function planCoefsV7(job: usize, weights: usize, biases: usize): Status {
  const widest = member(job, NnJob.ZRL_MAX);
  if (member(job, NnJob.NN_CORES) > MAX_CORES || widest >= MAX_WIDTHS) {
    noteFault(Fault.VALUE, member(job, NnJob.NN_CORES));
    noteFault(Fault.LIMIT, MAX_CORES);
    return fail(Status.COEFFICIENTS);
  }
  loadJob(job, weights, biases);
  if (kernelsOfCore(0) > 0xffff) {
    noteFault(Fault.VALUE, kernelsOfCore(0));
    noteFault(Fault.LIMIT, 0xffff);
    return fail(Status.COEFFICIENTS);
  }
  const search = member(job, NnJob.RUN_SEARCH);
  for (let core = 0; core < coresUsed(); core++) {
    if (search == RunSearch.NONE) {
      setWords(core, 0, plainBits(core));
    } else {
      startCount();
      walkCore(core, false);
      for (let z = 0; z <= widest; z++) setWords(core, z, countedBits(z));
    }
  }

  const width = chooseWidth(job, search, widest);
  let largest: u64 = 0;
  for (let core = 0; core < MAX_CORES; core++) {
    const bytes = core < coresUsed() ? alignUp(<u64>wordsOf(core, width) * 4) : 0;
    largest = max(largest, bytes);
    setMember(job, NnJob.CORE_BYTES + core, <i32>bytes);
  }
  const total = headerBytes(job) + totalBytes(width);
  if (total > 0x7fffffff) {
    noteFault(Fault.VALUE, <i32>(total >> 20));
    noteFault(Fault.LIMIT, 0x7ff);
    return fail(Status.COEFFICIENTS);
  }
  setMember(job, NnJob.ZRL_BITS, width);
  setMember(job, NnJob.COEF_BYTES, <i32>total);
  setMember(job, NnJob.COEF_CACHE_BYTES, <i32>(<u64>coresUsed() * largest));
  return Status.OK;
}

/** See versions.ts, encodeCoefs. */
export function encodeCoefsV7(job: usize, weights: usize, biases: usize, dst: usize): Status {
  loadJob(job, weights, biases);
  memory.fill(dst, 0, <usize>member(job, NnJob.COEF_BYTES));
  const width = member(job, NnJob.ZRL_BITS);
  let stream = dst + <usize>headerBytes(job);
  for (let core = 0; core < coresUsed(); core++) {
    const bytes = member(job, NnJob.CORE_BYTES + core);
    store<u32>(dst + ((<usize>core) << 2), bytes);
    let end: usize;
    if (isBytewise(width)) {
      store<u32>(stream, kernelsOfCore(core) << 8);
      end = copyPointwiseCore(core, stream + 3);
    } else {
      startBits(stream);
      putBits(width, 8);
      putBits(kernelsOfCore(core), 16);
      startEmit(width, member(job, NnJob.WEIGHT_ZP));
      walkCore(core, true);
      end = endBits();
    }
    if (end > stream + bytes || end + <usize>COEF_ALIGN <= stream + bytes) {
      noteFault(Fault.VALUE, <i32>(end - stream));
      noteFault(Fault.LIMIT, bytes);
      return fail(Status.COEFFICIENTS);
    }
    stream += bytes;
  }
  return Status.OK;
}
