// TP programs of optimised mode: right for every size, and only as many cores as there is work (spec/lowering.md 9).
// SPDX-License-Identifier: MIT
import { TpJob } from "../../assembly/abi.ts";
import type { TpProgram } from "../jobs.ts";
import { ceilDiv } from "../lower-shared.ts";
import type { Extent } from "../../ir/extent.ts";
import type { Stacking } from "../../legalise/conv-geometry.ts";
import {
  detransposeProgram,
  padPrograms,
  reshuffleRecord,
  type ReshuffleAxis,
} from "../tp-programs.ts";

const MAX_16 = 0xffff;

/** Image heights that captures give to one core when they have three channels. */
const SINGLE_CORE_ROWS = [320, 224];

export interface ReshuffleShape {
  from: Extent;
  /** Strides, and rows and columns of each of the planes that a channel becomes. */
  x: number;
  y: number;
  rows: number;
  columns: number;
  padTop: number;
  padLeft: number;
  /** Planes of one phase behind each other, as sampling needs them, instead of those of one channel. */
  phaseMajor?: boolean;
}

/** Reshuffle by strides, padding included: output plane (y z + row % y) x + column % x, unless phases come first. */
export function reshufflePrograms(shape: ReshuffleShape, zp: number, tpCores: number): TpProgram[] {
  const { from, rows, columns } = shape;
  const channels = from.c;
  const plane = rows * columns;
  const phases = shape.x * shape.y;
  const phaseStep = shape.phaseMajor ? channels * plane : plane;
  const planeStep = shape.phaseMajor ? plane : phases * plane;
  const single =
    (from.s <= 8 && channels === 1) || (channels === 3 && SINGLE_CORE_ROWS.includes(from.s));
  const spatial = rows >= columns ? "y" : "x";
  const axis = channels >= (spatial === "y" ? rows : columns) ? "z" : spatial;
  const total = { x: columns, y: rows, z: channels }[axis];
  const cores = single ? 1 : Math.min(tpCores, total);

  const programs: TpProgram[] = [];
  let done = 0;
  for (let core = 0; core < cores; core++) {
    const size = ceilDiv(total - done, cores - core);
    const share = (name: "x" | "y"): [start: number, size: number] =>
      axis === name ? [done, size] : [0, { x: columns, y: rows }[name]];
    const last = core === cores - 1;
    const x = windowOf(from.f, share("x"), shape.x, shape.padLeft, last || axis !== "x");
    const y = windowOf(from.s, share("y"), shape.y, shape.padTop, last || axis !== "y");
    const planes = axis === "z" ? { start: done, size } : { start: 0, size: channels };
    const empty = x.size === 0 || y.size === 0;
    programs.push({
      inOffset: empty ? 0 : planes.start * from.s * from.f + y.base * from.f + x.base,
      outOffset: planes.start * planeStep + y.first * columns + x.first,
      record: reshuffleRecord(x, y, planes.size, {
        stride: from.f,
        slice: from.f * from.s,
        rows,
        columns,
        zp,
        noFlush: !last,
        x: shape.x,
        y: shape.y,
        phaseStep,
        planeStep,
      }),
    });
    done += size;
  }
  return programs;
}

interface Window extends ReshuffleAxis {
  /** First output position. */
  first: number;
  /** First input position that the core addresses; size and start count from there. */
  base: number;
}

function windowOf(
  extent: number,
  [first, outputs]: [number, number],
  stride: number,
  pad: number,
  toEnd: boolean,
): Window {
  const start = stride * first - pad;
  // All padding: the window's end has no sign, so an empty image takes the place of a window before the image.
  if (start + stride * outputs <= 0) return { first, outputs, base: 0, size: 0, start: 0 };
  const base = Math.max(start, 0);
  const available = Math.max(extent - base, 0);
  const relative = Math.min(start, 0);
  return {
    first,
    outputs,
    base: available === 0 ? 0 : base,
    size: toEnd ? available : Math.min(available, stride * outputs + relative),
    start: relative,
  };
}

/** Planar to NHWC; walks plane by plane where the captured form overflows its 16-bit fields (Q43). */
export function toNhwcProgram(extent: Extent, zp: number): TpProgram {
  const program = detransposeProgram(extent, zp);
  const { s, f, c } = extent;
  if (f * c - 1 <= MAX_16 && s <= MAX_16) return program;
  return {
    ...program,
    record: {
      ...program.record,
      [TpJob.IN_X_SIZE]: f,
      [TpJob.IN_Y_SIZE]: s,
      [TpJob.IN_Z_SIZE]: c,
      [TpJob.IN_STRIDE]: f,
      [TpJob.IN_SLICE]: s * f,
      [TpJob.WINDOW_X_END]: f - 1,
      [TpJob.WINDOW_Y_END]: s - 1,
    },
  };
}

/** Stacked images back into one: pixel (row, column) of image (y, x) goes to (Y row + y, X column + x). */
export function unstackProgram(stack: Stacking, zp: number): TpProgram {
  const { x, y, rows, outRows, outColumns, to } = stack;
  const width = x * outColumns;
  return {
    inOffset: 0,
    outOffset: 0,
    record: {
      [TpJob.IN_X_SIZE]: outColumns,
      [TpJob.IN_Y_SIZE]: outRows,
      [TpJob.IN_Z_SIZE]: to.c * x * y,
      [TpJob.IN_STRIDE]: outColumns,
      // Behind each image lie the rows that reach into the next one.
      [TpJob.IN_SLICE]: rows * outColumns,
      [TpJob.WINDOW_X_END]: outColumns - 1,
      [TpJob.WINDOW_Y_END]: outRows - 1,
      [TpJob.TILE_X_SIZE]: outColumns,
      [TpJob.TILE_X_INC]: outColumns,
      [TpJob.TILE_Y_SIZE]: outRows,
      [TpJob.TILE_Y_INC]: outRows,
      [TpJob.COUNT_0]: outColumns,
      [TpJob.INC_0]: x,
      [TpJob.COUNT_1]: outRows,
      [TpJob.INC_1]: y * width,
      [TpJob.COUNT_2]: x,
      [TpJob.INC_2]: 1,
      [TpJob.COUNT_3]: y,
      [TpJob.INC_3]: width,
      [TpJob.COUNT_4]: 1,
      [TpJob.COUNT_5]: 1,
      [TpJob.INC_6]: y * outRows * width,
      [TpJob.IN_ZP]: zp,
      [TpJob.OUT_ZP]: zp,
    },
  };
}

/** The upper left part of every plane. */
export function cropPrograms(from: Extent, to: Extent, zp: number, tpCores: number): TpProgram[] {
  const cores = Math.min(tpCores, to.c);
  return padPrograms(to, 0, { in: zp, out: zp }, cores).map((program) => ({
    ...program,
    inOffset: (program.inOffset / (to.s * to.f)) * from.s * from.f,
    record: {
      ...program.record,
      [TpJob.IN_STRIDE]: from.f,
      [TpJob.IN_SLICE]: from.s * from.f,
    },
  }));
}
