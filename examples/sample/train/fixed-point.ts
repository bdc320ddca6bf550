// TFLite's fixed-point arithmetic (gemmlowp), double rounding included, exact in JavaScript numbers.
// SPDX-License-Identifier: MIT

/** real ~= multiplier * 2^(shift - 31), multiplier in [2^30, 2^31). */
export interface Multiplier {
  multiplier: number;
  shift: number;
}

/** TFLite's QuantizeMultiplier. @param real positive */
export function quantiseMultiplier(real: number): Multiplier {
  let shift = 0;
  while (real >= 1) {
    real /= 2;
    shift++;
  }
  while (real < 0.5) {
    real *= 2;
    shift--;
  }
  let multiplier = Math.round(real * 2 ** 31);
  if (multiplier === 2 ** 31) {
    multiplier /= 2;
    shift++;
  }
  return shift < -31 ? { multiplier: 0, shift: 0 } : { multiplier, shift };
}

/**
 * gemmlowp's SaturatingRoundingDoublingHighMul for a multiplier >= 0, where it cannot saturate: a * b / 2^31, rounded to
 * nearest, halves up. The product has 62 bits, so it is summed from two parts that a number holds exactly.
 */
export function highProduct(a: number, b: number): number {
  const high = b >>> 16;
  const low = b & 0xffff;
  const size = Math.abs(a);
  // the C code adds 2^30 or 1 - 2^30 and divides towards zero
  const nudge = a < 0 ? 2 ** 30 - 1 : 2 ** 30;
  const result = Math.floor((size * high + Math.floor((size * low + nudge) / 65536)) / 32768);
  return a < 0 ? -result : result;
}

/** gemmlowp's RoundingDivideByPOT: x / 2^exponent, rounded to nearest, halves away from zero. @param x 32 bits */
export function divideByPowerOfTwo(x: number, exponent: number): number {
  const rest = x & ((1 << exponent) - 1);
  const half = (1 << exponent) >>> 1;
  const above = x < 0 ? rest > half : rest >= half;
  return (x >> exponent) + (exponent > 0 && above ? 1 : 0);
}

/** TFLite's MultiplyByQuantizedMultiplier. */
export function multiplyBy(x: number, { multiplier, shift }: Multiplier): number {
  const left = shift > 0 ? 2 ** shift : 1;
  return divideByPowerOfTwo(highProduct(x * left, multiplier), shift > 0 ? 0 : -shift);
}
