// CAST between element types, QUANTIZE from binary32 and DEQUANTIZE to it.
// SPDX-License-Identifier: MIT
import { Status } from "../abi";
import { ConvertParam, Element } from "../abi-kernels";
import { clearFault } from "../fault";
import { clampTo, param, paramFloat, paramPtr } from "./requantise";

function bytesOf(element: i32): usize {
  if (element == Element.I64) return 8;
  if (element == Element.F32 || element == Element.I32) return 4;
  return element == Element.I16 ? 2 : 1;
}

function loadInteger(src: usize, element: i32): i64 {
  switch (element) {
    case Element.I32:
      return <i64>load<i32>(src);
    case Element.U8:
      return <i64>load<u8>(src);
    case Element.I8:
      return <i64>load<i8>(src);
    case Element.I64:
      return load<i64>(src);
    case Element.I16:
      return <i64>load<i16>(src);
    default:
      return i64(load<u8>(src) != 0);
  }
}

/** Keeps the low bits, as C does. */
function storeInteger(dst: usize, element: i32, value: i64): void {
  switch (element) {
    case Element.I32:
      store<i32>(dst, <i32>value);
      break;
    case Element.I64:
      store<i64>(dst, value);
      break;
    case Element.I16:
      store<i16>(dst, <i16>value);
      break;
    case Element.BOOL:
      store<u8>(dst, u8(value != 0));
      break;
    default:
      store<u8>(dst, <u8>value);
  }
}

/** Towards zero. Values that the type does not have saturate first at 64 bits (C leaves them open). */
function storeFloat(dst: usize, element: i32, value: f32): void {
  if (element == Element.F32) store<f32>(dst, value);
  else if (element == Element.BOOL) store<u8>(dst, u8(value != 0));
  else if (element == Element.I32) store<i32>(dst, <i32>value);
  else storeInteger(dst, element, <i64>value);
}

/**
 * CAST; TFLite 2.14 reference semantics.
 * @param block ConvertParam words
 * @returns OK
 */
export function runCast(block: usize): Status {
  clearFault();
  const from = param(block, ConvertParam.FROM);
  const to = param(block, ConvertParam.TO);
  let src = paramPtr(block, ConvertParam.INPUT);
  let dst = paramPtr(block, ConvertParam.OUTPUT);
  for (let i = param(block, ConvertParam.COUNT); i > 0; i--) {
    if (from == Element.F32) storeFloat(dst, to, load<f32>(src));
    else if (to == Element.F32) store<f32>(dst, <f32>loadInteger(src, from));
    else storeInteger(dst, to, loadInteger(src, from));
    src += bytesOf(from);
    dst += bytesOf(to);
  }
  return Status.OK;
}

/**
 * QUANTIZE from binary32 to int8 or uint8: divided by the scale in binary32, rounded half away from zero.
 * @param block ConvertParam words
 * @returns OK
 */
export function runQuantize(block: usize): Status {
  clearFault();
  const scale = paramFloat(block, ConvertParam.SCALE);
  const zero = param(block, ConvertParam.ZERO);
  const lowest = param(block, ConvertParam.TO) == Element.I8 ? -128 : 0;
  let src = paramPtr(block, ConvertParam.INPUT);
  let dst = paramPtr(block, ConvertParam.OUTPUT);
  for (let i = param(block, ConvertParam.COUNT); i > 0; i--) {
    // in binary64 the half does not round the sum
    const steps = <f64>(load<f32>(src) / scale);
    const rounded = <i32>(steps + copysign<f64>(0.5, steps));
    // so that the zero point does not wrap
    const value = clampTo(rounded, -(1 << 30), 1 << 30) + zero;
    store<u8>(dst, <u8>clampTo(value, lowest, lowest + 255));
    src += 4;
    dst++;
  }
  return Status.OK;
}

/**
 * DEQUANTIZE of bytes through a table.
 * @param block ConvertParam words
 * @returns OK
 */
export function runDequantize(block: usize): Status {
  clearFault();
  const table = paramPtr(block, ConvertParam.TABLE);
  let src = paramPtr(block, ConvertParam.INPUT);
  let dst = paramPtr(block, ConvertParam.OUTPUT);
  for (let i = param(block, ConvertParam.COUNT); i > 0; i--) {
    store<f32>(dst, load<f32>(table + ((<usize>load<u8>(src)) << 2)));
    src++;
    dst += 4;
  }
  return Status.OK;
}
