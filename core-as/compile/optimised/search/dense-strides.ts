// Strides of two without a fold: every pixel is computed and every second one kept, as captured depthwise jobs do it.
// More is multiplied, but the TP pass and its image in memory are saved.
// SPDX-License-Identifier: MIT
import { TpJob } from "../../../assembly/abi.ts";
import { totalMs } from "../../../cost/job-cost.ts";
import { tpCost, type TpShape } from "../../../cost/tp-cost.ts";
import { generationOf, type Chip } from "../../../hw/chips.ts";
import type { System } from "../../../hw/systems.ts";
import type { Tensor } from "../../../ir/graph.ts";
import { convLimit, type ConvGeometry } from "../../../legalise/conv-geometry.ts";
import type { TpProgram } from "../../jobs.ts";
import { transposeProgram } from "../../tp-programs.ts";
import { convRecord, convWeights } from "../records.ts";
import { foldNhwcJobs } from "../fold-nhwc.ts";
import { reshufflePrograms } from "../tp.ts";
import type { PlanSearch } from "./plan-search.ts";

/**
 * The geometry that the cost model likes better, of the given one and the same window without its fold.
 * @param fromNhwc the image is in NHWC order, and a fold would change that in the same pass
 */
export function chooseStrides(
  geometry: ConvGeometry,
  weight: Tensor,
  chip: Chip,
  system: System,
  search: PlanSearch,
  fromNhwc: boolean,
): ConvGeometry {
  const { folded, stacked, dilationS, dilationF } = geometry;
  if (!folded || folded.x !== 2 || folded.y !== 2 || stacked) return geometry;
  if (!generationOf(chip).densePixelDropping || dilationS > 1 || dilationF > 1) return geometry;
  const plain: ConvGeometry = { ...geometry, folded: null, firstPixel: true };
  if (convLimit(plain, chip) !== null) return geometry;
  const { in: from, padTop, padLeft } = geometry;
  const fold = { from, ...folded, padTop, padLeft };
  const jobs = fromNhwc
    ? foldNhwcJobs(fold, 0, chip.tpCores)
    : [reshufflePrograms(fold, 0, chip.tpCores)];
  const foldedMs = tpMs(jobs, system) + nnMs(geometry, weight, chip, search);
  // Without a fold, a layout has to be changed by a pass of its own.
  const layoutMs = fromNhwc ? tpMs([[transposeProgram(from, 0)]], system) : 0;
  return layoutMs + nnMs(plain, weight, chip, search) < foldedMs ? plain : geometry;
}

/** Predicted time of TP jobs. */
function tpMs(jobs: readonly (readonly TpProgram[])[], system: System): number {
  const costs = jobs.map((programs) => tpCost(programs.map(shapeOf), system));
  return totalMs(costs, system);
}

function shapeOf({ record }: TpProgram): TpShape {
  const side = (start: TpJob, end: TpJob): number => record[end]! - (record[start] ?? 0) + 1;
  const planes = record[TpJob.IN_Z_SIZE]!;
  const elements =
    side(TpJob.WINDOW_X_START, TpJob.WINDOW_X_END) *
    side(TpJob.WINDOW_Y_START, TpJob.WINDOW_Y_END) *
    planes;
  return { elements, read: record[TpJob.IN_X_SIZE]! * record[TpJob.IN_Y_SIZE]! * planes, table: 0 };
}

/** Predicted time of the NN job; coefficients as if every weight of the kernel took a byte. */
function nnMs(geometry: ConvGeometry, weight: Tensor, chip: Chip, search: PlanSearch): number {
  const record = convRecord(chip, geometry, convWeights(geometry, weight));
  const bytes = 64 + weight.constant!.length + geometry.out.c * 8;
  return search.bestOf(record, bytes).busyMs;
}
