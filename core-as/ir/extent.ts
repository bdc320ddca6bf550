// Sizes of a tensor as the NPU sees it: slow axis, fast axis, channels. The batch is left out.
// SPDX-License-Identifier: MIT

export interface Extent {
  /** TFLite dimension 1: rows. */
  s: number;
  /** TFLite dimension 2: columns, the fast axis of a plane. */
  f: number;
  /** TFLite dimension 3: channels. */
  c: number;
}

/** Bytes of a tensor of one byte per value. */
export const bytesOf = ({ s, f, c }: Extent): number => s * f * c;

/** Dimensions 1 to 3, missing ones 1: how the reference reads shapes of any rank (spec/lowering.md 1). */
export function leadingExtent(shape: readonly number[]): Extent {
  const [, s = 1, f = 1, c = 1] = shape;
  return { s, f, c };
}

/** Four dimensions as they are; of any other rank the last is channels and the rest one row of pixels. */
export function flatExtent(shape: readonly number[]): Extent {
  if (shape.length === 4) return leadingExtent(shape);
  const c = shape.at(-1) ?? 1;
  return { s: 1, f: shape.slice(0, -1).reduce((product, size) => product * size, 1), c };
}
