// Look-up tables of the TP cores: 1024 numbers, sixteen for each power of two and sign, a straight line between two
// (spec/newer-driver.md 2.2 and 2.3). Outputs of the table are steps above the output zero point, so that the job's
// post multiplier stays at 1, as in every captured job.
// SPDX-License-Identifier: MIT
import type { StepFunction } from "./lookup-functions.ts";

export const TABLE_ENTRIES = 1024;
/** Entries for one sign. */
export const HALF = TABLE_ENTRIES / 2;
const ENTRIES_PER_OCTAVE = 16;
/** Indices of one sign begin at 2^-15. */
const FIRST_EXPONENT = -15;
/** Differences of two bytes are at most 255, so entries up to 256 are used. */
const LAST_STEP = 256;
/** Below, all whole steps have entries of their own. */
export const FIRST_INTERPOLATED = 32;
/** Largest finite number of a table entry. */
export const LARGEST_ENTRY = 65535;

/** Steps that entry `index` (0..511 of one sign) stands for. */
function stepsOf(index: number): number {
  // Exponent 0 is below everything that a byte can be: the function at 0.
  if (index < ENTRIES_PER_OCTAVE) return 0;
  const octave = Math.floor(index / ENTRIES_PER_OCTAVE) + FIRST_EXPONENT;
  return 2 ** octave * (1 + (index % ENTRIES_PER_OCTAVE) / ENTRIES_PER_OCTAVE);
}

/** Rounds half away from zero, as TFLite does. */
const roundAway = (value: number): number => Math.sign(value) * Math.floor(Math.abs(value) + 0.5);

/** Errors of a straight line over the whole steps between two, and half of what would balance them. */
function shiftOf(compute: StepFunction, from: number, to: number, sign: number): number {
  const [start, end] = [compute(sign * from), compute(sign * to)];
  let low = 0;
  let high = 0;
  for (let steps = from + 1; steps < to; steps++) {
    const line = start + ((steps - from) / (to - from)) * (end - start);
    const error = line - compute(sign * steps);
    low = Math.min(low, error);
    high = Math.max(high, error);
  }
  return -(low + high) / 2;
}

function entryOf(compute: StepFunction, index: number, sign: number): number {
  const steps = stepsOf(index);
  const exact = compute(sign * steps);
  // No line ends here: the result itself, so that nothing depends on how the hardware rounds.
  if (steps < FIRST_INTERPOLATED) return Number.isInteger(steps) ? roundAway(exact) : exact;
  if (steps > LAST_STEP) return exact;
  // A line that misses a bend is moved by half of the miss at both ends.
  const before =
    steps === FIRST_INTERPOLATED ? 0 : shiftOf(compute, stepsOf(index - 1), steps, sign);
  const after = steps === LAST_STEP ? 0 : shiftOf(compute, steps, stepsOf(index + 1), sign);
  return exact + (Math.abs(before) > Math.abs(after) ? before : after);
}

/** The table of a function: numbers that FP21 can hold but for its rounding, positive indices first. */
export function lookupEntries(compute: StepFunction): Float64Array {
  return Float64Array.from({ length: TABLE_ENTRIES }, (_, index) => {
    const entry = entryOf(compute, index % HALF, index < HALF ? 1 : -1);
    return Math.min(Math.max(entry, -LARGEST_ENTRY), LARGEST_ENTRY);
  });
}

/** Zero points of input and output as the NPU sees them, 0 to 255. */
export interface ZeroPoints {
  in: number;
  out: number;
}

/** Largest distance of the table's lines from the function over all bytes, both clamped to bytes; before rounding. */
export function lookupError(compute: StepFunction, entries: Float64Array, zp: ZeroPoints): number {
  const clamp = (value: number): number => Math.min(Math.max(value, -zp.out), 255 - zp.out);
  let most = 0;
  for (let byte = 0; byte < 256; byte++) {
    const steps = byte - zp.in;
    const error = Math.abs(clamp(lineAt(entries, steps)) - clamp(compute(steps)));
    // A function that is no number there has no table.
    if (!(error <= most)) most = error;
  }
  return most;
}

/** The table's value at a whole number of steps. */
function lineAt(entries: Float64Array, steps: number): number {
  const { index, part } = positionOf(steps);
  const here = entries[index]!;
  return here + part * (entries[index + 1]! - here);
}

/** Where a whole number of steps lies in a table: at an entry, or a part of the way to the next one. */
export function positionOf(steps: number): { index: number; part: number } {
  const size = Math.abs(steps);
  const base = steps < 0 ? HALF : 0;
  if (size === 0) return { index: base, part: 0 };
  const octave = 31 - Math.clz32(size);
  const position = (size / 2 ** octave - 1 + octave - FIRST_EXPONENT) * ENTRIES_PER_OCTAVE;
  const index = Math.floor(position);
  return { index: base + index, part: position - index };
}
