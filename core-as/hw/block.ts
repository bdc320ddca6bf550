// How hardware blocks are declared: named fields over 32-bit words. Imports nothing.
// SPDX-License-Identifier: MIT

/** Where a fact comes from: what the declaration's `evidence` may say. */
export type Evidence =
  /** Seen in bytes of the reference driver (spec/hardware.md; covered by the goldens). */
  | "captured"
  /** Read in the newer reference driver (spec/newer-driver.md); no capture has it. */
  | "newer driver"
  /** Named by the public register database, never seen with another value than its reset. */
  | "register database"
  /** Deduced; the doc text says from what. */
  | "inference"
  /** Meaning unknown; only the written value is. */
  | "unknown";

export type FieldKind = "plain" | "gpuAddr" | "size" | "zeroPoint" | "flag";

/** One contiguous piece of a field. `since` = first NN core version that has it. */
export interface Part {
  word: number;
  hi: number;
  lo: number;
  since?: number;
}

export interface FieldOptions {
  doc: string;
  evidence: Evidence;
  kind?: FieldKind;
  /** Stored value = value >> shr; the low bits must be 0. */
  shr?: number;
  /** Two's complement. */
  signed?: boolean;
  /** Names of values; other values are not modelled. */
  enum?: Readonly<Record<string, number>>;
  /** Value that a descriptor starts with; default 0. */
  reset?: number;
  /** First NN core version where the field may differ from its reset. */
  since?: number;
}

export interface Field extends FieldOptions {
  name: string;
  /** Least significant piece first. */
  parts: readonly Part[];
}

type FieldSpec = FieldOptions & { parts: readonly Part[] };

/** A field in one piece: bits hi..lo (inclusive) of a word. */
export function field(word: number, hi: number, lo: number, options: FieldOptions): FieldSpec {
  return { ...options, parts: [{ word, hi, lo }] };
}

/** One piece of a logical value. */
export function part(word: number, hi: number, lo: number, since?: number): Part {
  return since === undefined ? { word, hi, lo } : { word, hi, lo, since };
}

/** A value that is spread over several places, least significant piece first. */
export function logical(parts: readonly Part[], options: FieldOptions): FieldSpec {
  return { ...options, parts };
}

export interface Block {
  /** Stable number of the block in the fault record. */
  id: number;
  name: string;
  doc: string;
  words: number;
  /** Alignment of the block's GPU address in bytes. */
  align: number;
  fields: readonly Field[];
}

/** Declares a block; field ids are positions in this list. */
export function block(
  head: Omit<Block, "fields">,
  fields: Readonly<Record<string, FieldSpec>>,
): Block {
  return { ...head, fields: Object.entries(fields).map(([name, spec]) => ({ name, ...spec })) };
}

/** Width in bits for an NN core version, shifted-out bits not counted. */
export function fieldBits(field: Field, version: number): number {
  return field.parts
    .filter((piece) => (piece.since ?? 0) <= version)
    .reduce((bits, piece) => bits + piece.hi - piece.lo + 1, 0);
}
