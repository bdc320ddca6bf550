// Checks that hold for every descriptor, driven by the generated tables: nothing that is set may be
// ignored.
// SPDX-License-Identifier: MIT
import { Fault, Status } from "../abi";
import {
  blockFieldCount,
  blockWords,
  declaredBits,
  fieldReset,
  laterPiecesClear,
  readField,
} from "../bits/fields";
import { noteFault } from "../fault";
import { failField, simFail } from "./faults";

function listed(list: usize, length: i32, field: i32): bool {
  for (let i = 0; i < length; i++) if (load<i32>(list + ((<usize>i) << 2)) == field) return true;
  return false;
}

/**
 * Undeclared bits and pieces of later core versions must be zero, and every field that is not in
 * the list of modelled fields must have its reset value.
 */
export function checkDescriptor(
  block: i32,
  src: usize,
  version: u32,
  modelled: usize,
  modelledCount: i32,
): Status {
  for (let word = 0; word < blockWords(block); word++) {
    const stray = load<u32>(src + ((<usize>word) << 2)) & ~declaredBits(block, word);
    if (stray == 0) continue;
    noteFault(Fault.BLOCK, block);
    noteFault(Fault.WORD_INDEX, word);
    noteFault(Fault.VALUE, stray);
    return simFail(Status.SIM_BAD_DESCRIPTOR);
  }
  for (let field = 0; field < blockFieldCount(block); field++) {
    const value = readField(block, src, field, version);
    if (!laterPiecesClear(block, src, field, version)) return failField(block, field, value);
    if (listed(modelled, modelledCount, field)) continue;
    if (value != fieldReset(block, field)) return failField(block, field, value);
  }
  return Status.OK;
}
