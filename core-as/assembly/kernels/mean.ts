// MEAN over any dimensions: sums in one pass over the input, then one rescaling that includes the division.
// SPDX-License-Identifier: MIT
import { MeanParam, Status } from "../abi";
import { arenaAllocZeroed, arenaMark, arenaReset } from "../arena";
import { clearFault, fail } from "../fault";
import { clampTo, loadElement, multiplyByQuantised, param, paramPtr } from "./requantise";

const DIMENSIONS: i32 = 6;

/** Adds everything from `dimension` inwards to its sum; returns the input address behind it. */
function sumDimension(block: usize, dimension: i32, src: usize, sums: usize): usize {
  const size = param(block, MeanParam.INPUT_SIZES + dimension);
  const stride = (<usize>param(block, MeanParam.OUTPUT_STRIDES + dimension)) << 2;
  const isSigned = param(block, MeanParam.SIGNED) != 0;
  const isInnermost = dimension == DIMENSIONS - 1;
  for (let i = 0; i < size; i++) {
    if (isInnermost) {
      store<i32>(sums, load<i32>(sums) + loadElement(src, isSigned));
      src++;
    } else {
      src = sumDimension(block, dimension + 1, src, sums);
    }
    sums += stride;
  }
  return src;
}

/**
 * MEAN of int8 or uint8 tensors of up to six dimensions; TFLite 2.14 reference semantics.
 * @param block MeanParam words; COUNT < 2^22, so that sums fit 32 bits
 * @returns OK or NO_MEMORY (scratch: four bytes per output element)
 */
export function runMean(block: usize): Status {
  clearFault();
  const elements = param(block, MeanParam.OUTPUT_ELEMENTS);
  const mark = arenaMark();
  const sums = arenaAllocZeroed((<usize>elements) << 2);
  if (sums == 0) return fail(Status.NO_MEMORY);
  sumDimension(block, 0, paramPtr(block, MeanParam.INPUT), sums);

  const output = paramPtr(block, MeanParam.OUTPUT);
  const zeros = param(block, MeanParam.INPUT_ZERO) * param(block, MeanParam.COUNT);
  const multiplier = param(block, MeanParam.MULTIPLIER);
  const shift = param(block, MeanParam.SHIFT);
  const outputZero = param(block, MeanParam.OUTPUT_ZERO);
  const lowest = param(block, MeanParam.SIGNED) != 0 ? -128 : 0;
  for (let i = 0; i < elements; i++) {
    const sum = load<i32>(sums + ((<usize>i) << 2)) - zeros;
    const value = multiplyByQuantised(sum, multiplier, shift) + outputZero;
    store<u8>(output + i, <u8>clampTo(value, lowest, lowest + 255));
  }
  arenaReset(mark);
  return Status.OK;
}
