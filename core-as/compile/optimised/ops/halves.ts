// Convolutions without a ReLU in two halves. TFLite's second rounding moves the steps on both sides of zero towards it, which no
// single job can: so one job computes what is above zero, cut off below, another what is below zero, and a sum joins them.
// SPDX-License-Identifier: MIT
import { NnJob } from "../../../assembly/abi.ts";
import { generationOf, type Chip } from "../../../hw/chips.ts";
import type { Op, Tensor } from "../../../ir/graph.ts";
import { addSides } from "../../../legalise/conv-geometry.ts";
import type { NnRecord } from "../../jobs.ts";
import { largestFactor, zp8 } from "../../lower-shared.ts";
import type { LoweringContext } from "../context.ts";
import { requantisedSteps } from "../numerics.ts";
import { fitOutputStage, plainStage, stageLimits, stageRecord } from "../output-stage.ts";
import { addParts } from "./addition.ts";
import { inputOf, windowRecord, type WindowJob } from "./window.ts";

/** Whether a layer has values on both sides of zero, and its job a form that two halves of it can have. */
export function canHalve(
  context: LoweringContext,
  { geometry, output }: Pick<WindowJob, "geometry" | "output">,
  lowest: number,
): boolean {
  const zeroPoint = zp8(output);
  if (!context.exactRounding || lowest >= zeroPoint || zeroPoint === 255) return false;
  // What gets another form behind the NN job would have to get it twice.
  if (geometry.stacked || geometry.sampled?.at === "output") return false;
  return sumView(context.bytes(output.id), context.chip) !== null;
}

/** Bytes that stand for zero in the two halves: the end of the range beyond which each is cut off. */
const ZERO_OF_HALF = [0, 255] as const;

/**
 * Drafts the jobs of both halves and their sum, and publishes the output.
 * @param factor real factor from accumulator to output, as TFLite computes it
 * @param largest absolute value of an accumulator
 * @returns false, with nothing drafted, when the factor cannot be fitted
 */
export function draftHalves(
  context: LoweringContext,
  op: Op,
  job: WindowJob,
  factor: number,
  largest: number,
): boolean {
  const limits = stageLimits(context.chip, 0, largest);
  const steps = ZERO_OF_HALF.map((zero) => requantisedSteps(factor, zero, 0));
  if (steps.includes(null)) return false;
  const { output, name, biases } = job;
  const values = context.bytes(output.id);
  const pair = context.placement.add(2 * values);
  const from = inputOf(context, op, job);
  for (const [half, wanted] of steps.entries()) {
    const stage = fitOutputStage(wanted!, limits) ?? plainStage(wanted!, limits);
    const { record, weights } = windowRecord(context, op, job);
    context.nn(op, {
      op: name,
      // The range of the output is what cuts off.
      record: { ...record, ...stageRecord(stage, stage.zeroPoint, 0) },
      weights,
      biases: biases.map((bias) => bias + stage.offset),
      from,
      to: context.placement.addPiece(values, pair, half * values),
    });
  }
  draftSum(context, op, pair, output);
  context.publish(op);
  return true;
}

/** Weight of both operands of the sum; its factor is exactly one over it. */
const SUM_WEIGHT = 128;

/** Output = both halves, without the bytes that stand for zero in them. */
function draftSum(context: LoweringContext, op: Op, pair: number, output: Tensor): void {
  const shape = sumView(context.bytes(output.id), context.chip)!;
  const bytes: Tensor = {
    ...output,
    shape,
    type: "uint8",
    quant: { scales: Float32Array.of(1), zeroPoints: Int32Array.of(0), axis: 0 },
  };
  const weights = { w0: SUM_WEIGHT, addOff: SUM_WEIGHT, zero: 0, weightScale: 1 / SUM_WEIGHT };
  const parts = addParts(context.chip, weights, [bytes, bytes], bytes);
  const zeros = SUM_WEIGHT * (ZERO_OF_HALF[0] + ZERO_OF_HALF[1]);
  const stage = { factor: 1 / SUM_WEIGHT, offset: -zeros, zeroPoint: zp8(output) };
  const record: NnRecord = {
    ...parts.record,
    [NnJob.IN_ZP]: 0,
    ...stageRecord(stage, stage.zeroPoint, 0),
  };
  const biases = parts.biases.map((bias) => bias + stage.offset);
  const to = context.produce(output.id);
  context.nn(op, { op: "add", record, weights: parts.weights, biases, from: pair, to });
}

const MAX_SIDE = 0x1fff;
/** Planes of each operand, at most: enough for all cores, and few weights. */
const MAX_PLANES = 64;

/** The order of the bytes does not matter to a sum, so it sees them as an image of few planes; null when none fits the chip. */
function sumView(values: number, chip: Chip): number[] | null {
  if (generationOf(chip).addition === "planes") return addSides(values) ? [1, 1, 1, values] : null;
  const planes = largestFactor(values, MAX_PLANES);
  const sides = addSides(values / planes);
  return sides && Math.max(...sides) <= MAX_SIDE ? [1, sides[1], sides[0], planes] : null;
}
