// Change of layout and fold of strides in one pass: an NHWC image to planes of every y-th row and x-th column.
// The planes of the walk are rows of the image, its rows are columns, its columns are channels. Never captured.
// SPDX-License-Identifier: MIT
import { TpJob } from "../../assembly/abi.ts";
import type { TpProgram } from "../jobs.ts";
import { ceilDiv } from "../lower-shared.ts";
import type { ReshuffleShape } from "./tp.ts";

/** Rows first..end-1 of the output planes of one row phase. */
interface RowRun {
  first: number;
  end: number;
}

/**
 * Programs by job, at most one for each core in a job. Together they write every byte of all planes.
 * @param shape the fold; phases of one channel lie next to each other
 */
export function foldNhwcJobs(shape: ReshuffleShape, zp: number, tpCores: number): TpProgram[][] {
  const phases = Array.from({ length: shape.y }, (_, phase) => phase);
  const borders = borderRuns(shape).map(({ phases: of, run }) => borderProgram(shape, zp, of, run));
  // Cores that no border needs share the rows of each phase.
  const free = tpCores - (borders.length % tpCores);
  const parts = Math.max(1, Math.floor(free / shape.y));
  const images = phases.flatMap((phase) =>
    split(imageRun(shape, phase), parts).map((run) => imageProgram(shape, zp, phase, run)),
  );
  const programs = [...images, ...borders];
  const jobs: TpProgram[][] = [];
  for (let done = 0; done < programs.length; done += tpCores) {
    const job = programs.slice(done, done + tpCores);
    for (const { record } of job.slice(0, -1)) record[TpJob.NO_FLUSH] = 1;
    jobs.push(job);
  }
  return jobs;
}

/** Rows of a phase's planes that come from the image. */
function imageRun({ from, y, rows, padTop }: ReshuffleShape, phase: number): RowRun {
  // Plane row r of a phase is image row y r + phase - padTop.
  const first = Math.min(Math.max(ceilDiv(padTop - phase, y), 0), rows);
  const end = Math.min(Math.max(ceilDiv(from.s + padTop - phase, y), first), rows);
  return { first, end };
}

function split({ first, end }: RowRun, parts: number): RowRun[] {
  const runs: RowRun[] = [];
  const used = Math.min(parts, end - first);
  for (let part = 0, from = first; part < used; part++) {
    const count = ceilDiv(end - from, used - part);
    runs.push({ first: from, end: from + count });
    from += count;
  }
  return runs;
}

/** Rows that only the border fills, with the phases next to each other that have them. */
function borderRuns(shape: ReshuffleShape): { phases: RowRun; run: RowRun }[] {
  const found: { phases: RowRun; run: RowRun }[] = [];
  for (const side of ["above", "below"] as const)
    for (let phase = 0; phase < shape.y; phase++) {
      const { first, end } = imageRun(shape, phase);
      const run = side === "above" ? { first: 0, end: first } : { first: end, end: shape.rows };
      if (run.first === run.end) continue;
      const last = found.at(-1);
      const follows =
        last?.phases.end === phase && last.run.first === run.first && last.run.end === run.end;
      if (follows) last.phases.end++;
      else found.push({ phases: { first: phase, end: phase + 1 }, run });
    }
  return found;
}

function imageProgram(
  shape: ReshuffleShape,
  zp: number,
  phase: number,
  { first, end }: RowRun,
): TpProgram {
  const { from, y, padTop } = shape;
  const row = y * first + phase - padTop;
  return {
    inOffset: row * from.f * from.c,
    outOffset: outOffset(shape, phase, first),
    record: {
      ...walkRecord(shape, zp),
      [TpJob.IN_X_SIZE]: from.c,
      [TpJob.IN_Z_SIZE]: end - first,
      [TpJob.COUNT_3]: end - first,
      [TpJob.INC_3]: shape.columns,
    },
  };
}

/** An image without columns: every value is the border's. */
function borderProgram(
  shape: ReshuffleShape,
  zp: number,
  phases: RowRun,
  { first, end }: RowRun,
): TpProgram {
  const count = phases.end - phases.first;
  return {
    inOffset: 0,
    outOffset: outOffset(shape, phases.first, first),
    record: {
      ...walkRecord(shape, zp),
      [TpJob.IN_X_SIZE]: 0,
      [TpJob.IN_Z_SIZE]: count * (end - first),
      [TpJob.COUNT_3]: count,
      [TpJob.INC_3]: shape.x * shape.rows * shape.columns,
      [TpJob.COUNT_4]: end - first,
      [TpJob.INC_4]: shape.columns,
    },
  };
}

const outOffset = ({ x, rows, columns }: ReshuffleShape, phase: number, row: number): number =>
  (phase * x * rows + row) * columns;

/** What all programs have in common: values of one row, column by column, channel by channel. */
function walkRecord(shape: ReshuffleShape, zp: number): TpProgram["record"] {
  const { from, x, y, rows, columns, padLeft } = shape;
  const plane = rows * columns;
  return {
    [TpJob.IN_Y_SIZE]: from.f,
    [TpJob.IN_STRIDE]: from.c,
    [TpJob.IN_SLICE]: y * from.f * from.c,
    [TpJob.WINDOW_X_END]: from.c - 1,
    [TpJob.WINDOW_Y_START]: -padLeft,
    [TpJob.WINDOW_Y_END]: x * columns - 1 - padLeft,
    [TpJob.TILE_X_SIZE]: 1,
    [TpJob.TILE_X_INC]: 1,
    [TpJob.TILE_Y_SIZE]: x * columns,
    [TpJob.TILE_Y_INC]: x * columns,
    [TpJob.COUNT_0]: x,
    [TpJob.INC_0]: plane,
    [TpJob.COUNT_1]: columns,
    [TpJob.INC_1]: 1,
    [TpJob.COUNT_2]: from.c,
    [TpJob.INC_2]: x * y * plane,
    [TpJob.COUNT_4]: 1,
    [TpJob.COUNT_5]: 1,
    [TpJob.IN_ZP]: zp,
    [TpJob.OUT_ZP]: zp,
  };
}
