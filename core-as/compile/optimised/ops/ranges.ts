// Convolutions whose output stage cannot be TFLite's in one job: several jobs, each for a range of output steps, and their sum.
// SPDX-License-Identifier: MIT
import { NnJob } from "../../../assembly/abi.ts";
import { generationOf, type Chip } from "../../../hw/chips.ts";
import type { Op, Tensor } from "../../../ir/graph.ts";
import { addSides } from "../../../legalise/conv-geometry.ts";
import { largestFactor, zp8 } from "../../lower-shared.ts";
import type { LoweringContext } from "../context.ts";
import { requantisedSteps } from "../numerics.ts";
import { fitOutputStage, plainStage, stageLimits, stageRecord } from "../output-stage.ts";
import { fitRanges, type RangePlan } from "../ranges.ts";
import { sumParts } from "./addition.ts";
import { inputOf, windowRecord, type WindowJob } from "./window.ts";

/** A layer as its output stage sees it. */
export interface Requantised {
  /** Real factor from accumulator to output, as TFLite computes it. */
  factor: number;
  /** Smallest output byte. */
  lowest: number;
  /** Largest absolute value of an accumulator. */
  largest: number;
}

/**
 * Drafts the jobs of a layer's ranges and their sum, and publishes the output.
 * @returns false, with nothing drafted, when that is no better than one job or has no form
 */
export function draftRanges(
  context: LoweringContext,
  op: Op,
  job: WindowJob,
  layer: Requantised,
): boolean {
  const { geometry, output } = job;
  // What gets another form behind the NN job would have to get it once for each range.
  if (geometry.stacked || geometry.sampled?.at === "output") return false;
  const plan = rangesOf(context.chip, output, layer);
  const values = context.bytes(output.id);
  const shape = plan && sumView(values, plan.ranges.length, context.chip);
  if (!plan || !shape) return false;
  const all = context.placement.add(plan.ranges.length * values);
  const from = inputOf(context, op, job);
  for (const [k, { stage }] of plan.ranges.entries()) {
    const { record, weights } = windowRecord(context, op, job);
    context.nn(op, {
      op: job.name,
      // The range of a byte is what cuts off at both ends.
      record: { ...record, ...stageRecord(stage, stage.zeroPoint, 0) },
      weights,
      biases: job.biases.map((bias) => bias + stage.offset),
      from,
      to: context.placement.addPiece(values, all, k * values),
    });
  }
  draftSum(context, op, plan, { ...output, shape }, all);
  context.publish(op);
  return true;
}

/** The fewest ranges that are exact; without any, two halves of what has values on both sides of zero. */
function rangesOf(
  chip: Chip,
  output: Tensor,
  { factor, lowest, largest }: Requantised,
): RangePlan | null {
  const zeroPoint = zp8(output);
  const limits = stageLimits(chip, 0, largest);
  const steps = requantisedSteps(factor, zeroPoint, lowest);
  if (steps === null) return null;
  const exact = fitRanges(steps, limits);
  if (exact !== null || lowest >= zeroPoint || zeroPoint === 255) return exact;
  const ranges = ZERO_OF_HALF.map((zero) => {
    const half = requantisedSteps(factor, zero, 0)!;
    return { stage: fitOutputStage(half, limits) ?? plainStage(half, limits), weight: HALF_WEIGHT };
  });
  const offset = -HALF_WEIGHT * (ZERO_OF_HALF[0] + ZERO_OF_HALF[1]);
  return { ranges, sum: { factor: 1 / HALF_WEIGHT, offset, zeroPoint } };
}

/** Bytes that stand for zero in two halves: the end of the range beyond which each is cut off. */
const ZERO_OF_HALF = [0, 255] as const;
/** Weight of both halves in their sum, whose factor is exactly one over it. */
const HALF_WEIGHT = 128;

/** Output = weighted sum of the bytes of all ranges, which lie behind each other. */
function draftSum(
  context: LoweringContext,
  op: Op,
  { ranges, sum }: RangePlan,
  output: Tensor,
  from: number,
): void {
  const weights = ranges.map(({ weight }) => weight);
  const { record, weights: stored } = sumParts(context.chip, output, { sums: [weights], zero: 0 });
  const biases = new Int32Array(record[NnJob.COEF_KERNELS]!).fill(sum.offset);
  const to = context.produce(output.id);
  context.nn(op, {
    op: "add",
    record: { ...record, [NnJob.IN_ZP]: 0, ...stageRecord(sum, sum.zeroPoint, 0) },
    weights: stored,
    biases,
    from,
    to,
  });
}

const MAX_SIDE = 0x1fff;
/** Input planes of a sum over channels, at most: enough kernels for all cores, and few weights. */
const MAX_PLANES = 128;

/**
 * The order of the bytes does not matter to a sum, so it sees them as an image of few planes; null when none fits the chip.
 * @param count operands
 */
function sumView(values: number, count: number, chip: Chip): number[] | null {
  if (generationOf(chip).addition === "planes") return addSides(values) ? [1, 1, 1, values] : null;
  const planes = largestFactor(values, Math.floor(MAX_PLANES / count));
  const sides = addSides(values / planes);
  return sides && Math.max(...sides) <= MAX_SIDE ? [1, sides[1], sides[0], planes] : null;
}
