// The calibration's points: jobs of the compatible compilation, priced as each state of the reference driver had them.
// SPDX-License-Identifier: MIT
import { compile, type Core } from "../core-as/index.ts";
import {
  asDriverState,
  type CalibrationPoint,
  type PublishedTime,
} from "../core-as/cost/calibration.ts";
import { nnCost } from "../core-as/cost/nn-cost.ts";
import { chipByName } from "../core-as/hw/chips.ts";
import { systemOf } from "../core-as/hw/systems.ts";
import { jobBytesOf, nnShapeOf, priceJob } from "../core-as/inspect/price.ts";
import { corpusBytes } from "../test/helpers/corpus.ts";

/** Prices the jobs behind published times; needs the corpus. */
export async function calibrationPoints(
  core: Core,
  target: string,
  times: readonly PublishedTime[],
): Promise<CalibrationPoint[]> {
  const chip = chipByName(target)!;
  const system = systemOf(target);
  const points: CalibrationPoint[] = [];
  for (const published of times) {
    const model = corpusBytes("models", `${published.model}.tflite`);
    const options = { core, target, mode: "compatible", allowQuirks: true } as const;
    const { executable } = await compile(model, options);
    const costs = executable.partitions.flatMap(jobBytesOf).map((job) => {
      if (job.kind === "TP") return priceJob(job, chip, system);
      const shape = nnShapeOf(job.descriptor, job.coefficients, chip);
      return nnCost(asDriverState(shape, published.state, chip.vipSramBytes));
    });
    points.push({ published, costs });
  }
  return points;
}
