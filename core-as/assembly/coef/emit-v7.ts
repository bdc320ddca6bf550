// Emits zero runs, literals and words of a version 7 stream (spec/coefficients-v7.md 3).
// SPDX-License-Identifier: MIT
import { putBits } from "../bits/writer";

let width: u32 = 0;
let longest: u32 = 0;
let zeroPoint: u32 = 0;

/** Sets run width and zero point for the following calls. */
export function startEmit(zrlBits: i32, weightZeroPoint: i32): void {
  width = zrlBits;
  longest = ((<u32>1) << zrlBits) - 1;
  zeroPoint = weightZeroPoint;
}

/** Runs of the full length, each closed by a zero point that stands verbatim. */
function emitFullRuns(gap: u32): void {
  const pair = longest | (zeroPoint << width);
  for (let runs = gap >> width; runs > 0; runs--) putBits(pair, width + 8);
}

/** `gap` zero points, then `value`. */
export function emitLiteral(gap: i32, value: i32): void {
  emitFullRuns(gap);
  putBits(((<u32>gap) & longest) | ((<u32>value) << width), width + 8);
}

/** `gap` zero points before a word or the end: the last of them is sent verbatim. */
export function emitFlush(gap: i32): void {
  emitFullRuns(gap);
  const rest = (<u32>gap) & longest;
  if (rest != 0) putBits((rest - 1) | (zeroPoint << width), width + 8);
}

export function emitWord(value: i32): void {
  putBits(value, 32);
}
