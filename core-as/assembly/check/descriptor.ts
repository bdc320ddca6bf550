// What holds for every descriptor, driven by the generated tables: bits and fields that no rule of the check covers
// must be what they always were, as nobody knows what else they make the hardware access.
// SPDX-License-Identifier: MIT
import { Status } from "../abi";
import { CheckReason, CheckReport } from "../abi-check";
import {
  blockFieldCount,
  blockWords,
  declaredBits,
  fieldReset,
  laterPiecesClear,
  readField,
} from "../bits/fields";
import { note, noteField, refuse, refuseField } from "./report";

function listed(list: usize, length: i32, field: i32): bool {
  for (let i = 0; i < length; i++) if (load<i32>(list + ((<usize>i) << 2)) == field) return true;
  return false;
}

/**
 * Undeclared bits must be 0, pieces of fields that only later core versions have, too, and each field that is
 * not in the list `covered` must have its only known value.
 */
export function checkConstants(
  block: i32,
  src: usize,
  version: u32,
  covered: usize,
  coveredCount: i32,
): Status {
  for (let word = 0; word < blockWords(block); word++) {
    const stray = load<u32>(src + ((<usize>word) << 2)) & ~declaredBits(block, word);
    if (stray == 0) continue;
    note(CheckReport.DETAIL, word);
    noteField(block, -1);
    return refuse(Status.CHECK_DESCRIPTOR, CheckReason.STRAY_BITS, stray);
  }
  for (let field = 0; field < blockFieldCount(block); field++) {
    const value = readField(block, src, field, version);
    const reset = fieldReset(block, field);
    const good = listed(covered, coveredCount, field) || value == reset;
    if (good && laterPiecesClear(block, src, field, version)) continue;
    note(CheckReport.DETAIL, reset);
    return refuseField(block, field, CheckReason.CONSTANT, value);
  }
  return Status.OK;
}
