// Operators that move elements: CONCATENATION, SPLIT, RESHAPE as copies of blocks, PAD, and copies from strided places.
// SPDX-License-Identifier: MIT
import { CopyParam, PadParam, Status } from "../abi";
import { StridedParam } from "../abi-kernels";
import { clearFault } from "../fault";
import { param, paramPtr } from "./requantise";

const DIMENSIONS: i32 = 6;

/**
 * Copies blocks of bytes between two strided places, optionally through a table of 256 bytes.
 * @param block CopyParam words; input and output do not overlap
 * @returns OK
 */
export function runCopyBlocks(block: usize): Status {
  clearFault();
  let src = paramPtr(block, CopyParam.INPUT);
  let dst = paramPtr(block, CopyParam.OUTPUT);
  const bytes = <usize>param(block, CopyParam.BLOCK_BYTES);
  const lookup = paramPtr(block, CopyParam.LOOKUP);
  for (let i = param(block, CopyParam.BLOCKS); i > 0; i--) {
    if (lookup == 0) memory.copy(dst, src, bytes);
    else copyThrough(lookup, dst, src, bytes);
    src += <usize>param(block, CopyParam.INPUT_STRIDE);
    dst += <usize>param(block, CopyParam.OUTPUT_STRIDE);
  }
  return Status.OK;
}

function copyThrough(lookup: usize, dst: usize, src: usize, bytes: usize): void {
  for (let i: usize = 0; i < bytes; i++) store<u8>(dst + i, load<u8>(lookup + load<u8>(src + i)));
}

/**
 * PAD and PADV2 of one-byte elements, up to six dimensions.
 * @param block PadParam words; BEFORE + INPUT_SIZES <= OUTPUT_SIZES in every dimension
 * @returns OK
 */
export function runPad(block: usize): Status {
  clearFault();
  const output = paramPtr(block, PadParam.OUTPUT);
  let bytes: usize = 1;
  for (let i = 0; i < DIMENSIONS; i++) bytes *= <usize>param(block, PadParam.OUTPUT_SIZES + i);
  memory.fill(output, <u8>param(block, PadParam.VALUE), bytes);
  padDimension(block, 0, paramPtr(block, PadParam.INPUT), output, bytes);
  return Status.OK;
}

/** Copies everything from `dimension` inwards; returns the input address behind it. */
function padDimension(
  block: usize,
  dimension: i32,
  src: usize,
  dst: usize,
  dstBytes: usize,
): usize {
  const size = param(block, PadParam.INPUT_SIZES + dimension);
  const outputSize = param(block, PadParam.OUTPUT_SIZES + dimension);
  if (size == 0 || outputSize == 0) return src;
  const stride = dstBytes / <usize>outputSize;
  dst += <usize>param(block, PadParam.BEFORE + dimension) * stride;
  if (dimension == DIMENSIONS - 1) {
    memory.copy(dst, src, size);
    return src + size;
  }
  for (let i = 0; i < size; i++) {
    src = padDimension(block, dimension + 1, src, dst, stride);
    dst += stride;
  }
  return src;
}

/**
 * Copies units of bytes from strided places to consecutive ones: transpositions, slices, rearranged pixels.
 * @param block StridedParam words; input and output do not overlap
 * @returns OK
 */
export function runStridedCopy(block: usize): Status {
  clearFault();
  copyDimension(
    block,
    0,
    paramPtr(block, StridedParam.INPUT),
    paramPtr(block, StridedParam.OUTPUT),
  );
  return Status.OK;
}

/** Copies everything from `dimension` inwards; returns the output address behind it. */
function copyDimension(block: usize, dimension: i32, src: usize, dst: usize): usize {
  const size = param(block, StridedParam.SIZES + dimension);
  // negative strides wrap around the address space and so go backwards
  const stride = <usize>param(block, StridedParam.STRIDES + dimension);
  if (dimension < DIMENSIONS - 1) {
    for (let i = 0; i < size; i++) {
      dst = copyDimension(block, dimension + 1, src, dst);
      src += stride;
    }
    return dst;
  }
  const unit = <usize>param(block, StridedParam.UNIT_BYTES);
  const end = dst + <usize>size * unit;
  for (; dst < end; dst += unit) {
    if (unit == 1) store<u8>(dst, load<u8>(src));
    else if (unit == 4) store<u32>(dst, load<u32>(src));
    else memory.copy(dst, src, unit);
    src += stride;
  }
  return end;
}
