// Walks the coefficients of one core in stream order, NN core version 7 (spec/coefficients-v7.md 4, 5).
// The same walk counts the size of every run width at once, or emits the stream for one width.
// SPDX-License-Identifier: MIT
import { CoefOrder, NnJob, QuirkFlag, WeightSource } from "../abi";
import { member } from "../record";
import { countFlush, countLiterals, countRun, countWord } from "./count-runs";
import { emitFlush, emitLiteral, emitWord } from "./emit-v7";

/** The job's members that the inner loops need, loaded once by `loadJob`. */
let weights: usize = 0;
let weightBytes: i32 = 0;
let biases: usize = 0;
let kernels: i32 = 0;
let planes: i32 = 0;
let rows: i32 = 0;
let cols: i32 = 0;
let restEnd: i32 = 0;
let split: bool = false;
/** REST_END differs from COLS: the walk leaves the kernel's own bytes (Q5). */
let ragged: bool = false;
/** Weights of one plane, and how many of them the stream carries. */
let taps: i32 = 0;
let carried: i32 = 0;
let depthwise: bool = false;
let storedPlanes: i32 = 0;
let multiplier: i32 = 1;
let padByte: i32 = 0;
let zeroPoint: i32 = 0;
let inZeroPoint: i32 = 0;
let outPlane: i32 = 0;
let isAdd: bool = false;
let addWord: i32 = 0;
let order: i32 = 0;

/** Channels in the order in which they are dealt; 0 = in their own. */
let kernelOrder: usize = 0;

/** How the kernels are dealt to the cores. */
let cores: i32 = 0;
let superblocks: i32 = 0;
let perSuperblock: i32 = 0;
let perCore: i32 = 0;
let pastEnd: bool = false;
let flushPlanes: bool = false;

/** True while emitting, false while counting. */
let emitting: bool = false;
/** Zero-point weights that are due but not written yet. */
let gap: i32 = 0;

export function coresUsed(): i32 {
  return cores;
}

/** Reads a job record; `weightsPtr` are transformed weights, `biasPtr` 32-bit biases of existing kernels. */
export function loadJob(job: usize, weightsPtr: usize, biasPtr: usize): void {
  weights = weightsPtr;
  biases = biasPtr;
  weightBytes = member(job, NnJob.WEIGHT_BYTES);
  kernels = member(job, NnJob.COEF_KERNELS);
  planes = member(job, NnJob.COEF_PLANES);
  rows = member(job, NnJob.ROWS);
  cols = member(job, NnJob.COLS);
  restEnd = member(job, NnJob.REST_END);
  split = member(job, NnJob.SPLIT_ROWS) != 0 && cols > 3;
  ragged = split && restEnd != cols;
  taps = rows * cols;
  carried = split ? rows * (3 + max(restEnd - 3, 0)) : taps;
  depthwise = member(job, NnJob.SOURCE) == WeightSource.DEPTHWISE;
  storedPlanes = member(job, NnJob.DW_PLANES);
  multiplier = member(job, NnJob.DW_MULTIPLIER);
  padByte = member(job, NnJob.PAD_BYTE);
  zeroPoint = member(job, NnJob.WEIGHT_ZP);
  inZeroPoint = member(job, NnJob.IN_ZP);
  outPlane = member(job, NnJob.OUT_PLANE);
  isAdd = member(job, NnJob.IS_ADD) != 0;
  addWord = member(job, NnJob.ADD_WORD);
  order = member(job, NnJob.ORDER);
  kernelOrder = <usize>member(job, NnJob.KERNEL_ORDER);

  cores = min(kernels, member(job, NnJob.NN_CORES));
  superblocks = member(job, NnJob.SUPERBLOCKS);
  perCore = <i32>((<u32>kernels + <u32>cores - 1) / <u32>cores);
  perSuperblock = <i32>((<u32>perCore + <u32>superblocks - 1) / <u32>superblocks);
  flushPlanes = (member(job, NnJob.QUIRKS) & QuirkFlag.FLUSH_PLANES) != 0;
  pastEnd = (member(job, NnJob.QUIRKS) & QuirkFlag.READ_PAST_END) != 0;
}

/** Kernels that core `core` processes in superblock `sb`. */
export function dealt(core: i32, sb: i32): i32 {
  if (sb < superblocks - 1) return perSuperblock;
  const before = perSuperblock * (superblocks - 1);
  if (pastEnd) return perCore - before;
  const rest = kernels - cores * before;
  return rest / cores + (core < rest % cores ? 1 : 0);
}

/** First place of core `core` in superblock `sb` among all kernels; cores take contiguous groups. */
export function firstSlot(core: i32, sb: i32): i32 {
  let first = sb * perSuperblock * cores;
  for (let c = 0; c < core; c++) first += dealt(c, sb);
  return first;
}

/** Channel of the kernel at a place. */
function channelAt(slot: i32): i32 {
  return kernelOrder == 0 ? slot : load<i32>(kernelOrder + ((<usize>slot) << 2));
}

/** Kernels of a core over all superblocks: the second field of its stream. */
export function kernelsOfCore(core: i32): i32 {
  return perSuperblock * (superblocks - 1) + dealt(core, superblocks - 1);
}

/** Bits of a core's stream without zero runs: header, weights, and bias and offset of each kernel. */
export function plainBits(core: i32): u64 {
  return 24 + <u64>kernelsOfCore(core) * (8 * <u64>carried * <u64>planes + 64);
}

// ---- events ------------------------------------------------------------------------------------

function weight(value: i32): void {
  if (value == zeroPoint) {
    gap++;
  } else {
    if (emitting) emitLiteral(gap, value);
    else if (gap == 0) countLiterals(1);
    else countRun(gap);
    gap = 0;
  }
}

/** Weights that lie one behind the other. */
function weightsAt(from: usize, count: i32): void {
  // Most have no zero point among them. The arena's end leaves room for the whole load.
  if (!emitting && gap == 0 && count <= 16) {
    const zeros = i8x16.bitmask(i8x16.eq(v128.load(from), i8x16.splat(<i8>zeroPoint)));
    if ((zeros & ((1 << count) - 1)) == 0) return countLiterals(count);
  }
  for (let i = 0; i < count; i++) weight(load<u8>(from + <usize>i));
}

function flush(): void {
  if (gap == 0) return;
  if (emitting) emitFlush(gap);
  else countFlush(gap);
  gap = 0;
}

function word(value: i32): void {
  flush();
  if (emitting) emitWord(value);
  else countWord();
}

/** `count` times the byte that stands outside a depthwise kernel. */
function pads(count: i32): void {
  if (padByte == zeroPoint) {
    gap += count;
  } else {
    // int8 weights sent raw (Q4): the filling byte is no zero point, so every one is a literal.
    for (let i = 0; i < count; i++) weight(padByte);
  }
}

// ---- weights -----------------------------------------------------------------------------------

/** Plane of a depthwise kernel among the stored ones, or -1 when plane z is not its own. */
function storedPlane(channel: i32, z: i32): i32 {
  const plane = z - (channel / multiplier) * storedPlanes;
  return plane >= 0 && plane < storedPlanes ? plane : -1;
}

/** Byte `index` (plane-major) of a kernel as if all planes were stored; 0 past the end of the array. */
function byteAt(channel: i32, index: i32): i32 {
  const size = planes * taps;
  channel += index / size;
  index %= size;
  if (depthwise) {
    if (channel >= kernels) return 0;
    const plane = storedPlane(channel, index / taps);
    if (plane < 0) return padByte;
    const at = (channel * storedPlanes + plane) * taps + (index % taps);
    return at < weightBytes ? load<u8>(weights + <usize>at) : padByte;
  }
  const at = <i64>channel * <i64>size + <i64>index;
  return at < <i64>weightBytes ? load<u8>(weights + <usize>at) : 0;
}

/** Weights of a kernel that differ from the zero point, not counting the planes of other channels. */
export function literalsOf(channel: i32): i32 {
  const count = (depthwise ? storedPlanes : planes) * taps;
  const from = weights + <usize>channel * <usize>count;
  if (depthwise && (channel + 1) * count > weightBytes) return 0;
  let zeros = 0;
  for (let i = 0; i < count; i++) zeros += i32(load<u8>(from + <usize>i) == zeroPoint);
  return count - zeros;
}

/** The word that holds a channel's bias; its value matters only when it is emitted. */
function biasWord(channel: i32): void {
  word(emitting ? correctedBias(channel) : 0);
}

/** corrected bias of a channel: bias - inZp * sum(w - wZp) over all planes; 32-bit, wraps. */
function correctedBias(channel: i32): i32 {
  const count = planes * taps;
  if (channel >= kernels) return inZeroPoint * zeroPoint * count;
  let sum = 0;
  let stored = count;
  let from = weights + <usize>channel * <usize>count;
  if (depthwise) {
    stored = storedPlanes * taps;
    from = weights + <usize>(channel * stored);
    // A channel behind the stored ones (reference with a depth multiplier, Q35) has filling only.
    if ((channel + 1) * stored > weightBytes) stored = 0;
    sum = padByte * (count - stored);
  }
  sum += sumBytes(from, stored);
  return load<i32>(biases + ((<usize>channel) << 2)) - (sum - zeroPoint * count) * inZeroPoint;
}

function sumBytes(from: usize, length: i32): i32 {
  let total = i32x4.splat(0);
  const end = from + <usize>length;
  for (; from + 16 <= end; from += 16) {
    const pairs = i16x8.extadd_pairwise_i8x16_u(v128.load(from));
    total = i32x4.add(total, i32x4.extadd_pairwise_i16x8_u(pairs));
  }
  let sum =
    i32x4.extract_lane(total, 0) +
    i32x4.extract_lane(total, 1) +
    i32x4.extract_lane(total, 2) +
    i32x4.extract_lane(total, 3);
  for (; from < end; from++) sum += load<u8>(from);
  return sum;
}

function outputWord(channel: i32): i32 {
  return isAdd ? addWord : outPlane * channel;
}

// ---- order A: blocks of six input channels -------------------------------------------------------

const BLOCK_CHANNELS = 6;

function walkPointwise(first: i32, count: i32): void {
  const block = min(planes, BLOCK_CHANNELS);
  for (let from = 0; from < planes; from += block) {
    const to = min(from + block, planes);
    for (let j = 0; j < count; j++) {
      const channel = channelAt(first + j);
      const kernel = weights + <usize>channel * <usize>planes;
      const isStored = !depthwise && channel < kernels;
      for (let z = from; z < to; z++) {
        if (isStored && z > 0) {
          weightsAt(kernel + <usize>z, to - z);
          break;
        }
        if (depthwise) weight(byteAt(channel, z));
        else weight(isStored ? load<u8>(kernel + <usize>z) : 0);
        if (z == 0) biasWord(channel);
      }
      if (to == planes) word(outputWord(channel));
    }
  }
}

// ---- order B: input channel by input channel ---------------------------------------------------

/** The weights of one plane at `kernel` in stream order: row pairs, long rows as 3 + rest. */
function walkPlane(kernel: usize): void {
  if (!split) return weightsAt(kernel, taps);
  for (let pair = 0; pair < rows; pair += 2) {
    const end = min(pair + 2, rows);
    for (let row = pair; row < end; row++) {
      for (let col = 0; col < 3; col++) weight(load<u8>(kernel + <usize>(row * cols + col)));
    }
    for (let row = pair; row < end; row++) {
      for (let col = 3; col < cols; col++) weight(load<u8>(kernel + <usize>(row * cols + col)));
    }
  }
}

/** The same by index, for kernels without plain storage; with the bias behind the very first weight. */
function walkPlaneByIndex(channel: i32, z: i32): void {
  const base = z * taps;
  const first = split ? 3 : cols;
  for (let pair = 0; pair < rows; pair += 2) {
    const end = min(pair + 2, rows);
    for (let row = pair; row < end; row++) {
      for (let col = 0; col < first; col++) {
        weight(byteAt(channel, base + row * cols + col));
        if (base + row + col == 0) biasWord(channel);
      }
    }
    if (!split) continue;
    for (let row = pair; row < end; row++) {
      for (let col = 3; col < restEnd; col++) weight(byteAt(channel, base + row * cols + col));
    }
  }
}

/** A plane that a depthwise kernel stores. */
function walkOwnPlane(channel: i32, z: i32): void {
  const plane = channel * storedPlanes + (z % storedPlanes);
  if ((plane + 1) * taps <= weightBytes) walkPlane(weights + <usize>(plane * taps));
  else pads(carried);
}

/** Plane z of all kernels of the superblock, when each is plainly stored and no bias is due. */
function walkStoredPlane(z: i32, first: i32, count: i32): void {
  if (!depthwise) {
    for (let j = 0; j < count; j++) {
      const channel = <usize>channelAt(first + j);
      walkPlane(weights + (channel * <usize>planes + <usize>z) * <usize>taps);
    }
    return;
  }
  if (kernelOrder != 0) {
    for (let j = 0; j < count; j++) {
      const channel = channelAt(first + j);
      if (channel / multiplier == z / storedPlanes) walkOwnPlane(channel, z);
      else pads(carried);
    }
    return;
  }
  // Only the kernels whose input channel this plane belongs to have weights here.
  const owner = (z / storedPlanes) * multiplier - first;
  const from = min(max(owner, 0), count);
  const to = min(max(owner + multiplier, 0), count);
  pads(from * carried);
  for (let j = from; j < to; j++) walkOwnPlane(first + j, z);
  pads((count - to) * carried);
}

function walkInterleaved(first: i32, count: i32, lastSuperblock: bool): void {
  const existing = min(max(kernels - first, 0), count);
  for (let z = 0; z < planes; z++) {
    const last = z == planes - 1;
    if (z == 0 || last || ragged) {
      for (let j = 0; j < count; j++) {
        const channel = channelAt(first + j);
        walkPlaneByIndex(channel, z);
        if (last) word(outputWord(channel));
      }
    } else {
      walkStoredPlane(z, first, existing);
      for (let j = existing; j < count; j++) walkPlaneByIndex(first + j, z);
    }
    // The reference flushes only here (Q6); any choice decodes.
    if (flushPlanes && lastSuperblock) flush();
  }
}

/** Walks everything of one core: counts, or emits into the started bit stream. */
export function walkCore(core: i32, emit: bool): void {
  emitting = emit;
  gap = 0;
  for (let sb = 0; sb < superblocks; sb++) {
    const first = firstSlot(core, sb);
    const count = dealt(core, sb);
    if (order == CoefOrder.POINTWISE) walkPointwise(first, count);
    else walkInterleaved(first, count, sb == superblocks - 1);
  }
  flush();
}

/** True when the whole stream consists of bytes and can be copied instead of packed. */
export function isBytewise(zrlBits: i32): bool {
  return zrlBits == 0 && order == CoefOrder.POINTWISE && !depthwise;
}

/** Emits a pointwise core without zero runs at `dst` (behind the stream's three header bytes); returns the end. */
export function copyPointwiseCore(core: i32, dst: usize): usize {
  const block = min(planes, BLOCK_CHANNELS);
  for (let sb = 0; sb < superblocks; sb++) {
    const first = firstSlot(core, sb);
    const count = dealt(core, sb);
    for (let from = 0; from < planes; from += block) {
      const length = min(block, planes - from);
      const last = from + length == planes;
      for (let j = 0; j < count; j++) {
        const channel = channelAt(first + j);
        const at = weights + <usize>channel * <usize>planes + <usize>from;
        const exists = channel < kernels;
        let start = 0;
        if (from == 0) {
          store<u8>(dst, exists ? load<u8>(at) : 0);
          store<i32>(dst, correctedBias(channel), 1);
          dst += 5;
          start = 1;
        }
        for (let i = start; i < length; i++, dst++) {
          store<u8>(dst, exists ? load<u8>(at + <usize>i) : 0);
        }
        if (last) {
          store<i32>(dst, outputWord(channel));
          dst += 4;
        }
      }
    }
  }
  return dst;
}
