// Address programs of the TP cores: transpose, detranspose, copy (spec/lowering.md 9). x = fast axis, y = slow axis.
// SPDX-License-Identifier: MIT
import { TpJob } from "../assembly/abi.ts";
import type { TpProgram } from "./jobs.ts";

/** Sizes of a tensor: s = TFLite dimension 1, f = dimension 2, c = dimension 3. */
export interface Extent {
  s: number;
  f: number;
  c: number;
}

/** Loops that do nothing, as every captured program leaves them. */
const IDLE_LOOPS = {
  [TpJob.COUNT_3]: 1,
  [TpJob.COUNT_4]: 1,
  [TpJob.COUNT_5]: 1,
};

const zeroPoints = (zp: number): Record<number, number> => ({
  [TpJob.IN_ZP]: zp,
  [TpJob.OUT_ZP]: zp,
});

/** NHWC to planar. */
export function transposeProgram({ s, f, c }: Extent, zp: number): TpProgram {
  return {
    inOffset: 0,
    outOffset: 0,
    record: {
      ...IDLE_LOOPS,
      ...zeroPoints(zp),
      [TpJob.IN_X_SIZE]: c,
      [TpJob.IN_Y_SIZE]: f,
      [TpJob.IN_Z_SIZE]: s,
      [TpJob.IN_STRIDE]: c,
      [TpJob.IN_SLICE]: f * c,
      [TpJob.WINDOW_X_END]: c - 1,
      [TpJob.WINDOW_Y_END]: f - 1,
      [TpJob.TILE_X_SIZE]: 1,
      [TpJob.TILE_X_INC]: 1,
      [TpJob.TILE_Y_SIZE]: f,
      [TpJob.TILE_Y_INC]: f,
      [TpJob.COUNT_0]: f,
      [TpJob.INC_0]: 1,
      [TpJob.COUNT_1]: c,
      [TpJob.INC_1]: s * f,
      [TpJob.COUNT_2]: s,
      [TpJob.INC_2]: f,
    },
  };
}

/** Planar to NHWC. */
export function detransposeProgram({ s, f, c }: Extent, zp: number): TpProgram {
  return {
    inOffset: 0,
    outOffset: 0,
    record: {
      ...IDLE_LOOPS,
      ...zeroPoints(zp),
      [TpJob.IN_X_SIZE]: s,
      [TpJob.IN_Y_SIZE]: f * c,
      [TpJob.IN_Z_SIZE]: 1,
      [TpJob.IN_STRIDE]: s,
      [TpJob.IN_SLICE]: s * f * c,
      [TpJob.WINDOW_X_END]: s - 1,
      [TpJob.WINDOW_Y_END]: f * c - 1,
      [TpJob.TILE_X_SIZE]: 1,
      [TpJob.TILE_X_INC]: 1,
      [TpJob.TILE_Y_SIZE]: 1,
      [TpJob.TILE_Y_INC]: 1,
      [TpJob.COUNT_0]: f,
      [TpJob.INC_0]: c,
      [TpJob.COUNT_1]: 1,
      [TpJob.INC_1]: 0,
      [TpJob.COUNT_2]: s,
      [TpJob.INC_2]: f * c,
      [TpJob.COUNT_3]: c,
      [TpJob.INC_3]: 1,
      [TpJob.COUNT_4]: 1,
      [TpJob.INC_4]: s * f * c,
    },
  };
}
