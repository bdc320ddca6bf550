// Operators of two operands with broadcasting: on binary32, on int32, and on bytes (MUL, MINIMUM, MAXIMUM, PRELU).
// SPDX-License-Identifier: MIT
import { Fault, Status } from "../abi";
import { BinaryOperation, BinaryParam, Element } from "../abi-kernels";
import { clearFault, fail, noteFault } from "../fault";
import {
  clampTo,
  loadElement,
  multiplyByQuantised,
  param,
  paramFloat,
  paramPtr,
} from "./requantise";

const DIMENSIONS: i32 = 6;

let operation: i32 = 0;
let element: i32 = 0;
let dividedByZero: bool = false;

/** floor(a / b); the one overflowing quotient wraps. */
function floorDivide(a: i32, b: i32): i32 {
  if (b == 0) {
    dividedByZero = true;
    return 0;
  }
  if (b == -1) return 0 - a;
  const quotient = a / b;
  return quotient - i32(a % b != 0 && (a ^ b) < 0);
}

/** Sums, differences and products wrap, as they do in practice in TFLite. */
function combineIntegers(a: i32, b: i32): i32 {
  switch (operation) {
    case BinaryOperation.ADD:
      return a + b;
    case BinaryOperation.SUB:
      return a - b;
    case BinaryOperation.MUL:
      return a * b;
    case BinaryOperation.MINIMUM:
      return min(a, b);
    case BinaryOperation.MAXIMUM:
      return max(a, b);
    default:
      return floorDivide(a, b);
  }
}

function combineFloats(a: f32, b: f32): f32 {
  switch (operation) {
    case BinaryOperation.ADD:
      return a + b;
    case BinaryOperation.SUB:
      return a - b;
    case BinaryOperation.MUL:
      return a * b;
    case BinaryOperation.DIV:
      return a / b;
    case BinaryOperation.MINIMUM:
      return a < b ? a : b;
    case BinaryOperation.MAXIMUM:
      return a > b ? a : b;
    case BinaryOperation.PRELU:
      return a >= 0 ? a : a * b;
    default:
      return <f32>floor<f64>(<f64>a / <f64>b);
  }
}

function floatRow(
  block: usize,
  from1: usize,
  step1: usize,
  from2: usize,
  step2: usize,
  to: usize,
  end: usize,
): void {
  const low = paramFloat(block, BinaryParam.CLAMP_MIN);
  const high = paramFloat(block, BinaryParam.CLAMP_MAX);
  for (; to < end; to += 4) {
    const value = combineFloats(load<f32>(from1), load<f32>(from2));
    store<f32>(to, min<f32>(max<f32>(value, low), high));
    from1 += step1;
    from2 += step2;
  }
}

function integerRow(
  block: usize,
  from1: usize,
  step1: usize,
  from2: usize,
  step2: usize,
  to: usize,
  end: usize,
): void {
  const low = param(block, BinaryParam.CLAMP_MIN);
  const high = param(block, BinaryParam.CLAMP_MAX);
  for (; to < end; to += 4) {
    store<i32>(to, clampTo(combineIntegers(load<i32>(from1), load<i32>(from2)), low, high));
    from1 += step1;
    from2 += step2;
  }
}

/** a * b or, for PRELU, a with slope b where it is negative; both without their zero points. */
function quantisedResult(block: usize, a: i32, b: i32): i32 {
  if (operation == BinaryOperation.PRELU && a >= 0)
    return multiplyByQuantised(
      a,
      param(block, BinaryParam.IDENTITY_MULTIPLIER),
      param(block, BinaryParam.IDENTITY_SHIFT),
    );
  return multiplyByQuantised(
    a * b,
    param(block, BinaryParam.MULTIPLIER),
    param(block, BinaryParam.SHIFT),
  );
}

function byteRow(
  block: usize,
  from1: usize,
  step1: usize,
  from2: usize,
  step2: usize,
  to: usize,
  end: usize,
): void {
  const isSigned = element == Element.I8;
  const isRaw = operation == BinaryOperation.MINIMUM || operation == BinaryOperation.MAXIMUM;
  const zero1 = param(block, BinaryParam.ZERO_1);
  const zero2 = param(block, BinaryParam.ZERO_2);
  const outputZero = param(block, BinaryParam.OUTPUT_ZERO);
  const low = param(block, BinaryParam.CLAMP_MIN);
  const high = param(block, BinaryParam.CLAMP_MAX);
  for (; to < end; to++) {
    const a = loadElement(from1, isSigned);
    const b = loadElement(from2, isSigned);
    const value = isRaw
      ? combineIntegers(a, b)
      : quantisedResult(block, a - zero1, b - zero2) + outputZero;
    store<u8>(to, <u8>clampTo(value, low, high));
    from1 += step1;
    from2 += step2;
  }
}

/** Computes everything from `dimension` inwards; returns the output address behind it. */
function walk(block: usize, dimension: i32, from1: usize, from2: usize, to: usize): usize {
  const size = param(block, BinaryParam.SIZES + dimension);
  const width = element == Element.F32 || element == Element.I32 ? 4 : 1;
  const step1 = <usize>(param(block, BinaryParam.STRIDES_1 + dimension) * width);
  const step2 = <usize>(param(block, BinaryParam.STRIDES_2 + dimension) * width);
  if (dimension == DIMENSIONS - 1) {
    const end = to + <usize>(size * width);
    if (element == Element.F32) floatRow(block, from1, step1, from2, step2, to, end);
    else if (element == Element.I32) integerRow(block, from1, step1, from2, step2, to, end);
    else byteRow(block, from1, step1, from2, step2, to, end);
    return end;
  }
  for (let i = 0; i < size; i++) {
    to = walk(block, dimension + 1, from1, from2, to);
    from1 += step1;
    from2 += step2;
  }
  return to;
}

/**
 * An operator of two operands of up to six dimensions; TFLite 2.14 reference semantics.
 * @param block BinaryParam words
 * @returns OK, or BAD_DATA when an integer is divided by zero
 */
export function runBinary(block: usize): Status {
  clearFault();
  operation = param(block, BinaryParam.OPERATION);
  element = param(block, BinaryParam.ELEMENT);
  dividedByZero = false;
  walk(
    block,
    0,
    paramPtr(block, BinaryParam.INPUT_1),
    paramPtr(block, BinaryParam.INPUT_2),
    paramPtr(block, BinaryParam.OUTPUT),
  );
  if (!dividedByZero) return Status.OK;
  noteFault(Fault.VALUE, 0);
  return fail(Status.BAD_DATA);
}
