// ARG_MAX and ARG_MIN along one dimension; of equal elements the first counts.
// SPDX-License-Identifier: MIT
import { Status } from "../abi";
import { ArgParam, Element } from "../abi-kernels";
import { clearFault } from "../fault";
import { param, paramPtr } from "./requantise";

/** Position of the extreme of `size` elements that are `step` bytes apart. */
function extremeOf<T>(src: usize, step: usize, size: i32, smallest: bool): i32 {
  let best = load<T>(src);
  let index = 0;
  for (let i = 1; i < size; i++) {
    src += step;
    const value = load<T>(src);
    const isBetter = smallest ? value < best : value > best;
    if (!isBetter) continue;
    best = value;
    index = i;
  }
  return index;
}

function runTyped<T>(block: usize): void {
  const outer = param(block, ArgParam.OUTER);
  const size = param(block, ArgParam.AXIS);
  const inner = <usize>param(block, ArgParam.INNER) * sizeof<T>();
  const isWide = param(block, ArgParam.WIDE) != 0;
  const smallest = param(block, ArgParam.SMALLEST) != 0;
  let src = paramPtr(block, ArgParam.INPUT);
  let dst = paramPtr(block, ArgParam.OUTPUT);
  for (let o = 0; o < outer; o++) {
    for (let i: usize = 0; i < inner; i += sizeof<T>()) {
      const index = extremeOf<T>(src + i, inner, size, smallest);
      if (isWide) store<i64>(dst, <i64>index);
      else store<i32>(dst, index);
      dst += isWide ? 8 : 4;
    }
    src += <usize>size * inner;
  }
}

/**
 * ARG_MAX or ARG_MIN; TFLite 2.14 reference semantics.
 * @param block ArgParam words; AXIS >= 1
 * @returns OK
 */
export function runArgExtreme(block: usize): Status {
  clearFault();
  const element = param(block, ArgParam.ELEMENT);
  if (element == Element.F32) runTyped<f32>(block);
  else if (element == Element.I32) runTyped<i32>(block);
  else if (element == Element.I8) runTyped<i8>(block);
  else runTyped<u8>(block);
  return Status.OK;
}
