// Reads and writes named fields of hardware blocks, driven by the generated tables.
// SPDX-License-Identifier: MIT
import { Fault, Status } from "../abi";
import { fail, noteFault } from "../fault";
import {
  BlockId,
  LOAD_STATE_FIELDS,
  LOAD_STATE_FIELD_COUNT,
  LOAD_STATE_PARTS,
  LOAD_STATE_WORDS,
  NN_DECLARED,
  NN_FIELDS,
  NN_FIELD_COUNT,
  NN_PARTS,
  NN_WORDS,
  TP_DECLARED,
  TP_FIELDS,
  TP_FIELD_COUNT,
  TP_PARTS,
  TP_WORDS,
} from "../gen/fields";

const FLAG_SIGNED: u32 = 0x100;

function fieldsOf(block: i32): usize {
  return block == BlockId.NN ? NN_FIELDS : block == BlockId.TP ? TP_FIELDS : LOAD_STATE_FIELDS;
}

function partsOf(block: i32): usize {
  return block == BlockId.NN ? NN_PARTS : block == BlockId.TP ? TP_PARTS : LOAD_STATE_PARTS;
}

/** Words of a descriptor block. */
export function blockWords(block: i32): i32 {
  return block == BlockId.NN ? NN_WORDS : block == BlockId.TP ? TP_WORDS : LOAD_STATE_WORDS;
}

/** Fields of a descriptor block. */
export function blockFieldCount(block: i32): i32 {
  if (block == BlockId.NN) return NN_FIELD_COUNT;
  return block == BlockId.TP ? TP_FIELD_COUNT : LOAD_STATE_FIELD_COUNT;
}

/** Bits of a descriptor word (NN or TP) that some field declares. */
export function declaredBits(block: i32, word: i32): u32 {
  return load<u32>((block == BlockId.NN ? NN_DECLARED : TP_DECLARED) + ((<usize>word) << 2));
}

/** The value that a field starts with. */
export function fieldReset(block: i32, field: i32): u32 {
  return load<u32>(fieldsOf(block) + <usize>field * 12, 8);
}

/** True when every piece of the field that only later core versions have is zero. */
export function laterPiecesClear(block: i32, src: usize, field: i32, version: u32): bool {
  const entry = load<u32>(fieldsOf(block) + <usize>field * 12);
  let part = partsOf(block) + ((<usize>(entry & 0xffff)) << 2);
  for (let count = entry >> 16; count > 0; count--, part += 4) {
    const place = load<u32>(part);
    if (place >> 24 <= version) continue;
    const lo = (place >> 16) & 0xff;
    const width = ((place >> 8) & 0xff) - lo + 1;
    const mask: u32 = width == 32 ? 0xffffffff : ((<u32>1) << width) - 1;
    if (((load<u32>(src + ((<usize>(place & 0xff)) << 2)) >> lo) & mask) != 0) return false;
  }
  return true;
}

/** Width of a field in bits on a core version, shifted-out bits not counted. */
export function fieldWidth(block: i32, field: i32, version: u32): i32 {
  const entry = load<u32>(fieldsOf(block) + <usize>field * 12);
  let part = partsOf(block) + ((<usize>(entry & 0xffff)) << 2);
  let bits = 0;
  for (let count = entry >> 16; count > 0; count--, part += 4) {
    const place = load<u32>(part);
    if (place >> 24 <= version)
      bits += <i32>((place >> 8) & 0xff) - <i32>((place >> 16) & 0xff) + 1;
  }
  return bits;
}

/** Fills a block with zeros and the reset values of its fields. */
export function resetBlock(block: i32, dst: usize, version: u32): void {
  memory.fill(dst, 0, (<usize>blockWords(block)) << 2);
  for (let field = 0; field < blockFieldCount(block); field++) {
    const reset = load<u32>(fieldsOf(block) + <usize>field * 12, 8);
    if (reset != 0) writeRaw(block, dst, field, reset, version);
  }
}

/** Spreads the stored form of a value (already shifted, in range) over the field's parts. */
function writeRaw(block: i32, dst: usize, field: i32, stored: u32, version: u32): void {
  const entry = load<u32>(fieldsOf(block) + <usize>field * 12);
  let part = partsOf(block) + ((<usize>(entry & 0xffff)) << 2);
  for (let count = entry >> 16; count > 0; count--, part += 4) {
    const place = load<u32>(part);
    if (place >> 24 > version) continue;
    const lo = (place >> 16) & 0xff;
    const width = ((place >> 8) & 0xff) - lo + 1;
    const mask: u32 = width == 32 ? 0xffffffff : ((<u32>1) << width) - 1;
    const at = dst + ((<usize>(place & 0xff)) << 2);
    store<u32>(at, (load<u32>(at) & ~(mask << lo)) | ((stored & mask) << lo));
    stored = width == 32 ? 0 : stored >> width;
  }
}

/**
 * Writes a field by value.
 * @returns Status.FIELD_RANGE with the fault record filled when the value does not fit, is not a
 *   multiple of the field's unit, or is negative in an unsigned field
 */
export function writeField(block: i32, dst: usize, field: i32, value: i64, version: u32): Status {
  const flags = load<u32>(fieldsOf(block) + <usize>field * 12, 4);
  const shr = <i64>(flags & 0xff);
  const bits = <i64>fieldWidth(block, field, version);
  const stored = value >> shr;
  const signed = (flags & FLAG_SIGNED) != 0;
  const low = signed ? -((<i64>1) << (bits - 1)) : 0;
  const high = signed ? ((<i64>1) << (bits - 1)) - 1 : ((<i64>1) << bits) - 1;
  if (stored < low || stored > high || stored << shr != value) {
    noteFault(Fault.BLOCK, block);
    noteFault(Fault.FIELD, field);
    noteFault(Fault.VALUE, <i32>value);
    noteFault(Fault.LIMIT, <i32>bits);
    return fail(Status.FIELD_RANGE);
  }
  writeRaw(block, dst, field, <u32>stored, version);
  return Status.OK;
}

/** Reads a field: zero extended, or sign extended for signed fields, in the field's unit (<< shr applied). */
export function readField(block: i32, src: usize, field: i32, version: u32): u32 {
  const entry = load<u32>(fieldsOf(block) + <usize>field * 12);
  const flags = load<u32>(fieldsOf(block) + <usize>field * 12, 4);
  let part = partsOf(block) + ((<usize>(entry & 0xffff)) << 2);
  let value: u32 = 0;
  let shift: u32 = 0;
  for (let count = entry >> 16; count > 0; count--, part += 4) {
    const place = load<u32>(part);
    if (place >> 24 > version) continue;
    const lo = (place >> 16) & 0xff;
    const width = ((place >> 8) & 0xff) - lo + 1;
    const mask: u32 = width == 32 ? 0xffffffff : ((<u32>1) << width) - 1;
    value |= ((load<u32>(src + ((<usize>(place & 0xff)) << 2)) >> lo) & mask) << shift;
    shift += width;
  }
  if ((flags & FLAG_SIGNED) != 0 && shift < 32) {
    const up = 32 - shift;
    value = <u32>((<i32>(value << up)) >> up);
  }
  return value << (flags & 0xff);
}
