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
  /** Strides that become planes; 2 and 2 when left out. */
  x?: number;
  y?: number;
  /** Bytes between the planes of one input plane and between those of two; next to each other when left out. */
  phaseStep?: number;
  planeStep?: number;
}

/** A reshuffle of `planes` input planes: output plane (strideY z + y % strideY) strideX + x % strideX. */
export function reshuffleRecord(
  x: ReshuffleAxis,
  y: ReshuffleAxis,
  planes: number,
  layout: ReshuffleLayout,
): TpProgram["record"] {
  const { stride, slice, columns, zp, noFlush, x: strideX = 2, y: strideY = 2 } = layout;
  const { phaseStep = layout.rows * columns } = layout;
  const { planeStep = strideX * strideY * phaseStep } = layout;
  return {
    [TpJob.IN_X_SIZE]: x.size,
    [TpJob.IN_Y_SIZE]: y.size,
    [TpJob.IN_Z_SIZE]: planes,
    [TpJob.IN_STRIDE]: stride,
    [TpJob.IN_SLICE]: slice,
    [TpJob.WINDOW_X_START]: x.start,
    [TpJob.WINDOW_Y_START]: y.start,
    [TpJob.WINDOW_X_END]: strideX * x.outputs - 1 + x.start,
    [TpJob.WINDOW_Y_END]: strideY * y.outputs - 1 + y.start,
    [TpJob.TILE_X_SIZE]: strideX * x.outputs,
    [TpJob.TILE_X_INC]: strideX * x.outputs,
    [TpJob.TILE_Y_SIZE]: strideY * y.outputs,
    [TpJob.TILE_Y_INC]: strideY * y.outputs,
    [TpJob.LOOP_1_RESET]: 1,
    [TpJob.LOOP_3_RESET]: 1,
    [TpJob.NO_FLUSH]: noFlush ? 1 : 0,
    [TpJob.COUNT_0]: strideX,
    [TpJob.INC_0]: phaseStep,
    [TpJob.COUNT_1]: x.outputs,
    [TpJob.INC_1]: 1,
    [TpJob.COUNT_2]: strideY,
    [TpJob.INC_2]: strideX * phaseStep,
    [TpJob.COUNT_3]: y.outputs,
    [TpJob.INC_3]: columns,
    [TpJob.COUNT_4]: 1,
    [TpJob.COUNT_5]: 1,
    [TpJob.INC_6]: planeStep,
    [TpJob.IN_ZP]: zp,
    [TpJob.OUT_ZP]: zp,
  };
}

/** Pixels of padding on every side. */
export interface Border {
  top: number;
  bottom: number;
  left: number;
  right: number;
}

const evenBorder = (size: number): Border => ({
  top: size,
  bottom: size,
  left: size,
  right: size,
});

/**
 * A planar tensor with a border of zero points, one number for all sides; 0 copies it. Planes are dealt to `cores` descriptors;
 * with fewer planes than cores the last ones get none (the reference does that, Q45).
 */
export function padPrograms(
  from: Extent,
  border: number | Border,
  zp: { in: number; out: number },
  cores: number,
): TpProgram[] {
  const { top, bottom, left, right } = typeof border === "number" ? evenBorder(border) : border;
  const columns = from.f + left + right;
  const rows = from.s + top + bottom;
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
        [TpJob.WINDOW_X_START]: -left,
        [TpJob.WINDOW_Y_START]: -top,
        [TpJob.WINDOW_X_END]: columns - 1 - left,
        [TpJob.WINDOW_Y_END]: rows - 1 - top,
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
