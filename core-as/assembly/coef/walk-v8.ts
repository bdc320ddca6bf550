// Walks the coded bytes of one core in stream order, NN core version 8 (spec/coefficients-v8.md 5).
// The same walk counts how often each byte is coded, or emits the stream.
// SPDX-License-Identifier: MIT
import { NnJob, WeightSource } from "../abi";
import { ceilDiv, member } from "../record";
import { countFlush, countLiterals, countRun } from "./count-runs";
import { emitByteV8 } from "./emit-v8";

/** Weights go in blocks of nine. */
const BLOCK = 9;

let weights: usize = 0;
let kernels: i32 = 0;
let kernelBytes: i32 = 0;
let depthwise: bool = false;
let zeroPoint: i32 = 0;
/** XORed into stored bytes: 0x80 for int8 weights. */
let flip: i32 = 0;
let cores: i32 = 0;
let chipCores: i32 = 0;
let superblocks: i32 = 0;
let perSuperblock: i32 = 0;
let block: i32 = 0;

/** How often each byte value is coded; 256 words. */
const histogram = memory.data(256 * 4);
let emitting: bool = false;
/** Bytes coded so far; with zero runs, only those that stand in the stream. */
let coded: u32 = 0;
/** Zero runs: longest run of one code, or -1 without; and zeros that are due but not written yet. */
let longest: i32 = -1;
let gap: i32 = 0;

export function coresUsedV8(): i32 {
  return cores;
}

/** Reads a job record; `weightsPtr` are transformed weights as stored. */
export function loadJobV8(job: usize, weightsPtr: usize): void {
  weights = weightsPtr;
  kernels = member(job, NnJob.COEF_KERNELS);
  depthwise = member(job, NnJob.SOURCE) == WeightSource.DEPTHWISE;
  kernelBytes =
    (depthwise ? 1 : member(job, NnJob.COEF_PLANES)) *
    member(job, NnJob.ROWS) *
    member(job, NnJob.COLS);
  zeroPoint = member(job, NnJob.WEIGHT_ZP);
  flip = member(job, NnJob.WEIGHT_FLIP);
  chipCores = member(job, NnJob.NN_CORES);
  cores = min(kernels, chipCores);
  superblocks = member(job, NnJob.SUPERBLOCKS);
  perSuperblock = ceilDiv(kernels, chipCores * superblocks);
  block = depthwise ? max(kernelBytes, BLOCK) : BLOCK;
}

/** Kernels of a core over all superblocks. */
function kernelsOfCoreV8(core: i32): i32 {
  return kernels / cores + (core < kernels % cores ? 1 : 0);
}

/** Kernels of a core in a superblock. */
function dealt(core: i32, sb: i32): i32 {
  if (sb < superblocks - 1) return perSuperblock;
  const rest = kernels - cores * (superblocks - 1) * perSuperblock;
  return rest / cores + (core < rest % cores ? 1 : 0);
}

/**
 * Channel of kernel j of a core. Depthwise channels form rows of as many as there are cores, each row reversed
 * over the cores it fills.
 */
function channelOf(core: i32, sb: i32, j: i32, first: i32): i32 {
  if (!depthwise) return first + j;
  const row = sb * perSuperblock + j;
  return row * chipCores + min(chipCores, kernels - row * chipCores) - 1 - core;
}

/** Counts or emits a byte that stands in the stream. */
function put(byte: i32, run: i32): void {
  coded++;
  if (emitting) {
    emitByteV8(byte, run);
  } else {
    const at = histogram + ((<usize>byte) << 2);
    store<u32>(at, load<u32>(at) + 1);
  }
}

function code(value: i32): void {
  const byte = value & 0xff;
  if (longest < 0) put(byte, 0);
  else if (byte == 0) gap++;
  else {
    if (emitting) emitFullRuns();
    else if (gap == 0) countLiterals(1);
    else countRun(gap);
    put(byte, gap);
    gap = 0;
  }
}

/** Runs of the full length, each closed by a zero that stands in the stream. */
function emitFullRuns(): void {
  for (; gap > longest; gap -= longest + 1) put(0, longest);
}

/** Zeros before the end: the last of them stands in the stream. */
function flushZeros(): void {
  if (gap > 0 && !emitting) countFlush(gap);
  else if (gap > 0) {
    emitFullRuns();
    if (gap > 0) put(0, gap - 1);
  }
  gap = 0;
}

function codeBlock(channel: i32, from: i32): void {
  const kernel = weights + <usize>channel * <usize>kernelBytes;
  const to = min(from + block, kernelBytes);
  for (let i = from; i < to; i++) code((load<u8>(kernel + <usize>i) ^ flip) - zeroPoint);
  for (let i = max(to, from); i < from + block; i++) code(0);
  if (depthwise && block % BLOCK != 0) {
    for (let i = block % BLOCK; i < BLOCK; i++) code(0);
  }
}

/**
 * Codes everything of one core; an odd number of bytes gets one more. Returns the number of bytes coded.
 * @param zrlBits width of run lengths, 0 = without zero runs
 * @param emit false: counts, with runs only bytes that are not zero and the runs of every width (count-runs.ts)
 */
export function walkCoreV8(core: i32, emit: bool, zrlBits: i32): u32 {
  emitting = emit;
  coded = 0;
  gap = 0;
  longest = zrlBits == 0 ? -1 : (1 << zrlBits) - 1;
  const total = kernelsOfCoreV8(core);
  // The number of kernels is never part of a run.
  put(total & 0xff, 0);
  put(total >> 8, 0);
  for (let sb = 0; sb < superblocks; sb++) {
    const count = dealt(core, sb);
    let first = sb * perSuperblock * cores;
    for (let before = 0; before < core; before++) first += dealt(before, sb);
    for (let from = 0; from < kernelBytes; from += block) {
      for (let j = 0; j < count; j++) codeBlock(channelOf(core, sb, j, first), from);
    }
  }
  flushZeros();
  const bytes = coded;
  if ((bytes & 1) != 0 && (emit || zrlBits == 0)) put(0, 0);
  return bytes;
}

export function clearHistogram(): void {
  memory.fill(histogram, 0, 256 * 4);
}

export function codedTimes(byte: i32): u32 {
  return load<u32>(histogram + ((<usize>byte) << 2));
}

/** sum(w - wZp) of one kernel's stored bytes. */
function sumOfKernel(channel: i32): i32 {
  const from = weights + <usize>channel * <usize>kernelBytes;
  let sum = -zeroPoint * kernelBytes;
  for (let i = 0; i < kernelBytes; i++) sum += load<u8>(from + <usize>i) ^ flip;
  return sum;
}

/** corrected bias: bias + sum(w - wZp) * (128 - inZp); 32-bit, wraps. */
export function correctedBiasV8(channel: i32, bias: i32, inZeroPoint: i32): i32 {
  return bias + sumOfKernel(channel) * (128 - inZeroPoint);
}
