// Packs a TP descriptor from its record (spec/hardware.md 8). Addresses stay 0: relocations fill them.
// SPDX-License-Identifier: MIT
import { Status, TpJob } from "../abi";
import { resetBlock, writeField } from "../bits/fields";
import { clearFault } from "../fault";
import { BlockId, Tp } from "../gen/fields";
import { member, wordMember } from "../record";

let target: usize = 0;
let record: usize = 0;
let status: Status = Status.OK;

/** TP descriptors do not depend on the NN core version. */
const ANY_VERSION: u32 = 7;

function put(field: Tp, from: TpJob): void {
  if (status == Status.OK) {
    status = writeField(BlockId.TP, target, field, member(record, from), ANY_VERSION);
  }
}

/** The same for fields that hold any 32-bit word, where a negative step is its two's complement. */
function putWord(field: Tp, from: TpJob): void {
  if (status == Status.OK) {
    status = writeField(BlockId.TP, target, field, wordMember(record, from), ANY_VERSION);
  }
}

function putWindow(): void {
  put(Tp.IN_X_SIZE, TpJob.IN_X_SIZE);
  put(Tp.IN_Y_SIZE, TpJob.IN_Y_SIZE);
  put(Tp.IN_Z_SIZE, TpJob.IN_Z_SIZE);
  put(Tp.IN_STRIDE, TpJob.IN_STRIDE);
  putWord(Tp.IN_SLICE, TpJob.IN_SLICE);
  put(Tp.WINDOW_X_START, TpJob.WINDOW_X_START);
  put(Tp.WINDOW_Y_START, TpJob.WINDOW_Y_START);
  put(Tp.WINDOW_X_END, TpJob.WINDOW_X_END);
  put(Tp.WINDOW_Y_END, TpJob.WINDOW_Y_END);
  put(Tp.TILE_X_SIZE, TpJob.TILE_X_SIZE);
  put(Tp.TILE_Y_SIZE, TpJob.TILE_Y_SIZE);
  put(Tp.TILE_X_INC, TpJob.TILE_X_INC);
  put(Tp.TILE_Y_INC, TpJob.TILE_Y_INC);
}

function putLoops(): void {
  put(Tp.LOOP_1_RESET, TpJob.LOOP_1_RESET);
  put(Tp.LOOP_2_RESET, TpJob.LOOP_2_RESET);
  put(Tp.LOOP_3_RESET, TpJob.LOOP_3_RESET);
  putWord(Tp.OUT_LOOP_0_INC, TpJob.INC_0);
  putWord(Tp.OUT_LOOP_1_INC, TpJob.INC_1);
  putWord(Tp.OUT_LOOP_2_INC, TpJob.INC_2);
  putWord(Tp.OUT_LOOP_3_INC, TpJob.INC_3);
  putWord(Tp.OUT_LOOP_4_INC, TpJob.INC_4);
  putWord(Tp.OUT_LOOP_5_INC, TpJob.INC_5);
  putWord(Tp.OUT_LOOP_6_INC, TpJob.INC_6);
  put(Tp.OUT_LOOP_0_COUNT, TpJob.COUNT_0);
  put(Tp.OUT_LOOP_1_COUNT, TpJob.COUNT_1);
  put(Tp.OUT_LOOP_2_COUNT, TpJob.COUNT_2);
  put(Tp.OUT_LOOP_3_COUNT, TpJob.COUNT_3);
  put(Tp.OUT_LOOP_4_COUNT, TpJob.COUNT_4);
  put(Tp.OUT_LOOP_5_COUNT, TpJob.COUNT_5);
}

function putLookup(): void {
  put(Tp.PWL, TpJob.LOOKUP);
  put(Tp.LOAD_LUT, TpJob.LOOKUP);
  put(Tp.LUT_GLOBAL_MEM, TpJob.LOOKUP);
  put(Tp.PWL_SIGN, TpJob.LOOKUP);
  put(Tp.OUT_POST_SHIFT, TpJob.POST_SHIFT);
  put(Tp.OUT_POST_MULTIPLIER, TpJob.POST_MULTIPLIER);
}

/**
 * Writes the 31 words of a descriptor at `dst`.
 * @returns Status.FIELD_RANGE with block, field, value and bits when a member does not fit its field
 */
export function packTp(job: usize, dst: usize): Status {
  clearFault();
  target = dst;
  record = job;
  status = Status.OK;
  resetBlock(BlockId.TP, dst, ANY_VERSION);
  putWindow();
  putLoops();
  putLookup();
  put(Tp.NO_FLUSH, TpJob.NO_FLUSH);
  put(Tp.IN_ZERO_POINT, TpJob.IN_ZP);
  put(Tp.OUT_ZERO_POINT, TpJob.OUT_ZP);
  return status;
}
