// Strides of two without a fold: every pixel is computed and every second one kept, as captured depthwise jobs do it.
// More is multiplied, but the TP pass and its image in memory are saved.
// SPDX-License-Identifier: MIT
import { NnJob, TpJob } from "../../../assembly/abi.ts";
import { jobTime } from "../../../cost/job-cost.ts";
import { tpCost } from "../../../cost/tp-cost.ts";
import { generationOf, type Chip } from "../../../hw/chips.ts";
import type { System } from "../../../hw/systems.ts";
import type { Tensor } from "../../../ir/graph.ts";
import { convLimit, type ConvGeometry } from "../../../legalise/conv-geometry.ts";
import type { TpProgram } from "../../jobs.ts";
import { convRecord, convWeights } from "../records.ts";
import { reshufflePrograms } from "../tp.ts";
import type { PlanSearch } from "./plan-search.ts";

/** The geometry that the cost model likes better, of the given one and the same window without its fold. */
export function chooseStrides(
  geometry: ConvGeometry,
  weight: Tensor,
  chip: Chip,
  system: System,
  search: PlanSearch,
): ConvGeometry {
  const { folded, stacked, dilationS, dilationF } = geometry;
  if (!folded || folded.x !== 2 || folded.y !== 2 || stacked) return geometry;
  if (!generationOf(chip).densePixelDropping || dilationS > 1 || dilationF > 1) return geometry;
  const plain: ConvGeometry = { ...geometry, folded: null, firstPixel: true };
  if (convLimit(plain, chip) !== null) return geometry;
  const fold = { from: geometry.in, ...folded, padTop: geometry.padTop, padLeft: geometry.padLeft };
  const programs = reshufflePrograms(fold, 0, chip.tpCores);
  const foldedMs =
    foldMs(programs, system) + nnMs(geometry, weight, chip, search) + system.overheadUs / 1e3;
  return nnMs(plain, weight, chip, search) < foldedMs ? plain : geometry;
}

/** Predicted time of the TP pass, without the overhead of starting it. */
function foldMs(programs: readonly TpProgram[], system: System): number {
  const cores = programs.map(({ record }) => {
    const side = (start: TpJob, end: TpJob): number => record[end]! - (record[start] ?? 0) + 1;
    const planes = record[TpJob.IN_Z_SIZE]!;
    const elements =
      side(TpJob.WINDOW_X_START, TpJob.WINDOW_X_END) *
      side(TpJob.WINDOW_Y_START, TpJob.WINDOW_Y_END) *
      planes;
    return {
      elements,
      read: record[TpJob.IN_X_SIZE]! * record[TpJob.IN_Y_SIZE]! * planes,
      table: 0,
    };
  });
  const { computeMs, memoryMs } = jobTime(tpCost(cores, system), system);
  return Math.max(computeMs, memoryMs);
}

/** Predicted time of the NN job; coefficients as if every weight of the kernel took a byte. */
function nnMs(geometry: ConvGeometry, weight: Tensor, chip: Chip, search: PlanSearch): number {
  const words = new Int32Array(NnJob.WORDS);
  const record = convRecord(chip, geometry, convWeights(geometry, weight));
  for (const [member, value] of Object.entries(record)) words[Number(member)] = value!;
  const bytes = 64 + weight.constant!.length + geometry.out.c * 8;
  words[NnJob.COEF_BYTES] = bytes;
  words[NnJob.COEF_CACHE_BYTES] = bytes;
  return search.best(words).busyMs;
}
