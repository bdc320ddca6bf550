// Quantisation parameters of a range of numbers, and rounding numbers to what eight bits can say of them.
// SPDX-License-Identifier: MIT

/** Real numbers that the quantised values 0 and 255 stand for. Always contains 0. */
export interface Range {
  min: number;
  max: number;
}

/** real = scale * (quantised - zeroPoint); scale is a binary32 number, as in the file. */
export interface Affine {
  scale: number;
  zeroPoint: number;
}

/** Smallest range of all values and 0. */
export function rangeOf(values: Float64Array, count = values.length): Range {
  const range = { min: 0, max: 0 };
  for (let i = 0; i < count; i++) {
    range.min = Math.min(range.min, values[i]!);
    range.max = Math.max(range.max, values[i]!);
  }
  return range;
}

/** Scale and zero point of a range; the zero point is rounded, so that 0 is met exactly. */
export function affineOf({ min, max }: Range): Affine {
  const scale = Math.fround((max - min) / 255);
  const zeroPoint = Math.min(Math.max(Math.round(-min / scale), 0), 255);
  return { scale, zeroPoint };
}

/** Quantised value of a number, rounded and kept within 0..255. */
export function quantiseValue(x: number, { scale, zeroPoint }: Affine): number {
  return Math.min(Math.max(Math.round(x / scale) + zeroPoint, 0), 255);
}

/** `to` = `from` as it would come back from eight bits; the two may be the same array. */
export function fakeQuantise(
  from: Float64Array,
  to: Float64Array,
  range: Range,
  count = from.length,
): void {
  const { scale, zeroPoint } = affineOf(range);
  const inverse = 1 / scale;
  const low = -zeroPoint;
  const high = 255 - zeroPoint;
  for (let i = 0; i < count; i++) {
    let q = Math.round(from[i]! * inverse);
    if (q < low) q = low;
    if (q > high) q = high;
    to[i] = q * scale;
  }
}
