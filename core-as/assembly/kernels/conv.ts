// CONV_2D and FULLY_CONNECTED: patches widened to 16 bits, multiplied with prepared weights four rows by two pixels at a time.
// SPDX-License-Identifier: MIT
import { ConvParam, Fault, Status } from "../abi";
import { arenaAlloc, arenaMark, arenaReset } from "../arena";
import { clearFault, fail, noteFault } from "../fault";
import { finishChannels, setOutputStage } from "./output-stage";
import { param, paramPtr } from "./requantise";
import { preparedRowBytes, preparedRows, ROW_BLOCK } from "./weights";

/** Bytes of widened patches that are multiplied in one go: small enough for a second-level cache. */
const CHUNK_BYTES: i32 = 1 << 17;
const MAX_CHUNK_PIXELS: i32 = 64;

/** The 2 x 4 sums of the matrix kernel. */
const sums = memory.data(32, 16);

// The convolution that runs now.
let input: usize = 0;
let inputH: i32 = 0;
let inputW: i32 = 0;
let inputC: i32 = 0;
let outputH: i32 = 0;
let outputW: i32 = 0;
let kernelH: i32 = 0;
let kernelW: i32 = 0;
let strideH: i32 = 0;
let strideW: i32 = 0;
let dilationH: i32 = 0;
let dilationW: i32 = 0;
let padTop: i32 = 0;
let padLeft: i32 = 0;
let inputZero: i32 = 0;
let groupC: i32 = 0;

function setGeometry(block: usize): void {
  input = paramPtr(block, ConvParam.INPUT);
  inputH = param(block, ConvParam.INPUT_H);
  inputW = param(block, ConvParam.INPUT_W);
  inputC = param(block, ConvParam.INPUT_C);
  outputH = param(block, ConvParam.OUTPUT_H);
  outputW = param(block, ConvParam.OUTPUT_W);
  kernelH = param(block, ConvParam.KERNEL_H);
  kernelW = param(block, ConvParam.KERNEL_W);
  strideH = param(block, ConvParam.STRIDE_H);
  strideW = param(block, ConvParam.STRIDE_W);
  dilationH = param(block, ConvParam.DILATION_H);
  dilationW = param(block, ConvParam.DILATION_W);
  padTop = param(block, ConvParam.PAD_TOP);
  padLeft = param(block, ConvParam.PAD_LEFT);
  inputZero = param(block, ConvParam.INPUT_ZERO);
  groupC = inputC / param(block, ConvParam.GROUPS);
}

/**
 * Widens `count` elements and removes the zero point. Writes whole vectors: up to 14 bytes behind the end change,
 * so callers write upwards.
 */
function widen<T>(dst: usize, src: usize, count: i32): void {
  const zero = i16x8.splat(<i16>inputZero);
  for (let i = 0; i < count; i += 8) {
    v128.store(dst + ((<usize>i) << 1), i16x8.sub(v128.load_ext<T>(src + i), zero));
  }
}

/** Writes the patch of one output pixel and one group as a row of `rowBytes`; padding is 0. */
function gatherPatch<T>(pixel: i32, group: i32, row: usize, rowBytes: usize): void {
  const outX = pixel % outputW;
  const rest = pixel / outputW;
  const outY = rest % outputH;
  const plane = input + <usize>(rest / outputH) * <usize>(inputH * inputW * inputC);
  const firstY = outY * strideH - padTop;
  const firstX = outX * strideW - padLeft;
  // Whole rows of the kernel are contiguous in memory unless columns or channels are left out.
  const isContiguous = dilationW == 1 && groupC == inputC;
  const leftTaps = clampTaps(-firstX);
  const rightTaps = clampTaps(firstX + kernelW - inputW);

  let dst = row;
  for (let ky = 0; ky < kernelH; ky++) {
    const y = firstY + ky * dilationH;
    if (y < 0 || y >= inputH) {
      dst = zeroTaps(dst, kernelW);
      continue;
    }
    const line = plane + <usize>(y * inputW * inputC);
    if (isContiguous) {
      const taps = kernelW - leftTaps - rightTaps;
      dst = zeroTaps(dst, leftTaps);
      if (taps > 0) {
        widen<T>(dst, line + <usize>((firstX + leftTaps) * inputC), taps * groupC);
        dst += (<usize>(taps * groupC)) << 1;
      }
      dst = zeroTaps(dst, taps > 0 ? rightTaps : kernelW - leftTaps);
      continue;
    }
    for (let kx = 0; kx < kernelW; kx++) {
      const x = firstX + kx * dilationW;
      if (x < 0 || x >= inputW) {
        dst = zeroTaps(dst, 1);
        continue;
      }
      widen<T>(dst, line + <usize>(x * inputC + group * groupC), groupC);
      dst += (<usize>groupC) << 1;
    }
  }
  memory.fill(dst, 0, row + rowBytes - dst);
}

function clampTaps(taps: i32): i32 {
  return min(max(taps, 0), kernelW);
}

function zeroTaps(dst: usize, taps: i32): usize {
  const bytes = (<usize>(taps * groupC)) << 1;
  if (bytes != 0) memory.fill(dst, 0, bytes);
  return dst + bytes;
}

/** Sums of the lanes of four vectors, one per lane. */
function sumLanes(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = i32x4.add(v128.shuffle<i32>(a, b, 0, 4, 1, 5), v128.shuffle<i32>(a, b, 2, 6, 3, 7));
  const cd = i32x4.add(v128.shuffle<i32>(c, d, 0, 4, 1, 5), v128.shuffle<i32>(c, d, 2, 6, 3, 7));
  return i32x4.add(v128.shuffle<i32>(ab, cd, 0, 1, 4, 5), v128.shuffle<i32>(ab, cd, 2, 3, 6, 7));
}

/** Four rows of weights times two patches; leaves the sums of the first patch, then of the second. */
function multiplyBlock(weights: usize, patches: usize, rowBytes: usize): void {
  const weights1 = weights + rowBytes;
  const weights2 = weights1 + rowBytes;
  const weights3 = weights2 + rowBytes;
  const patches1 = patches + rowBytes;
  let a0 = i32x4.splat(0);
  let a1 = a0;
  let a2 = a0;
  let a3 = a0;
  let b0 = a0;
  let b1 = a0;
  let b2 = a0;
  let b3 = a0;
  for (let k: usize = 0; k < rowBytes; k += 16) {
    const a = v128.load(patches + k);
    const b = v128.load(patches1 + k);
    let w = v128.load(weights + k);
    a0 = i32x4.add(a0, i32x4.dot_i16x8_s(a, w));
    b0 = i32x4.add(b0, i32x4.dot_i16x8_s(b, w));
    w = v128.load(weights1 + k);
    a1 = i32x4.add(a1, i32x4.dot_i16x8_s(a, w));
    b1 = i32x4.add(b1, i32x4.dot_i16x8_s(b, w));
    w = v128.load(weights2 + k);
    a2 = i32x4.add(a2, i32x4.dot_i16x8_s(a, w));
    b2 = i32x4.add(b2, i32x4.dot_i16x8_s(b, w));
    w = v128.load(weights3 + k);
    a3 = i32x4.add(a3, i32x4.dot_i16x8_s(a, w));
    b3 = i32x4.add(b3, i32x4.dot_i16x8_s(b, w));
  }
  v128.store(sums, sumLanes(a0, a1, a2, a3));
  v128.store(sums, sumLanes(b0, b1, b2, b3), 16);
}

/** All rows of one group's weights times the `pixels` patches of a chunk. */
function multiplyChunk(
  weights: usize,
  rows: i32,
  firstChannel: i32,
  patches: usize,
  pixels: i32,
  rowBytes: usize,
  output: usize,
  outputC: i32,
): void {
  for (let row = 0; row < rows; row += ROW_BLOCK) {
    const count = min(rows - row, ROW_BLOCK);
    const rowWeights = weights + <usize>row * rowBytes;
    const channel = firstChannel + row;
    for (let pixel = 0; pixel < pixels; pixel += 2) {
      multiplyBlock(rowWeights, patches + <usize>pixel * rowBytes, rowBytes);
      const dst = output + <usize>pixel * <usize>outputC + channel;
      finishChannels(sums, channel, count, dst);
      if (pixel + 1 < pixels) finishChannels(sums + 16, channel, count, dst + outputC);
    }
  }
}

/**
 * CONV_2D on int8 or uint8 NHWC tensors, also grouped and dilated; TFLite 2.14 reference semantics with one multiplier per
 * output channel. A fully connected layer is the same with 1 x 1 pixels: one batch entry per row.
 * @param block ConvParam words; WEIGHTS holds GROUPS groups of OUTPUT_C / GROUPS rows of
 *   KERNEL_H * KERNEL_W * INPUT_C / GROUPS weights, prepared
 * @returns OK, BAD_ARGUMENT or NO_MEMORY (scratch: about 128 KiB)
 */
export function runConv2d(block: usize): Status {
  clearFault();
  const groups = param(block, ConvParam.GROUPS);
  const outputC = param(block, ConvParam.OUTPUT_C);
  if (groups < 1 || outputC % groups != 0 || param(block, ConvParam.INPUT_C) % groups != 0) {
    noteFault(Fault.VALUE, groups);
    return fail(Status.BAD_ARGUMENT);
  }
  setGeometry(block);
  setOutputStage(block);
  const isSigned = param(block, ConvParam.SIGNED) != 0;
  const weights = paramPtr(block, ConvParam.WEIGHTS);
  const output = paramPtr(block, ConvParam.OUTPUT);
  const rowBytes = preparedRowBytes(kernelH * kernelW * groupC);
  const rows = outputC / groups;
  const groupBytes = rowBytes * <usize>preparedRows(rows);
  const pixels = param(block, ConvParam.BATCHES) * outputH * outputW;
  const fitting = CHUNK_BYTES / <i32>max<usize>(rowBytes, 16);
  const chunk = max(2, min(MAX_CHUNK_PIXELS, fitting) & ~1);

  const mark = arenaMark();
  const patches = arenaAlloc(<usize>chunk * rowBytes + 32);
  if (patches == 0) return fail(Status.NO_MEMORY);
  for (let group = 0; group < groups; group++) {
    const groupWeights = weights + <usize>group * groupBytes;
    for (let first = 0; first < pixels; first += chunk) {
      const count = min(chunk, pixels - first);
      for (let i = 0; i < count; i++) {
        const row = patches + <usize>i * rowBytes;
        if (isSigned) gatherPatch<i8>(first + i, group, row, rowBytes);
        else gatherPatch<u8>(first + i, group, row, rowBytes);
      }
      const dst = output + <usize>first * <usize>outputC;
      multiplyChunk(groupWeights, rows, group * rows, patches, count, rowBytes, dst, outputC);
    }
  }
  arenaReset(mark);
  return Status.OK;
}
