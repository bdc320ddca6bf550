// Fixed-point multipliers and activation ranges from scales, with the roundings of TFLite 2.14.
// SPDX-License-Identifier: MIT
import type { Activation, Tensor } from "./graph.ts";

/** multiplier * 2^(shift - 31), where the multiplier is 0 or in [2^30, 2^31). */
export interface FixedMultiplier {
  multiplier: number;
  /** Positive = left. */
  shift: number;
}

/** Rounds half away from zero, as C's round does. */
export function roundHalfAway(value: number): number {
  return Math.sign(value) * Math.floor(Math.abs(value) + 0.5);
}

/** value = fraction * 2^exponent with the fraction in [0.5, 1); for positive finite values. */
function splitExponent(value: number): { fraction: number; exponent: number } {
  let exponent = Math.floor(Math.log2(value)) + 1;
  let fraction = value / 2 ** exponent;
  // log2 may round over the next power of two, in either direction
  while (fraction >= 1) {
    fraction /= 2;
    exponent++;
  }
  while (fraction < 0.5) {
    fraction *= 2;
    exponent--;
  }
  return { fraction, exponent };
}

/**
 * Fixed-point form of a real factor (TFLite's QuantizeMultiplier). Factors below about 2^-32 become 0.
 * @param real not negative, below 2^30
 * @throws RangeError outside that range
 */
export function quantiseMultiplier(real: number): FixedMultiplier {
  if (!(real >= 0 && real < 2 ** 30)) throw new RangeError(`multiplier ${real} outside 0..2^30`);
  if (real < 2 ** -40) return { multiplier: 0, shift: 0 };
  let { fraction, exponent } = splitExponent(real);
  let multiplier = roundHalfAway(fraction * 2 ** 31);
  if (multiplier === 2 ** 31) {
    multiplier = 2 ** 30;
    exponent++;
  }
  if (exponent < -31) return { multiplier: 0, shift: 0 };
  return { multiplier, shift: exponent };
}

/** Smallest and largest value that a fused activation leaves, in quantised numbers of the output tensor. */
export function activationRange(
  activation: Activation,
  output: Tensor,
): { min: number; max: number } {
  const low = output.type === "int8" ? -128 : 0;
  const high = low + 255;
  const scale = output.quant!.scales[0]!;
  const zeroPoint = output.quant!.zeroPoints[0]!;
  // the quotient is binary32 in TFLite
  const quantised = (real: number): number =>
    zeroPoint + roundHalfAway(Math.fround(Math.fround(real) / scale));
  switch (activation) {
    case "relu":
      return { min: Math.max(low, quantised(0)), max: high };
    case "relu6":
      return { min: Math.max(low, quantised(0)), max: Math.min(high, quantised(6)) };
    case "relu_n1_to_1":
      return { min: Math.max(low, quantised(-1)), max: Math.min(high, quantised(1)) };
    default:
      return { min: low, max: high };
  }
}

/**
 * Real factor from accumulator to output of a convolution or fully connected layer. TFLite multiplies the two input scales in
 * binary32 when it wants a single factor (uint8 convolutions, per-tensor fully connected layers) and in binary64 otherwise.
 * @param kind operator kind
 * @param weightScale scale of the output channel
 */
export function convolutionFactor(
  kind: string,
  input: Tensor,
  weights: Tensor,
  weightScale: number,
  output: Tensor,
): number {
  const product = input.quant!.scales[0]! * weightScale;
  const isSingle =
    weights.quant!.scales.length === 1 && (input.type === "uint8" || kind === "FULLY_CONNECTED");
  return (isSingle ? Math.fround(product) : product) / output.quant!.scales[0]!;
}
