// 1x1 convolutions do not know where a row ends: their image may have any sides of the same area, those with the best tiles.
// SPDX-License-Identifier: MIT
import { NnJob } from "../../../assembly/abi.ts";
import type { NnWork } from "../../jobs.ts";
import type { PlanSearch } from "./plan-search.ts";

/** Sides are fields of 13 bits. */
const MAX_SIDE = 0x1fff;
/** Wider images are cut into tiles of 64 columns all the same. */
const MAX_COLUMNS = 512;
/** A shape has to save this share of the job's time. */
const WORTHWHILE = 0.01;

/** The job with the sides that the cost model likes best. */
export function reshapePointwise(work: NnWork, search: PlanSearch): NnWork {
  if (!isPixelwise(work)) return work;
  const { record } = work;
  const area = record[NnJob.IN_X]! * record[NnJob.IN_Y]!;
  let best = work;
  let least = busyMs(work, search) * (1 - WORTHWHILE);
  for (let columns = 1; columns <= Math.min(area, MAX_COLUMNS); columns++) {
    const rows = area / columns;
    if (!Number.isInteger(rows) || rows > MAX_SIDE) continue;
    const candidate = { ...work, record: { ...record, ...sides(columns, rows) } };
    const ms = busyMs(candidate, search);
    if (ms < least) [best, least] = [candidate, ms];
  }
  return best;
}

/** True when output pixel i depends on input pixel i alone, and both tensors have no gaps. */
function isPixelwise({ record }: NnWork): boolean {
  const same = (...members: readonly NnJob[]): boolean =>
    members.every((member) => record[member] === record[members[0]!]);
  return (
    record[NnJob.KERNEL_X] === 1 &&
    record[NnJob.KERNEL_Y] === 1 &&
    record[NnJob.STRIDE] === 1 &&
    record[NnJob.FIRST_PIXEL] === 0 &&
    record[NnJob.OFFSET_X] === 0 &&
    record[NnJob.OFFSET_Y] === 0 &&
    same(NnJob.IN_X, NnJob.OUT_X, NnJob.IN_X_STRIDE, NnJob.OUT_X_STRIDE, NnJob.TILE_OUT_X) &&
    same(NnJob.IN_Y, NnJob.OUT_Y, NnJob.IN_Y_STRIDE, NnJob.OUT_Y_STRIDE, NnJob.TILE_OUT_Y)
  );
}

const sides = (x: number, y: number): NnWork["record"] => ({
  [NnJob.IN_X]: x,
  [NnJob.IN_Y]: y,
  [NnJob.OUT_X]: x,
  [NnJob.OUT_Y]: y,
  [NnJob.IN_X_STRIDE]: x,
  [NnJob.IN_Y_STRIDE]: y,
  [NnJob.OUT_X_STRIDE]: x,
  [NnJob.OUT_Y_STRIDE]: y,
  [NnJob.TILE_OUT_X]: x,
  [NnJob.TILE_OUT_Y]: y,
});

/** Predicted time; coefficients as if every weight took a byte. */
function busyMs({ record }: NnWork, search: PlanSearch): number {
  const kernels = record[NnJob.COEF_KERNELS]!;
  const bytes = 64 + kernels * (record[NnJob.COEF_PLANES]! + 8);
  return search.bestOf(record, bytes).busyMs;
}
