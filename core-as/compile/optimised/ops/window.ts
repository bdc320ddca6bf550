// The jobs of a sliding window: strides that TP cores fold or sample, and the NN job between them.
// SPDX-License-Identifier: MIT
import { NnJob } from "../../../assembly/abi.ts";
import { bytesOf } from "../../../ir/extent.ts";
import type { Op, Tensor } from "../../../ir/graph.ts";
import type { ConvGeometry, Stacking } from "../../../legalise/conv-geometry.ts";
import type { NnRecord, NnWork, WeightPlan } from "../../jobs.ts";
import { floatBits, scaleOf, zp8 } from "../../lower-shared.ts";
import type { LoweringContext } from "../context.ts";
import { foldNhwcJobs } from "../fold-nhwc.ts";
import { reluOf } from "../numerics.ts";
import { stageRecord, type OutputStage } from "../output-stage.ts";
import { convRecord, convWeights } from "../records.ts";
import { cropPrograms, reshufflePrograms, unstackProgram, type ReshuffleShape } from "../tp.ts";

/** An operator as a sliding window with weights; the weights need not be a tensor of the graph. */
export interface WindowJob {
  name: NnWork["op"];
  geometry: ConvGeometry;
  input: Tensor;
  weight: Tensor;
  output: Tensor;
  biases: Int32Array;
  /** Node of the planar input. */
  from: number;
  /** The input is in NHWC order instead; only with a fold. */
  fromNhwc?: boolean;
  /** A fitted output stage, whose offset the biases hold already. */
  stage: OutputStage | null;
  /** Jobs on groups of channels instead of one job, in the order of execution. */
  parts?: WindowParts;
}

/** How several NN jobs compute a window. */
export interface WindowParts {
  /** Drafts them. */
  draft(from: number, to: number): void;
}

/** Drafts the jobs of a sliding window and publishes its output. */
export function draftWindow(context: LoweringContext, op: Op, job: WindowJob): void {
  const { geometry, output } = job;
  const { sampled, stacked } = geometry;
  const from = inputOf(context, op, job);
  if (stacked || sampled?.at === "output") {
    const to = context.placement.add(bytesOf(geometry.out));
    draftNn(context, op, job, from, to);
    if (stacked) draftUnstacking(context, op, stacked, to, output);
    else context.alias(output.id, draftSampling(context, op, geometry, to, output));
  } else {
    draftNn(context, op, job, from, context.produce(output.id));
  }
  context.publish(op);
}

function draftNn(context: LoweringContext, op: Op, job: WindowJob, from: number, to: number): void {
  if (job.parts) return job.parts.draft(from, to);
  const { record, weights } = windowRecord(context, op, job);
  context.nn(op, { op: job.name, record, weights, biases: job.biases, from, to });
}

/** Record and weights of the NN job. */
export function windowRecord(
  context: LoweringContext,
  op: Op,
  { geometry, input, weight, output, stage }: WindowJob,
): { record: NnRecord; weights: WeightPlan } {
  const weights = convWeights(geometry, weight);
  const record = {
    ...convRecord(context.chip, geometry, weights),
    ...context.quantisation(input, output),
    [NnJob.WEIGHT_ZP]: zp8(weight),
    [NnJob.WEIGHT_SCALE]: floatBits(scaleOf(weight)),
    ...stageRecord(stage, zp8(output), reluOf(op)),
  };
  return { record, weights };
}

/** Node of the image that the NN job reads. */
export function inputOf(context: LoweringContext, op: Op, job: WindowJob): number {
  const { geometry, input, from } = job;
  if (geometry.stacked) return draftFold(context, op, job, geometry.stacked);
  const { in: image, folded, padTop, padLeft } = geometry;
  if (folded) return draftFold(context, op, job, { from: image, ...folded, padTop, padLeft });
  if (geometry.sampled?.at === "input") return draftSampling(context, op, geometry, from, input);
  return from;
}

/** Strides as planes, or dilation as a stack of images; padding comes with them. */
function draftFold(
  context: LoweringContext,
  op: Op,
  { input, from, fromNhwc }: WindowJob,
  shape: ReshuffleShape,
): number {
  const { x, y, rows, columns } = shape;
  const to = context.placement.add(shape.from.c * x * y * rows * columns);
  const [zp, cores] = [zp8(input), context.chip.tpCores];
  const jobs =
    fromNhwc === true ? foldNhwcJobs(shape, zp, cores) : [reshufflePrograms(shape, zp, cores)];
  for (const programs of jobs) context.tp("reshuffle", op.id, from, to, programs);
  return to;
}

/** Puts the images of a stack together, and cuts off what exceeds the output. */
function draftUnstacking(
  context: LoweringContext,
  op: Op,
  stack: Stacking,
  node: number,
  output: Tensor,
): void {
  const { to } = stack;
  const whole = { s: stack.y * stack.outRows, f: stack.x * stack.outColumns, c: to.c };
  const programs = [unstackProgram(stack, zp8(output))];
  if (whole.s === to.s && whole.f === to.f) {
    context.tp("reshuffle", op.id, node, context.produce(output.id), programs);
    return;
  }
  const all = context.placement.add(bytesOf(whole));
  context.tp("reshuffle", op.id, node, all, programs);
  const cut = cropPrograms(whole, to, zp8(output), context.chip.tpCores);
  context.tp("copy", op.id, all, context.produce(output.id), cut);
}

/** Keeps the first pixel of every stride: a fold whose first phase is the result. */
function draftSampling(
  context: LoweringContext,
  op: Op,
  geometry: ConvGeometry,
  node: number,
  tensor: Tensor,
): number {
  const { x, y, from } = geometry.sampled!;
  const rows = Math.ceil(from.s / y);
  const columns = Math.ceil(from.f / x);
  const kept = from.c * rows * columns;
  const all = context.placement.add(kept * x * y);
  const shape = { from, x, y, rows, columns, padTop: 0, padLeft: 0, phaseMajor: true };
  const programs = reshufflePrograms(shape, zp8(tensor), context.chip.tpCores);
  context.tp("reshuffle", op.id, node, all, programs);
  return context.placement.addPiece(kept, all, 0);
}
