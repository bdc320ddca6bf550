// SOFTMAX in fixed point, as TFLite's reference kernel does it with gemmlowp: Qm.n = m integer bits, n = 31 - m fraction bits.
// SPDX-License-Identifier: MIT
import { SoftmaxParam, Status } from "../abi";
import { clearFault } from "../fault";
import {
  clampTo,
  loadElement,
  param,
  paramPtr,
  roundingDivideByPot,
  roundingDoublingHighMul,
} from "./requantise";

/** Integer bits of scaled differences. */
const DIFF_BITS: i32 = 5;
/** Integer bits of the sum of exponentials: up to 4095 equal maxima. */
const SUM_BITS: i32 = 12;

/** value * 2^exponent, saturating; exponent > 0. */
function saturatingShiftLeft(value: i32, exponent: i32): i32 {
  const threshold = (1 << (31 - exponent)) - 1;
  if (value > threshold) return i32.MAX_VALUE;
  if (value < -threshold) return i32.MIN_VALUE;
  return value << exponent;
}

/** exp(a) for a in [-1/4, 0) as Q0.31: the Taylor series around -1/8. */
function expOfSmall(a: i32): i32 {
  const EXP_OF_MINUS_EIGHTH = 1895147668;
  const ONE_THIRD = 715827883;
  const x = a + (1 << 28);
  const x2 = roundingDoublingHighMul(x, x);
  const x3 = roundingDoublingHighMul(x2, x);
  const x4 = roundingDoublingHighMul(x2, x2);
  const cubicAndQuartic = roundingDoublingHighMul(roundingDivideByPot(x4, 2) + x3, ONE_THIRD);
  const higher = roundingDivideByPot(cubicAndQuartic + x2, 1);
  return EXP_OF_MINUS_EIGHTH + roundingDoublingHighMul(EXP_OF_MINUS_EIGHTH, x + higher);
}

/** result * factor when bit `bit` of `remainder` is set. */
function scaleIfBit(result: i32, remainder: i32, bit: i32, factor: i32): i32 {
  return remainder & (1 << bit) ? roundingDoublingHighMul(result, factor) : result;
}

/** exp(a) for a <= 0 in Q5.26, as Q0.31: a small rest times exp of the powers of two that -a is made of. */
function expOfNegative(a: i32): i32 {
  if (a == 0) return i32.MAX_VALUE;
  const quarter = 1 << 24;
  const rest = (a & (quarter - 1)) - quarter;
  const remainder = rest - a;
  let result = expOfSmall(saturatingShiftLeft(rest, DIFF_BITS));
  result = scaleIfBit(result, remainder, 24, 1672461947); // exp(-1/4)
  result = scaleIfBit(result, remainder, 25, 1302514674); // exp(-1/2)
  result = scaleIfBit(result, remainder, 26, 790015084); // exp(-1)
  result = scaleIfBit(result, remainder, 27, 290630308); // exp(-2)
  result = scaleIfBit(result, remainder, 28, 39332535); // exp(-4)
  result = scaleIfBit(result, remainder, 29, 720401); // exp(-8)
  return scaleIfBit(result, remainder, 30, 242); // exp(-16)
}

/** 1 / (1 + a) for a in [0, 1) in Q0.31, by three Newton-Raphson steps in Q2.29. */
function reciprocalOfOnePlus(a: i32): i32 {
  const TWO_48_OVER_17 = 1515870810;
  const TWO_MINUS_32_OVER_17 = -1010580540;
  // half of (a + 1), where 1 is the largest Q0.31 number; a >= 0, so the halves round up
  const halfDenominator = <i32>((<i64>a + <i64>i32.MAX_VALUE + 1) >> 1);
  let x = TWO_48_OVER_17 + roundingDoublingHighMul(halfDenominator, TWO_MINUS_32_OVER_17);
  for (let i = 0; i < 3; i++) {
    const error = (1 << 29) - roundingDoublingHighMul(halfDenominator, x);
    x += saturatingShiftLeft(roundingDoublingHighMul(x, error), 2);
  }
  // x is 2 / (1 + a) in Q2.29, so 1 / (1 + a) in Q1.30
  return saturatingShiftLeft(x, 1);
}

/** exp of a difference to the row's maximum, Q0.31. */
function expOfDifference(difference: i32, multiplier: i32, leftShift: i32): i32 {
  return expOfNegative(roundingDoublingHighMul(difference << leftShift, multiplier));
}

function softmaxRow(block: usize, src: usize, dst: usize): void {
  const length = param(block, SoftmaxParam.ROW_LENGTH);
  const multiplier = param(block, SoftmaxParam.MULTIPLIER);
  const leftShift = param(block, SoftmaxParam.LEFT_SHIFT);
  const diffMin = param(block, SoftmaxParam.DIFF_MIN);
  const isSigned = param(block, SoftmaxParam.SIGNED) != 0;
  const lowest = isSigned ? -128 : 0;

  let largest = lowest;
  for (let i = 0; i < length; i++) largest = max(largest, loadElement(src + i, isSigned));
  let sum = 0;
  for (let i = 0; i < length; i++) {
    const difference = loadElement(src + i, isSigned) - largest;
    if (difference < diffMin) continue;
    sum += roundingDivideByPot(expOfDifference(difference, multiplier, leftShift), SUM_BITS);
  }

  const headroom = clz(sum);
  const reciprocal = reciprocalOfOnePlus(<i32>(((<u32>sum) << headroom) - 0x80000000));
  // The product of the two Q0.31 numbers keeps eight bits.
  const exponent = SUM_BITS - headroom + 31 - 8;
  for (let i = 0; i < length; i++) {
    const difference = loadElement(src + i, isSigned) - largest;
    let value = lowest;
    if (difference >= diffMin) {
      const exponential = expOfDifference(difference, multiplier, leftShift);
      const product = roundingDoublingHighMul(reciprocal, exponential);
      value = clampTo(roundingDivideByPot(product, exponent) + lowest, lowest, lowest + 255);
    }
    store<u8>(dst + i, <u8>value);
  }
}

/**
 * SOFTMAX on int8 or uint8, output scale 1/256 and lowest value as zero point; TFLite 2.14 reference semantics.
 * @param block SoftmaxParam words
 * @returns OK
 */
export function runSoftmax(block: usize): Status {
  clearFault();
  let src = paramPtr(block, SoftmaxParam.INPUT);
  let dst = paramPtr(block, SoftmaxParam.OUTPUT);
  const length = param(block, SoftmaxParam.ROW_LENGTH);
  for (let row = param(block, SoftmaxParam.ROWS); row > 0; row--) {
    softmaxRow(block, src, dst);
    src += length;
    dst += length;
  }
  return Status.OK;
}
