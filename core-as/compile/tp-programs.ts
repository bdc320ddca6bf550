// Address programs of the TP cores: transpose, detranspose, reshuffle, pad, copy (spec/lowering.md 9). x = fast axis, y = slow axis.
// SPDX-License-Identifier: MIT
import { TpJob } from "../assembly/abi.ts";
import type { Extent } from "../ir/extent.ts";
import type { TpProgram } from "./jobs.ts";
import { ceilDiv } from "./lower-shared.ts";

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

/** One axis of a reshuffle as one core sees it. */
export interface ReshuffleAxis {
  /** Output positions. */
  outputs: number;
  /** Input positions. */
  size: number;
  /** First input position of the window; negative = padding. */
  start: number;
}

export interface ReshuffleLayout {
  /** Bytes per input row and per input plane. */
  stride: number;
  slice: number;
  /** Sides of an output plane. */
  rows: number;
  columns: number;
  zp: number;
  noFlush: boolean;
}

/** A reshuffle by two of `planes` input planes: output plane 4z + 2 (y & 1) + (x & 1). */
export function reshuffleRecord(
  x: ReshuffleAxis,
  y: ReshuffleAxis,
  planes: number,
  { stride, slice, rows, columns, zp, noFlush }: ReshuffleLayout,
): TpProgram["record"] {
  const plane = rows * columns;
  return {
    [TpJob.IN_X_SIZE]: x.size,
    [TpJob.IN_Y_SIZE]: y.size,
    [TpJob.IN_Z_SIZE]: planes,
    [TpJob.IN_STRIDE]: stride,
    [TpJob.IN_SLICE]: slice,
    [TpJob.WINDOW_X_START]: x.start,
    [TpJob.WINDOW_Y_START]: y.start,
    [TpJob.WINDOW_X_END]: 2 * x.outputs - 1 + x.start,
    [TpJob.WINDOW_Y_END]: 2 * y.outputs - 1 + y.start,
    [TpJob.TILE_X_SIZE]: 2 * x.outputs,
    [TpJob.TILE_X_INC]: 2 * x.outputs,
    [TpJob.TILE_Y_SIZE]: 2 * y.outputs,
    [TpJob.TILE_Y_INC]: 2 * y.outputs,
    [TpJob.LOOP_1_RESET]: 1,
    [TpJob.LOOP_3_RESET]: 1,
    [TpJob.NO_FLUSH]: noFlush ? 1 : 0,
    [TpJob.COUNT_0]: 2,
    [TpJob.INC_0]: plane,
    [TpJob.COUNT_1]: x.outputs,
    [TpJob.INC_1]: 1,
    [TpJob.COUNT_2]: 2,
    [TpJob.INC_2]: 2 * plane,
    [TpJob.COUNT_3]: y.outputs,
    [TpJob.INC_3]: columns,
    [TpJob.COUNT_4]: 1,
    [TpJob.COUNT_5]: 1,
    [TpJob.INC_6]: 4 * plane,
    [TpJob.IN_ZP]: zp,
    [TpJob.OUT_ZP]: zp,
  };
}

/**
 * A planar tensor with `border` pixels of zero point on every side; border 0 copies it. Planes are dealt to `cores`
 * descriptors; with fewer planes than cores the last ones get none (the reference does that, Q45).
 */
export function padPrograms(
  from: Extent,
  border: number,
  zp: { in: number; out: number },
  cores: number,
): TpProgram[] {
  const columns = from.f + 2 * border;
  const rows = from.s + 2 * border;
  const programs: TpProgram[] = [];
  let done = 0;
  for (let core = 0; core < cores; core++) {
    const planes = ceilDiv(from.c - done, cores - core);
    programs.push({
      inOffset: done * from.s * from.f,
      outOffset: done * rows * columns,
      record: {
        [TpJob.IN_X_SIZE]: from.f,
        [TpJob.IN_Y_SIZE]: from.s,
        [TpJob.IN_Z_SIZE]: planes,
        [TpJob.IN_STRIDE]: from.f,
        [TpJob.IN_SLICE]: from.f * from.s,
        [TpJob.WINDOW_X_START]: -border,
        [TpJob.WINDOW_Y_START]: -border,
        [TpJob.WINDOW_X_END]: columns - 1 - border,
        [TpJob.WINDOW_Y_END]: rows - 1 - border,
        [TpJob.TILE_X_SIZE]: columns,
        [TpJob.TILE_X_INC]: columns,
        [TpJob.TILE_Y_SIZE]: rows,
        [TpJob.TILE_Y_INC]: rows,
        [TpJob.NO_FLUSH]: core < cores - 1 ? 1 : 0,
        [TpJob.COUNT_0]: 1,
        [TpJob.COUNT_1]: columns,
        [TpJob.INC_1]: 1,
        [TpJob.COUNT_2]: rows,
        [TpJob.INC_2]: columns,
        [TpJob.COUNT_3]: 1,
        [TpJob.COUNT_4]: 1,
        [TpJob.COUNT_5]: 1,
        [TpJob.INC_6]: rows * columns,
        [TpJob.IN_ZP]: zp.in,
        [TpJob.OUT_ZP]: zp.out,
      },
    });
    done += planes;
  }
  return programs;
}
