// Descriptors as named fields, decoded from their words with the generated tables.
// SPDX-License-Identifier: MIT
import { BLOCK_TABLES, type BlockTable, type FieldTable } from "./gen/fields.ts";
import { hex32 } from "./words.ts";

/** A field of a descriptor with its value, e.g. { name: "OUT_Z_SIZE", value: 32, text: "32" }. */
export interface DescribedField {
  name: string;
  doc: string;
  value: number;
  /** The value for people: an enum's name, an address symbol, hexadecimal for addresses, else decimal. */
  text: string;
  /** The value is the one that a fresh descriptor has. */
  isReset: boolean;
  evidence: string;
}

/** Bits of a word that no field declares and that are set all the same. */
export interface UndeclaredBits {
  word: number;
  bits: number;
}

export interface DescribedBlock {
  block: string;
  fields: DescribedField[];
  undeclared: UndeclaredBits[];
}

export function blockTable(name: string): BlockTable {
  const table = BLOCK_TABLES.find((block) => block.name === name);
  if (!table) throw new RangeError(`no hardware block is called ${name}`);
  return table;
}

/**
 * A field's value, its pieces put together.
 * @param version NN core version; pieces that only later versions have are left out
 */
export function readField(field: FieldTable, words: ArrayLike<number>, version: number): number {
  let value = 0;
  let width = 0;
  for (const [word, hi, lo, since] of field.parts) {
    if (since > version) continue;
    const bits = hi - lo + 1;
    // Powers of two instead of shifts: the pieces of a field may reach beyond bit 31.
    value += (Math.floor((words[word]! >>> 0) / 2 ** lo) % 2 ** bits) * 2 ** width;
    width += bits;
  }
  if (field.signed && value >= 2 ** (width - 1)) value -= 2 ** width;
  return value * 2 ** field.shr;
}

/** The set bits that the block does not declare. */
export function undeclaredBits(block: BlockTable, words: ArrayLike<number>): UndeclaredBits[] {
  return block.declared.flatMap((mask, word) => {
    const bits = ((words[word] ?? 0) & ~mask) >>> 0;
    return bits === 0 ? [] : [{ word, bits }];
  });
}

export interface DescribeOptions {
  /** Names of addresses by the index of the word that holds them, e.g. "@t0+0". */
  symbols?: ReadonlyMap<number, string>;
}

/**
 * Decodes all fields of a block.
 * @param name "NN", "TP" or another block of the tables
 * @param words at least as many as the block has
 * @param version NN core version of the chip
 */
export function describeDescriptor(
  name: string,
  words: ArrayLike<number>,
  version: number,
  options: DescribeOptions = {},
): DescribedBlock {
  const block = blockTable(name);
  if (words.length < block.words)
    throw new RangeError(`a ${name} block has ${block.words} words, not ${words.length}`);
  const fields = block.fields.map((field): DescribedField => {
    const value = readField(field, words, version);
    return {
      name: field.name,
      doc: field.doc,
      value,
      text: fieldText(field, value, options.symbols),
      isReset: value === field.reset,
      evidence: field.evidence,
    };
  });
  return { block: name, fields, undeclared: undeclaredBits(block, words) };
}

function fieldText(
  field: FieldTable,
  value: number,
  symbols: ReadonlyMap<number, string> | undefined,
): string {
  if (field.kind === "gpuAddr") return symbols?.get(field.parts[0]![0]) ?? `0x${hex32(value)}`;
  const named = Object.entries(field.enum ?? {}).find(([, number]) => number === value);
  if (named) return `${named[0]} (${value})`;
  if (field.enum) return `${value} (not modelled)`;
  // Loop increments and the like are easier to read in hexadecimal once they are large.
  return value >= 0x100000 ? `0x${value.toString(16)}` : String(value);
}
