// Decoder of version 7 coefficient buffers (spec/coefficients-v7.md 1 to 4 and 8, "as hardware").
// It knows only what the hardware knows: the buffer and the fields of the NN descriptor.
// SPDX-License-Identifier: MIT
import { CoefStats, Fault, Status } from "../abi";
import { Bits, zeroBits } from "../bits/reader";
import { fail, noteFault } from "../fault";
import { BlockId, COEF_ALIGN, CoefStreamV7 } from "../gen/fields";
import { CoefRequest, KERNEL_RECORD_BYTES, TAP_ENTRY_BYTES, Tap } from "./request";

/** No chip of the database has wider zero runs. */
const ZRL_BITS_MAX: u32 = 8;
/** Larger streams are refused, so that bit positions fit 32 bits. */
const STREAM_BYTES_MAX: u32 = 0x0fffffff;
const HEADER_BITS: u32 = 24;
/** Input channels that a pointwise kernel takes at a time (ordering A). */
const POINTWISE_BLOCK: u32 = 6;
/** Columns of a row pair that come first when kernels are wider (orderings B and C). */
const FIRST_COLUMNS: u32 = 3;

/** Position in stream order -> y * kernelX + x, for one input channel. */
const planeOrder = memory.data(225 * 2);

// The stream of the core that is being decoded.
let source: usize = 0;
let position: u32 = 0;
let end: u32 = 0;
let zrlBits: u32 = 0;
let zeroPoint: u32 = 0;
/** Zero points that still come before the next literal; meaningful if `pending`. */
let run: u32 = 0;
let pending: bool = false;

// The next weight: tap `tapBase + order[place]` of kernel `firstKernel + kernel`.
let place: u32 = 0;
let kernel: u32 = 0;
let tapBase: u32 = 0;
let kernelCount: u32 = 0;
let firstKernel: u32 = 0;
let groupLength: u32 = 0;
let groupTaps: u32 = 0;

// Where decoded values go, and what was counted.
let entry: usize = 0;
let kernelRecords: usize = 0;
let literals: u32 = 0;
let runs: u32 = 0;
/** Nothing but positions and words is wanted: the request has no place for weights. */
let skimming: bool = false;

function failAt(byte: u32, field: i32, value: i32): Status {
  noteFault(Fault.BLOCK, BlockId.COEF_STREAM_V7);
  noteFault(Fault.FIELD, field);
  noteFault(Fault.WORD_INDEX, byte >> 2);
  noteFault(Fault.VALUE, value);
  return fail(Status.SIM_BAD_COEFFICIENTS);
}

/** Bytes before the first stream: the size table, rounded up. */
function headerBytes(cores: u32): u32 {
  return (4 * cores + COEF_ALIGN - 1) & ~(COEF_ALIGN - 1);
}

/**
 * Checks the size table and the head of every stream, and fills request.kernels and
 * request.streamBytes.
 * @returns SIM_BAD_COEFFICIENTS when a stream leaves the buffer or its head is not possible
 */
export function openV7(request: CoefRequest): Status {
  if (request.depthwise) return fail(Status.BAD_ARGUMENT);
  const header = headerBytes(request.cores);
  if (request.bytes < header) return failAt(request.bytes, -1, header);
  if (!zeroBits(request.source, 32 * request.cores, 8 * header))
    return failAt(4 * request.cores, -1, -1);

  let at = header;
  let most: u32 = 0;
  request.kernels = 0;
  for (let core: u32 = 0; core < request.cores; core++) {
    const size = load<u32>(request.source + 4 * core);
    if (size == 0) continue;
    const previous = core == 0 ? size : load<u32>(request.source + 4 * (core - 1));
    if (previous == 0 || (size & (COEF_ALIGN - 1)) != 0) return failAt(4 * core, -1, size);
    if (size > STREAM_BYTES_MAX || size > request.bytes - at) return failAt(4 * core, -1, size);

    const zrl = Bits.read(request.source + at, 0, 8);
    const kernels = Bits.read(request.source + at, 8, 16);
    if (zrl > ZRL_BITS_MAX) return failAt(at, CoefStreamV7.ZRL_BITS, zrl);
    if (kernels == 0) return failAt(at, CoefStreamV7.KERNELS, 0);
    store<u32>(request.stats + 4 * (<usize>CoefStats.CORE_KERNELS + core), kernels);
    request.kernels += kernels;
    most = max(most, kernels);
    request.coresUsed = core + 1;
    at += size;
  }
  if (request.kernels == 0) return failAt(0, -1, 0);
  // A superblock larger than every core's share was never captured and would change nothing.
  if (request.perCore > most) return failAt(header, CoefStreamV7.KERNELS, most);
  request.streamBytes = at;
  // Every coded weight takes at least eight bits of a stream.
  request.entriesMax = at;
  request.workBytes = 0;
  return Status.OK;
}

function firstZrlBits(request: CoefRequest): u32 {
  return Bits.read(request.source + headerBytes(request.cores), 0, 8);
}

/**
 * The order of weights within one input channel: pairs of rows, three columns first, then the rest.
 */
function makePlaneOrder(kernelX: u32, kernelY: u32): void {
  let at = planeOrder;
  const first = min(kernelX, FIRST_COLUMNS);
  for (let y0: u32 = 0; y0 < kernelY; y0 += 2) {
    const y1 = min(y0 + 2, kernelY);
    for (let half = 0; half < 2; half++) {
      const from: u32 = half == 0 ? 0 : first;
      const to: u32 = half == 0 ? first : kernelX;
      for (let y = y0; y < y1; y++) {
        for (let x = from; x < to; x++, at += 2) store<u16>(at, <u16>(y * kernelX + x));
      }
    }
  }
}

/** Sets the cursor to the first weight of the first kernel in a block of input channels. */
function startBlock(block: u32, length: u32): void {
  place = 0;
  kernel = 0;
  tapBase = block * groupTaps;
  groupLength = length;
}

/**
 * Takes `count` weights at the cursor, across kernels and blocks, and appends those that differ
 * from the zero point. One loop iteration per (run, literal) pair: most depthwise weights are in
 * runs.
 * @returns false when the stream ends first
 */
function takeWeights(count: u64): bool {
  if (skimming) return skipWeights(count);
  if (zrlBits == 0) return takeBytes(count);
  const mask = ((<u64>1) << zrlBits) - 1;
  const pairBits = zrlBits + 8;
  while (count > 0) {
    let step: u32;
    let literal: u32 = 0;
    if (pending && <u64>run < count) {
      step = run + 1;
      literal = (<u32>Bits.at(source, position)) & 0xff;
      position += 8;
      pending = false;
    } else if (pending) {
      // The literal belongs to a weight after these: the caller goes on to the next kernel.
      step = <u32>count;
      run -= step;
    } else {
      const bits = Bits.at(source, position);
      const zeros = <u32>(bits & mask);
      if (zeros != 0) runs++;
      if (<u64>zeros < count) {
        step = zeros + 1;
        literal = (<u32>(bits >> zrlBits)) & 0xff;
        position += pairBits;
      } else {
        position += zrlBits;
        run = zeros - <u32>count;
        step = <u32>count;
        pending = true;
      }
    }
    if (position > end) return false;
    count -= step;

    // Walk to the last weight of the step: the literal, if there is one.
    place += step - 1;
    while (place >= groupLength) nextKernel();
    if (!pending) {
      literals++;
      if (literal != zeroPoint) {
        const tap = tapBase + load<u16>(planeOrder + ((<usize>place) << 1));
        Tap.pack(entry, firstKernel + kernel, <i32>literal - <i32>zeroPoint, tap);
        entry += TAP_ENTRY_BYTES;
      }
    }
    if (++place == groupLength) nextKernel();
  }
  return true;
}

/** Moves on as takeWeights does, and keeps nothing. */
function skipWeights(count: u64): bool {
  if (zrlBits == 0) {
    if (<u64>position + count * 8 > <u64>end) return false;
    position += <u32>(count * 8);
    return true;
  }
  const bits = zrlBits;
  const mask = ((<u64>1) << bits) - 1;
  let at = position;
  if (pending) {
    if (<u64>run >= count) {
      run -= <u32>count;
      return true;
    }
    count -= <u64>run + 1;
    at += 8;
    pending = false;
  }
  while (count > 0 && at <= end) {
    const zeros = Bits.at(source, at) & mask;
    at += bits;
    if (zeros >= count) {
      run = <u32>(zeros - count);
      pending = true;
      break;
    }
    at += 8;
    count -= zeros + 1;
  }
  position = at;
  return at <= end;
}

/** Without zero runs everything in a stream is whole bytes: one kernel's share of a block at a time. */
function takeBytes(count: u64): bool {
  if (<u64>position + count * 8 > <u64>end) return false;
  literals += <u32>count;
  while (count > 0) {
    const share = <u32>min<u64>(groupLength - place, count);
    const bytes = source + (position >> 3);
    const order = planeOrder + ((<usize>place) << 1);
    let at = entry;
    for (let i: usize = 0; i < share; i++) {
      const weight = <i32>load<u8>(bytes + i) - <i32>zeroPoint;
      Tap.pack(at, firstKernel + kernel, weight, tapBase + load<u16>(order + (i << 1)));
      at += weight != 0 ? TAP_ENTRY_BYTES : 0;
    }
    entry = at;
    position += share * 8;
    count -= share;
    place += share;
    if (place == groupLength) nextKernel();
  }
  return true;
}

function nextKernel(): void {
  place -= groupLength;
  if (++kernel == kernelCount) {
    kernel = 0;
    tapBase += groupTaps;
  }
}

/**
 * Takes a 32-bit word of kernel `index`; an open zero run before it contradicts the count of
 * weights.
 */
function takeWord(index: u32, offset: usize): bool {
  if (pending || position + 32 > end) return false;
  const record = kernelRecords + <usize>(firstKernel + index) * KERNEL_RECORD_BYTES;
  store<u32>(record + offset, Bits.read(source, position, 32));
  position += 32;
  return true;
}

/** The kernels of one superblock: blocks of input channels, in each block all kernels in turn. */
function takeSuperblock(blocks: u32, lastLength: u32): bool {
  const only = blocks == 1;
  const firstLength = only ? lastLength : groupTaps;
  startBlock(0, firstLength);
  for (let j: u32 = 0; j < kernelCount; j++) {
    if (!takeWeights(1) || !takeWord(j, 0)) return false;
    if (!takeWeights(firstLength - 1)) return false;
    if (only && !takeWord(j, 4)) return false;
  }
  if (only) return true;

  startBlock(1, groupTaps);
  if (!takeWeights(<u64>(blocks - 2) * <u64>kernelCount * <u64>groupTaps)) return false;
  startBlock(blocks - 1, lastLength);
  for (let j: u32 = 0; j < kernelCount; j++) {
    if (!takeWeights(lastLength) || !takeWord(j, 4)) return false;
  }
  return true;
}

/** One core's stream, from its head to its last, zero-filled block. */
function decodeCore(request: CoefRequest, at: u32, size: u32, total: u32): Status {
  const pointwise = request.kernelX == 1 && request.kernelY == 1 && request.outZ > 8;
  source = request.source + at;
  end = size * 8;
  zrlBits = Bits.read(source, 0, 8);
  position = HEADER_BITS;
  pending = false;
  groupTaps = pointwise ? min(request.kernelZ, POINTWISE_BLOCK) : request.kernelX * request.kernelY;
  const blocks = pointwise ? (request.kernelZ + groupTaps - 1) / groupTaps : request.kernelZ;
  const lastLength = pointwise ? request.kernelZ - (blocks - 1) * groupTaps : groupTaps;

  const kernels = Bits.read(source, 8, 16);
  for (let done: u32 = 0; done < kernels; done += kernelCount) {
    kernelCount = min(request.perCore, kernels - done);
    firstKernel = total + done;
    if (!takeSuperblock(blocks, lastLength)) return failAt(at + (position >> 3), -1, position);
  }
  const used = (((position + 31) >> 5) * 4 + COEF_ALIGN - 1) & ~(COEF_ALIGN - 1);
  if (pending || used != size || !zeroBits(source, position, end))
    return failAt(at + (position >> 3), -1, used);
  return Status.OK;
}

/**
 * Ordering A takes channels in sixes without an order inside; B and C share the order of a plane.
 */
function prepareOrder(request: CoefRequest): void {
  if (request.kernelX == 1 && request.kernelY == 1) {
    for (let i: u32 = 0; i < POINTWISE_BLOCK; i++) store<u16>(planeOrder + (i << 1), <u16>i);
  } else makePlaneOrder(request.kernelX, request.kernelY);
}

/**
 * Decodes a buffer that openV7 accepted into request.entries and request.records, kernels numbered
 * in stream order (core by core).
 * @returns SIM_BAD_COEFFICIENTS when a stream ends early or late, or has bits set after its end
 */
export function decodeV7(request: CoefRequest): Status {
  prepareOrder(request);
  zeroPoint = request.zeroPoint;
  entry = request.entries;
  skimming = entry == 0;
  kernelRecords = request.records;
  literals = 0;
  runs = 0;
  let at = headerBytes(request.cores);
  let total: u32 = 0;
  for (let core: u32 = 0; core < request.coresUsed; core++) {
    const size = load<u32>(request.source + 4 * core);
    const status = decodeCore(request, at, size, total);
    if (status != Status.OK) return status;
    total += Bits.read(request.source + at, 8, 16);
    at += size;
  }
  request.entryCount = <u32>((entry - request.entries) / TAP_ENTRY_BYTES);
  store<u32>(request.stats + 4 * <usize>CoefStats.ZRL_BITS, firstZrlBits(request));
  store<u32>(request.stats + 4 * <usize>CoefStats.LITERALS, literals);
  store<u32>(request.stats + 4 * <usize>CoefStats.RUNS, runs);
  return Status.OK;
}
