// Look-up tables of the TP cores both ways: what a table makes of all bytes, and a table that makes given bytes of them, if there
// is one (spec/newer-driver.md 2.2 and 2.3).
// SPDX-License-Identifier: MIT
import {
  FIRST_INTERPOLATED,
  HALF,
  positionOf,
  TABLE_ENTRIES,
} from "../../../legalise/lookup-table.ts";
import { decodeFp21, encodeTable } from "../ops/lookup.ts";
import type { ByteTable } from "./byte-jobs.ts";

/** How near to a half a result may be, in output steps: how hardware computes between entries is not known to the last bit. */
const MARGIN = 1 / 64;
/** Values that are tried for an entry, evenly around the byte that it stands for. */
const CANDIDATES = 61;
/** Below 0 and above 255, entries may go this far: the output is clamped. */
const BEYOND = 24;

/** What a table makes of all bytes. */
export interface LookupResults {
  bytes: ByteTable;
  /** Smallest distance of a result from a half between two bytes that are not clamped to the same one. */
  margin: number;
}

/** @returns null for a table with a number that hardware may not read */
export function lookupResults(
  table: Uint8Array,
  inZp: number,
  outZp: number,
): LookupResults | null {
  const view = new DataView(table.buffer, table.byteOffset, table.byteLength);
  const entries = Float64Array.from({ length: TABLE_ENTRIES }, (_, i) =>
    decodeFp21(view.getUint32(i * 4, true)),
  );
  if (entries.some(Number.isNaN)) return null;
  let margin = Infinity;
  const bytes = Uint8Array.from({ length: 256 }, (_, byte) => {
    const value = valueAt(entries, byte - inZp) + outZp;
    if (value > -0.5 && value < 255.5) {
      const rest = value - Math.floor(value);
      margin = Math.min(margin, Math.abs(rest - 0.5));
    }
    return Math.min(Math.max(roundHalfEven(value), 0), 255);
  });
  return { bytes, margin };
}

function valueAt(entries: Float64Array, steps: number): number {
  const { index, part } = positionOf(steps);
  const here = entries[index]!;
  return part === 0 ? here : here + part * (entries[index + 1]! - here);
}

function roundHalfEven(value: number): number {
  const whole = Math.floor(value);
  const rest = value - whole;
  return rest > 0.5 || (rest === 0.5 && whole % 2 !== 0) ? whole + 1 : whole;
}

/**
 * A table that makes exactly these bytes, each at least MARGIN from a half.
 * @returns null when none was found
 */
export function tableOf(wanted: ByteTable, inZp: number, outZp: number): Uint8Array | null {
  const entries = new Float64Array(TABLE_ENTRIES);
  const byteAt = (steps: number): number =>
    wanted[Math.min(Math.max(inZp + steps, 0), 255)]! - outZp;
  for (const sign of [1, -1]) {
    const base = sign > 0 ? 0 : HALF;
    for (let i = 0; i < HALF; i++) entries[base + i] = byteAt(sign * Math.round(stepsAt(i)));
    const lines = linesOf(wanted, { inZp, outZp, sign });
    if (lines === null) return null;
    for (const [i, value] of lines.values.entries()) entries[base + lines.first + i] = value;
  }
  const table = encodeTable(entries);
  const results = lookupResults(table, inZp, outZp);
  const same = results?.bytes.every((byte, i) => byte === wanted[i]) === true;
  return same && results!.margin >= MARGIN / 2 ? table : null;
}

/** Steps that an entry of one sign stands for; what is beyond all bytes counts as their last step. */
function stepsAt(index: number): number {
  const octave = Math.floor(index / 16) - 15;
  return index < 16 ? 0 : Math.min(2 ** octave * (1 + (index % 16) / 16), 256);
}

interface Side {
  inZp: number;
  outZp: number;
  sign: number;
}

/** Entries from FIRST_INTERPOLATED on, between which results lie on straight lines; null when no lines suit. */
function linesOf(
  wanted: ByteTable,
  { inZp, outZp, sign }: Side,
): { first: number; values: number[] } | null {
  const reach = sign > 0 ? 255 - inZp : inZp;
  const first = positionOf(FIRST_INTERPOLATED).index;
  const at = (steps: number): number | undefined => wanted[inZp + sign * steps];
  /** Of every candidate of the newest entry: the best way to get there. */
  let paths: number[][] = [];
  const segments = Math.max(0, Math.ceil(positionOf(Math.max(reach, 1)).index - first) + 1);
  for (let i = 0; i <= segments; i++) {
    const steps = stepsAt(first + i);
    const values = candidatesAt(at(Math.min(steps, reach))!, outZp, steps > reach);
    const next: number[][] = [];
    for (const value of values) {
      if (i === 0) {
        next.push([value]);
        continue;
      }
      const from = stepsAt(first + i - 1);
      const path = paths.find((before) =>
        lineSuits({ from, to: steps, start: before.at(-1)!, end: value }, at, outZp),
      );
      if (path) next.push([...path, value]);
    }
    if (next.length === 0) return null;
    paths = next;
  }
  return { first, values: paths[0]! };
}

/** Values for an entry, the byte's own first. Where no byte is, lines only have to get there. */
function candidatesAt(byte: number, outZp: number, isFree: boolean): number[] {
  const low = byte === 0 || isFree ? -BEYOND : MARGIN - 0.5;
  const high = byte === 255 || isFree ? BEYOND : 0.5 - MARGIN;
  const steps = Array.from(
    { length: CANDIDATES },
    (_, i) => byte - outZp + low + ((high - low) * i) / (CANDIDATES - 1),
  );
  return [byte - outZp, ...steps].sort(
    (a, b) => Math.abs(a - byte + outZp) - Math.abs(b - byte + outZp),
  );
}

interface Line {
  from: number;
  to: number;
  start: number;
  end: number;
}

function lineSuits(
  { from, to, start, end }: Line,
  at: (steps: number) => number | undefined,
  outZp: number,
): boolean {
  for (let steps = from; steps < to; steps++) {
    const byte = at(steps);
    if (byte === undefined) continue;
    const value = start + ((steps - from) / (to - from)) * (end - start) + outZp;
    if (byte > 0 && value < byte - 0.5 + MARGIN) return false;
    if (byte < 255 && value > byte + 0.5 - MARGIN) return false;
  }
  return true;
}
