// What a user reads out of the outputs of whole models: ranks, boxes, masks, key points.
// SPDX-License-Identifier: MIT
import * as assert from "uvu/assert";

export const floatsOf = (bytes: Uint8Array): Float32Array => new Float32Array(bytes.slice().buffer);

/** Indices of the largest values, best first; equal values keep their order. */
export function ranked(values: Uint8Array, count: number): number[] {
  return [...values.keys()].sort((a, b) => values[b]! - values[a]! || a - b).slice(0, count);
}

/**
 * The best five are the same classes in the same order, as far as TFLite itself tells them apart: two classes may change
 * places when TFLite's values are at most `gap` steps apart.
 */
export function checkTopFive(got: Uint8Array, want: Uint8Array, gap: number): void {
  const wanted = ranked(want, 5);
  assert.is(ranked(got, 1)[0], wanted[0], "best class");
  const text = `TFLite ${valuesAt(want, wanted)}; here ${valuesAt(got, ranked(got, 5))}`;
  for (const [rank, index] of ranked(got, 5).entries())
    assert.ok(Math.abs(want[index]! - want[wanted[rank]!]!) <= gap, text);
}

const valuesAt = (values: Uint8Array, at: readonly number[]): string =>
  at.map((index) => `${index}=${values[index]}`).join(" ");

/** Every detection with a score above `least` has its counterpart of the same rank: class, and box and score within `most`. */
export function checkDetections(
  got: readonly Uint8Array[],
  want: readonly Uint8Array[],
  least: number,
  most: number,
): number {
  const [boxes, classes, scores] = got.map(floatsOf) as [Float32Array, Float32Array, Float32Array];
  const [wantBoxes, wantClasses, wantScores] = want.map(floatsOf) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const near = (a: number, b: number, what: string): void =>
    assert.ok(Math.abs(a - b) <= most, `${what}: ${a}, TFLite ${b}`);
  let found = 0;
  for (const [i, score] of wantScores.entries()) {
    if (Math.max(score, scores[i]!) <= least) continue;
    found++;
    assert.is(classes[i], wantClasses[i], `class of detection ${i}`);
    near(scores[i]!, score, `score of detection ${i}`);
    for (let k = 0; k < 4; k++)
      near(boxes[4 * i + k]!, wantBoxes[4 * i + k]!, `detection ${i}, side ${k}`);
  }
  return found;
}

/** Share of equal elements of `width` bytes. */
export function equalShare(got: Uint8Array, want: Uint8Array, width: number): number {
  assert.is(got.length, want.length);
  let equal = 0;
  for (let at = 0; at < want.length; at += width)
    if (Buffer.compare(got.subarray(at, at + width), want.subarray(at, at + width)) === 0) equal++;
  return (equal * width) / want.length;
}

/** Share of bytes that are at most `most` apart. */
export function shareWithin(got: Uint8Array, want: Uint8Array, most: number): number {
  assert.is(got.length, want.length);
  const near = want.reduce((sum, value, i) => sum + Number(Math.abs(value - got[i]!) <= most), 0);
  return near / want.length;
}
