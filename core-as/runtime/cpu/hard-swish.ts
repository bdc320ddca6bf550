// HARD_SWISH of bytes in TFLite's 16-bit fixed point: x * clamp(x + 3, 0, 6) / 6, where 3 is 2^15 on the "reluish" scale.
// SPDX-License-Identifier: MIT
import type { Tensor } from "../../ir/graph.ts";
import { quantiseMultiplier } from "../../ir/fixed-point.ts";

/** Extra bits that the input gains. */
const HIGH_BITS = 7;

interface Multiplier16 {
  multiplier: number;
  exponent: number;
}

function quantiseTo16(real: number): Multiplier16 {
  const { multiplier, shift } = quantiseMultiplier(real);
  const isLargest = multiplier >= 2 ** 31 - 1 - 2 ** 15;
  return { multiplier: isLargest ? 2 ** 15 - 1 : (multiplier + 2 ** 15) >> 16, exponent: shift };
}

/** Input steps, 2^HIGH_BITS times finer. */
function highScale(input: Tensor): number {
  return Math.fround(input.quant!.scales[0]! / 2 ** HIGH_BITS);
}

function outputMultiplier(input: Tensor, output: Tensor): Multiplier16 {
  return quantiseTo16(Math.fround(highScale(input) / output.quant!.scales[0]!));
}

/** Real factor from the finer input steps to the reluish scale. */
export function reluishFactor(input: Tensor): number {
  return Math.fround(highScale(input) / Math.fround(3 / 2 ** 15));
}

/** Left shift that the result would need; TFLite takes 0 and less only. */
export function hardSwishExponent(input: Tensor, output: Tensor): number {
  return outputMultiplier(input, output).exponent;
}

const saturate = (value: number): number => Math.min(Math.max(value, -(2 ** 15)), 2 ** 15 - 1);

/** round(a * b / 2^15), ties upwards; b is not negative. */
function roundingHighMul(a: number, b: number): number {
  return Math.floor((a * b + 2 ** 14) / 2 ** 15);
}

/** round(value / 2^exponent), ties away from zero. */
function divideByPot(value: number, exponent: number): number {
  const half = 2 ** exponent / 2;
  return Math.trunc((value + (value < 0 ? -half : half)) / 2 ** exponent);
}

/**
 * The function on a byte without its zero point, giving one without the output's.
 * @param output hardSwishExponent must not be above 0
 */
export function hardSwishOf(input: Tensor, output: Tensor): (value: number) => number {
  const toOutput = outputMultiplier(input, output);
  const toRelu = quantiseTo16(reluishFactor(input));
  return (value) => {
    const high = value * 2 ** HIGH_BITS;
    const { multiplier, exponent } = toRelu;
    // All but the last left shift come first, so that a saturation here ends as one there.
    let relu = exponent > 0 ? saturate(high * 2 ** (exponent - 1)) : high;
    relu = roundingHighMul(relu, multiplier);
    if (exponent > 0) relu = saturate(relu * 2);
    if (exponent < 0) relu = divideByPot(relu, -exponent);
    relu = (relu + 2 ** 15) >> 1;
    const product = Math.trunc((relu * roundingHighMul(high, toOutput.multiplier)) / 2 ** 15);
    return divideByPot(product, -toOutput.exponent);
  };
}
