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

/**
 * value * multiplier * 2^(shift - 31) with the two roundings of TFLite's reference kernels: the product ties upwards, the
 * right shift ties away from zero. Without the overflows of 32 bits.
 */
export function requantise(value: number, { multiplier, shift }: FixedMultiplier): number {
  const product = (BigInt(value) << BigInt(Math.max(shift, 0))) * BigInt(multiplier);
  return roundHalfAway(Number((product + (1n << 30n)) >> 31n) / 2 ** Math.max(-shift, 0));
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

/**
 * Table from the bytes of a uint8 input to those of an output with another quantisation; arithmetic in binary32 as in TFLite.
 */
export function rescaleTable(input: Tensor, output: Tensor): Uint8Array {
  const scale = Math.fround(input.quant!.scales[0]! * Math.fround(1 / output.quant!.scales[0]!));
  const bias = Math.fround(-input.quant!.zeroPoints[0]! * scale);
  return Uint8Array.from({ length: 256 }, (_, byte) => {
    const real = Math.fround(Math.fround(byte * scale) + bias);
    const value = roundHalfAway(real) + output.quant!.zeroPoints[0]!;
    return Math.min(Math.max(value, 0), 255);
  });
}

/** Real factor from a product of two operands to the output, which TFLite computes in binary32. */
export function productFactor(a: Tensor, b: Tensor, output: Tensor): number {
  const product = Math.fround(a.quant!.scales[0]! * b.quant!.scales[0]!);
  return Math.fround(product / output.quant!.scales[0]!);
}

/** Factor of a MEAN: the scale ratio with the division by `count` in the mantissa, to the precision that TFLite keeps. */
export function meanMultiplier(input: Tensor, output: Tensor, count: number): FixedMultiplier {
  const ratio = input.quant!.scales[0]! / output.quant!.scales[0]!;
  const { multiplier, shift } = quantiseMultiplier(ratio);
  const extra = Math.min(Math.floor(Math.log2(count)), 31 + shift);
  const divided = (BigInt(multiplier) << BigInt(extra)) / BigInt(count);
  return { multiplier: Number(divided), shift: shift - extra };
}
