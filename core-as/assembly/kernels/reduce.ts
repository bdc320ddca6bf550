// REDUCE_MAX and REDUCE_MIN over any dimensions.
// SPDX-License-Identifier: MIT
import { Status } from "../abi";
import { Element, ReduceParam } from "../abi-kernels";
import { clearFault } from "../fault";
import { param, paramPtr } from "./requantise";

const DIMENSIONS: i32 = 6;

/** Merges everything from `dimension` inwards into the results; returns the input address behind it. */
function mergeDimension<T>(block: usize, dimension: i32, src: usize, dst: usize): usize {
  const size = param(block, ReduceParam.INPUT_SIZES + dimension);
  const stride = <usize>param(block, ReduceParam.OUTPUT_STRIDES + dimension) * sizeof<T>();
  const smallest = param(block, ReduceParam.SMALLEST) != 0;
  const isInnermost = dimension == DIMENSIONS - 1;
  for (let i = 0; i < size; i++) {
    if (isInnermost) {
      const value = load<T>(src);
      const best = load<T>(dst);
      if (smallest ? value < best : value > best) store<T>(dst, value);
      src += sizeof<T>();
    } else {
      src = mergeDimension<T>(block, dimension + 1, src, dst);
    }
    dst += stride;
  }
  return src;
}

function runTyped<T>(block: usize, least: T, greatest: T): void {
  const output = paramPtr(block, ReduceParam.OUTPUT);
  const start = param(block, ReduceParam.SMALLEST) != 0 ? greatest : least;
  const elements = <usize>param(block, ReduceParam.OUTPUT_ELEMENTS);
  for (let i: usize = 0; i < elements; i++) store<T>(output + i * sizeof<T>(), start);
  mergeDimension<T>(block, 0, paramPtr(block, ReduceParam.INPUT), output);
}

/**
 * REDUCE_MAX or REDUCE_MIN of up to six dimensions; TFLite 2.14 reference semantics.
 * @param block ReduceParam words
 * @returns OK
 */
export function runReduce(block: usize): Status {
  clearFault();
  const element = param(block, ReduceParam.ELEMENT);
  if (element == Element.F32) runTyped<f32>(block, -f32.MAX_VALUE, f32.MAX_VALUE);
  else if (element == Element.I32) runTyped<i32>(block, i32.MIN_VALUE, i32.MAX_VALUE);
  else if (element == Element.I8) runTyped<i8>(block, i8.MIN_VALUE, i8.MAX_VALUE);
  else runTyped<u8>(block, 0, 255);
  return Status.OK;
}
