// Decoder of version 8 coefficient buffers (spec/coefficients-v8.md 1, 5 to 7). It knows only what
// the hardware knows: the buffer and the fields of the NN descriptor.
// SPDX-License-Identifier: MIT
import { CoefStats, Fault, Status } from "../abi";
import { blockFieldCount, blockWords, declaredBits, fieldReset, readField } from "../bits/fields";
import { zeroBits } from "../bits/reader";
import { fail, noteFault } from "../fault";
import { BlockId, COEF_ALIGN, COEF_V8_LENGTHS_OFFSET, CoefHeaderV8 } from "../gen/fields";
import { pairsPosition, symbolMapValid, takePairs, takeRunPairs, useSymbolMap } from "./pairs-v8";
import { CoefRequest, KERNEL_RECORD_BYTES, TAP_ENTRY_BYTES, Tap } from "./request";

/** The captured header; room for the lengths of nine cores. */
const HEADER_BYTES: u32 = 64;
/** Larger streams are refused, so that bit positions fit 32 bits. */
const STREAM_BITS_MAX: u32 = 0x7fffffff;
/** A stream begins with its number of kernels. */
const COUNT_BYTES: u64 = 2;
/** Weights are coded in blocks of this many. */
const BLOCK: u32 = 9;
const BIAS_BYTES: u32 = 4;
/** Every pair starts with two codes of three bits; two more pairs flush the pipeline. */
const PAIR_BITS_MIN: u64 = 6;
const FLUSH_PAIRS: u64 = 2;
/** No chip of the database has wider zero runs. */
const RUN_BITS_MAX: u32 = 8;
/** Part 0 of the flush after an odd number of bytes. */
const FLUSH_ODD: u32 = 4;

/** Coded weights per kernel, filling not counted. */
let kernelTaps: u32 = 0;
/** Weights of one kernel that follow each other, filling counted, and how often that comes. */
let blockLength: u32 = 0;
let blocks: u32 = 0;
let superblocks: u32 = 0;
/** Width of run lengths; 0 = every byte stands in the stream. */
let runBits: u32 = 0;
let entry: usize = 0;

function failAt(byte: u32, field: i32, value: i32): Status {
  noteFault(Fault.BLOCK, BlockId.COEF_HEADER_V8);
  noteFault(Fault.FIELD, field);
  noteFault(Fault.WORD_INDEX, byte >> 2);
  noteFault(Fault.VALUE, value);
  return fail(Status.SIM_BAD_COEFFICIENTS);
}

function streamBits(request: CoefRequest, core: u32): u32 {
  return load<u32>(request.source + COEF_V8_LENGTHS_OFFSET + 4 * core);
}

function streamBytes(bits: u32): u32 {
  return (((bits + 7) >> 3) + COEF_ALIGN - 1) & ~(COEF_ALIGN - 1);
}

/**
 * Header of a chip: as many units of 64 bytes as its lengths take. With more than nine cores that is an inference:
 * the reference lets the lengths run into the first stream then (Q9).
 */
function headerBytes(request: CoefRequest): u32 {
  const end = COEF_V8_LENGTHS_OFFSET + 4 * request.cores;
  return (end + HEADER_BYTES - 1) & ~(HEADER_BYTES - 1);
}

/** Kernels of a core among `kernels` that are dealt to `cores` cores in turn. */
function share(kernels: u32, cores: u32, core: u32): u32 {
  return kernels / cores + u32(core < kernels % cores);
}

/** Bytes that a core's stream must hold. */
function dueBytes(request: CoefRequest, core: u32): u64 {
  const kernels = share(request.outZ, request.coresUsed, core);
  return COUNT_BYTES + <u64>kernels * <u64>blocks * <u64>blockLength;
}

/** Reserved and unused parts of the header are zero, the version is 1, the map a permutation, runs no wider than any chip has them. */
function checkHeader(request: CoefRequest): Status {
  if (request.bytes < HEADER_BYTES) return failAt(request.bytes, -1, HEADER_BYTES);
  for (let word = 0; word < blockWords(BlockId.COEF_HEADER_V8); word++) {
    const stray =
      load<u32>(request.source + 4 * word) & ~declaredBits(BlockId.COEF_HEADER_V8, word);
    if (stray != 0) return failAt(4 * word, -1, stray);
  }
  for (let field = 0; field < blockFieldCount(BlockId.COEF_HEADER_V8); field++) {
    const value = readField(BlockId.COEF_HEADER_V8, request.source, field, 8);
    if (!headerValueGood(field, value)) return failAt(0, field, value);
  }
  return Status.OK;
}

function headerValueGood(field: i32, value: u32): bool {
  if (field == CoefHeaderV8.SYMBOL_MAP) return symbolMapValid(value);
  if (field == CoefHeaderV8.RUN_LENGTH_SIZE) return value <= RUN_BITS_MAX;
  return value == fieldReset(BlockId.COEF_HEADER_V8, field);
}

/** The fewest bits of a stream that holds `due` bytes: a code stands for all zeros of its run and a byte. */
function fewestBits(due: u64): u64 {
  const codes = (due + ((<u64>1) << runBits) - 1) >> runBits;
  return (((codes + 1) >> 1) + FLUSH_PAIRS) * (PAIR_BITS_MIN + 2 * <u64>runBits);
}

/** What the descriptor says about the order of weights (spec 5). */
function planOrder(request: CoefRequest): void {
  const plane = request.kernelX * request.kernelY;
  kernelTaps = request.depthwise ? plane : plane * request.kernelZ;
  blocks = (kernelTaps + BLOCK - 1) / BLOCK;
  blockLength = BLOCK;
  if (request.depthwise) {
    blockLength = blocks * BLOCK;
    blocks = 1;
  }
  const rows = (request.outZ + request.cores - 1) / request.cores;
  superblocks = (rows + request.perCore - 1) / request.perCore;
}

/**
 * Checks the header and the room of every stream and of the biases; fills what CoefRequest says.
 * @returns SIM_BAD_COEFFICIENTS when the header is not possible or a stream is too short or long
 */
export function openV8(request: CoefRequest): Status {
  const status = checkHeader(request);
  if (status != Status.OK) return status;
  const header = headerBytes(request);
  if (request.bytes < header) return failAt(request.bytes, -1, header);
  const used = min(request.outZ, request.cores);
  const tableEnd = COEF_V8_LENGTHS_OFFSET + 4 * used;
  if (!zeroBits(request.source, 8 * tableEnd, 8 * header)) return failAt(tableEnd, -1, -1);
  request.coresUsed = used;
  request.kernels = request.outZ;
  planOrder(request);
  runBits = readField(BlockId.COEF_HEADER_V8, request.source, CoefHeaderV8.RUN_LENGTH_SIZE, 8);
  // A superblock larger than every core's share was never captured and would change nothing.
  if (request.perCore > share(request.outZ, used, 0)) return failAt(header, -1, request.perCore);

  let at = header;
  request.workBytes = 0;
  for (let core: u32 = 0; core < used; core++) {
    const bits = streamBits(request, core);
    const place = COEF_V8_LENGTHS_OFFSET + 4 * core;
    if (bits > STREAM_BITS_MAX || streamBytes(bits) > request.bytes - at)
      return failAt(place, -1, bits);
    const due = dueBytes(request, core);
    const pairs = (due + 1) >> 1;
    if (<u64>bits < fewestBits(due)) return failAt(place, -1, bits);
    request.workBytes = max(request.workBytes, (pairs + FLUSH_PAIRS) * 2);
    store<u32>(
      request.stats + 4 * (<usize>CoefStats.CORE_KERNELS + core),
      share(request.outZ, used, core),
    );
    at += streamBytes(bits);
  }
  if (<u64>request.outZ * BIAS_BYTES > <u64>(request.bytes - at))
    return failAt(at, -1, request.outZ);
  request.streamBytes = at + request.outZ * BIAS_BYTES;
  request.entriesMax = <u64>request.outZ * <u64>kernelTaps;
  return Status.OK;
}

/**
 * The channel of kernel `index` of a core in superblock `sb`. Depthwise channels form rows as long
 * as there are cores, each row reversed over the cores; others go in groups to one core each.
 */
function channelOf(request: CoefRequest, core: u32, sb: u32, index: u32): u32 {
  const first = sb * request.perCore;
  if (request.depthwise) {
    const row = (first + index) * request.cores;
    return row + min(request.cores, request.outZ - row) - 1 - core;
  }
  const before = first * request.coresUsed;
  if (sb + 1 < superblocks) return before + core * request.perCore + index;
  const rest = request.outZ - before;
  const whole = rest / request.coresUsed;
  return before + core * whole + min(core, rest % request.coresUsed) + index;
}

/**
 * Appends the weights of one block at `bytes` that differ from the zero point.
 * @param tap number of the first weight in the kernel
 * @param plane number of the kernel's first weight among all taps of the job
 * @returns false when bytes after the kernel's last weight are not zero
 */
function takeBlock(bytes: usize, kernel: u32, tap: u32, plane: u32, zeroPoint: u32): bool {
  const weights = min(blockLength, kernelTaps - tap);
  let at = entry;
  const kept: u32 = at == 0 ? 0 : weights;
  for (let i: u32 = 0; i < kept; i++) {
    const byte = <u32>load<u8>(bytes + i);
    const weight = <i32>((byte + zeroPoint) & 0xff) - <i32>zeroPoint;
    Tap.pack(at, kernel, weight, plane + tap + i);
    at += byte != 0 ? TAP_ENTRY_BYTES : 0;
  }
  entry = at;
  let filling: u32 = 0;
  for (let i = weights; i < blockLength; i++) filling |= load<u8>(bytes + i);
  return filling == 0;
}

/** One core's decoded bytes, in the order of spec 5. @returns the first that is wrong, or 0 */
function takeKernels(request: CoefRequest, core: u32, firstKernel: u32, bytes: usize): usize {
  let at = bytes + <usize>COUNT_BYTES;
  let kernel = firstKernel;
  for (let sb: u32 = 0; sb < superblocks; sb++) {
    const left = request.outZ - sb * request.perCore * request.coresUsed;
    const last = sb + 1 == superblocks;
    const count = last ? share(left, request.coresUsed, core) : request.perCore;
    for (let block: u32 = 0; block < blocks; block++) {
      for (let j: u32 = 0; j < count; j++, at += blockLength) {
        const plane = request.depthwise ? channelOf(request, core, sb, j) * kernelTaps : 0;
        if (!takeBlock(at, kernel + j, block * BLOCK, plane, request.zeroPoint)) return at;
      }
    }
    for (let j: u32 = 0; j < count; j++, kernel++) {
      const record = request.records + <usize>kernel * KERNEL_RECORD_BYTES;
      const channel = channelOf(request, core, sb, j);
      const biases = request.source + request.streamBytes - request.outZ * BIAS_BYTES;
      store<u32>(record, load<u32>(biases + channel * BIAS_BYTES));
      store<u32>(record, channel, 4);
    }
  }
  return 0;
}

/** One core's stream, at byte `at` of the buffer. */
function decodeCore(request: CoefRequest, core: u32, at: u32, firstKernel: u32): Status {
  const bits = streamBits(request, core);
  const source = request.source + at;
  const due = <u32>dueBytes(request, core);
  // With runs, what fills the last pair is checked with it.
  const odd = runBits == 0 ? due & 1 : 0;
  const good =
    runBits == 0
      ? takePairs(source, bits, request.workspace, (due + 1) >> 1, odd * FLUSH_ODD)
      : takeRunPairs(source, bits, request.workspace + 4, due, runBits);
  const used = pairsPosition();
  if (!good) return failAt(at + (used >> 3), -1, used);
  if (!zeroBits(source, bits, 8 * streamBytes(bits))) return failAt(at + (bits >> 3), -1, bits);

  const bytes = request.workspace + 4;
  const kernels = share(request.outZ, request.coresUsed, core);
  const count = <u32>load<u16>(bytes);
  if (count != kernels) return failAt(at, -1, count);
  if (odd != 0 && load<u8>(bytes + due) != 0) return failAt(at + (bits >> 3), -1, -1);
  const wrong = takeKernels(request, core, firstKernel, bytes);
  return wrong == 0 ? Status.OK : failAt(at, -1, <i32>(wrong - bytes));
}

/**
 * Decodes a buffer that openV8 accepted into request.entries and request.records, kernels in stream
 * order (core by core); the second word of a record is the output channel.
 * @returns SIM_BAD_COEFFICIENTS when a stream ends early or late, holds another number of kernels
 *   than is due, or has bits set in its filling
 */
export function decodeV8(request: CoefRequest): Status {
  planOrder(request);
  useSymbolMap(readField(BlockId.COEF_HEADER_V8, request.source, CoefHeaderV8.SYMBOL_MAP, 8));
  entry = request.entries;
  let at = headerBytes(request);
  let total: u32 = 0;
  for (let core: u32 = 0; core < request.coresUsed; core++) {
    const status = decodeCore(request, core, at, total);
    if (status != Status.OK) return status;
    total += share(request.outZ, request.coresUsed, core);
    at += streamBytes(streamBits(request, core));
  }
  request.entryCount = <u32>((entry - request.entries) / TAP_ENTRY_BYTES);
  store<u32>(request.stats + 4 * <usize>CoefStats.ZRL_BITS, runBits);
  store<u32>(request.stats + 4 * <usize>CoefStats.LITERALS, request.outZ * kernelTaps);
  return Status.OK;
}
