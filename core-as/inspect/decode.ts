// Hardware blocks from their bytes: named field values by the generated tables. Knows nothing of how they were made.
// SPDX-License-Identifier: MIT
import { BLOCK_TABLES, type BlockTable, type FieldTable } from "./gen/fields.ts";
import { firstWords } from "./words.ts";

/** A decoded field. */
export interface DecodedField {
  /** Name in the field table. */
  name: string;
  /** Shifted and sign-extended: bytes for an address, elements for a size, … */
  value: number;
  /** The value for people: name of an enumeration, hexadecimal address, decimal number. */
  text: string;
}

/** Bits of a word that no field declares although they are set. */
export interface UndeclaredBits {
  /** Index of the 32-bit word. */
  word: number;
  /** The bits that no field declares, as a mask. */
  bits: number;
}

/** Block by name: NN, TP, LOAD_STATE, COEF_STREAM_V7, COEF_HEADER_V8. */
export function blockTable(name: string): BlockTable {
  const table = BLOCK_TABLES.find((block) => block.name === name);
  if (table === undefined) throw new RangeError(`there is no hardware block ${name}`);
  return table;
}

/** Fields by name, of each block that was asked for: a report reads thousands. */
const fieldsByName = new Map<BlockTable, ReadonlyMap<string, FieldTable>>();

/** Field of a block by its name. */
export function fieldOf(block: BlockTable, name: string): FieldTable {
  let fields = fieldsByName.get(block);
  if (fields === undefined) {
    fields = new Map(block.fields.map((field) => [field.name, field]));
    fieldsByName.set(block, fields);
  }
  const field = fields.get(name);
  if (field === undefined) throw new RangeError(`block ${block.name} has no field ${name}`);
  return field;
}

/** The little-endian 32-bit words of a block; bytes behind the end count as 0. */
export function blockWords(block: BlockTable, bytes: Uint8Array): Uint32Array {
  return firstWords(bytes, block.words);
}

/**
 * Value of one field.
 * @param words of the whole block
 * @param field entry of block.fields, or its name
 * @param version NN core version of the chip: 7 or 8
 */
export function readFieldValue(
  block: BlockTable,
  words: ArrayLike<number>,
  field: FieldTable | string,
  version: number,
): number {
  const { parts, shr, signed } = typeof field === "string" ? fieldOf(block, field) : field;
  let value = 0;
  let width = 0;
  // Products instead of shifts to the left: a field may have 32 bits, and a shifted address more.
  for (const [word, high, low, since] of parts) {
    if (since > version) continue;
    const bits = high - low + 1;
    const shifted = words[word]! >>> low;
    const piece = bits === 32 ? shifted : shifted & ((1 << bits) - 1);
    value += width === 0 ? piece : piece * 2 ** width;
    width += bits;
  }
  if (signed && value >= 2 ** (width - 1)) value -= 2 ** width;
  return shr === 0 ? value : value * 2 ** shr;
}

/**
 * Reads fields of a block by their names.
 * @param name of the block
 * @param bytes of it; missing ones count as 0, null and undefined are none
 * @param version NN core version of the chip: 7 or 8
 */
export function fieldReader(
  name: string,
  bytes: Uint8Array | null | undefined,
  version: number,
): (field: string) => number {
  const block = blockTable(name);
  const words = blockWords(block, bytes ?? new Uint8Array(0));
  return (field) => readFieldValue(block, words, field, version);
}

/** A field's value for people. */
export function fieldText(field: FieldTable, value: number): string {
  if (field.enum !== null)
    for (const [name, member] of Object.entries(field.enum)) if (member === value) return name;
  // Patterns and addresses read better in hexadecimal, counts in decimal.
  if (field.kind === "gpuAddr" || value >= 0x10000) return `0x${value.toString(16)}`;
  return String(value);
}

/**
 * All fields of a block in the order of its table.
 * @param bytes of the block; missing ones count as 0
 * @param version NN core version of the chip: 7 or 8
 */
export function decodeBlock(block: BlockTable, bytes: Uint8Array, version: number): DecodedField[] {
  const words = blockWords(block, bytes);
  return block.fields.map((field) => {
    const value = readFieldValue(block, words, field, version);
    return { name: field.name, value, text: fieldText(field, value) };
  });
}

/** Bits that are set and belong to no field; a well-formed block has none. */
export function undeclaredBits(block: BlockTable, words: ArrayLike<number>): UndeclaredBits[] {
  const found: UndeclaredBits[] = [];
  for (const [word, declared] of block.declared.entries()) {
    const bits = (words[word]! & ~declared) >>> 0;
    if (bits !== 0) found.push({ word, bits });
  }
  return found;
}
