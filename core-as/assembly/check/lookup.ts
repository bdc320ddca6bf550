// Look-up tables of TP descriptors (spec/newer-driver.md 2.1, 2.2): 1024 words in one buffer that nothing writes.
// SPDX-License-Identifier: MIT
import { Fault, Status } from "../abi";
import { CheckReason, CheckReport } from "../abi-check";
import { noteFault } from "../fault";
import { BlockId, Tp } from "../gen/fields";
import { heldAt } from "./buffers";
import { note, refusal, refuseField, refuseRange } from "./report";
import { get } from "./tp-fields";

const TABLE_WORDS: u32 = 1024;
const TABLE_BYTES: u32 = 4 * TABLE_WORDS;
/** Bits of an FP21 number; an exponent of all ones is nothing that is known. */
const FP21_BITS: u32 = 21;
const EXPONENT: u32 = 31;

/** Fields that belong to a look-up and are 0 without one. */
const LOOKUP_FIELDS = memory.data<i32>([
  Tp.LOAD_LUT,
  Tp.LUT_GLOBAL_MEM,
  Tp.LUT_ADDR,
  Tp.PWL_SIGN,
  Tp.OUT_POST_SHIFT,
  Tp.OUT_POST_MULTIPLIER,
]);
const LOOKUP_FIELD_COUNT = 6;

/** Without a look-up nothing may be left of one. */
export function checkNoLookup(): Status {
  for (let i = 0; i < LOOKUP_FIELD_COUNT; i++) {
    const field = load<i32>(LOOKUP_FIELDS + ((<usize>i) << 2));
    if (get(<Tp>field) == 0) continue;
    note(CheckReport.DETAIL, 0);
    return refuseField(BlockId.TP, field, CheckReason.CONSTANT, get(<Tp>field));
  }
  return Status.OK;
}

function demandOne(field: Tp): Status {
  if (get(field) == 1) return Status.OK;
  note(CheckReport.DETAIL, 1);
  return refuseField(BlockId.TP, field, CheckReason.CONSTANT, get(field));
}

/**
 * Checks the table of a descriptor that has one. Only whole signed tables in memory are known, and only windows inside
 * the image.
 */
export function checkLookup(work: bool): Status {
  let status = demandOne(Tp.LOAD_LUT);
  if (status == Status.OK) status = demandOne(Tp.LUT_GLOBAL_MEM);
  if (status == Status.OK) status = demandOne(Tp.PWL_SIGN);
  if (status == Status.OK && work) status = checkWindow();
  return status == Status.OK ? checkTable() : status;
}

function checkWindow(): Status {
  const x = <i32>get(Tp.WINDOW_X_START);
  const y = <i32>get(Tp.WINDOW_Y_START);
  if (x < 0) return refuseRange(BlockId.TP, Tp.WINDOW_X_START, x, 0, 0x7fff);
  if (y < 0) return refuseRange(BlockId.TP, Tp.WINDOW_Y_START, y, 0, 0x7fff);
  const right = get(Tp.WINDOW_X_END);
  const bottom = get(Tp.WINDOW_Y_END);
  const lastX = <i64>get(Tp.IN_X_SIZE) - 1;
  const lastY = <i64>get(Tp.IN_Y_SIZE) - 1;
  if (<i64>right > lastX) return refuseRange(BlockId.TP, Tp.WINDOW_X_END, right, 0, lastX);
  if (<i64>bottom > lastY) return refuseRange(BlockId.TP, Tp.WINDOW_Y_END, bottom, 0, lastY);
  return Status.OK;
}

function checkTable(): Status {
  const address = get(Tp.LUT_ADDR);
  if ((address & (TABLE_BYTES - 1)) != 0) {
    note(CheckReport.DETAIL, TABLE_BYTES);
    return refuseField(BlockId.TP, Tp.LUT_ADDR, CheckReason.MULTIPLE, address);
  }
  const table = heldAt(BlockId.TP, Tp.LUT_ADDR, address, TABLE_BYTES);
  if (table == 0) return refusal();
  for (let i: u32 = 0; i < TABLE_WORDS; i++) {
    const word = load<u32>(table + ((<usize>i) << 2));
    if (word >> FP21_BITS == 0 && ((word >> 15) & EXPONENT) != EXPONENT) continue;
    note(CheckReport.DETAIL, i);
    noteFault(Fault.ADDRESS, address + 4 * i);
    return refuseField(BlockId.TP, Tp.LUT_ADDR, CheckReason.TABLE, word);
  }
  return Status.OK;
}
