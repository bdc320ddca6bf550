// The jobs of a sliding window: strides that TP cores fold or sample, and the NN job between them.
// SPDX-License-Identifier: MIT
import { NnJob } from "../../../assembly/abi.ts";
import { bytesOf } from "../../../ir/extent.ts";
import type { Op, Tensor } from "../../../ir/graph.ts";
import type { ConvGeometry } from "../../../legalise/conv-geometry.ts";
import type { NnRecord, NnWork } from "../../jobs.ts";
import { floatBits, scaleOf, zp8 } from "../../lower-shared.ts";
import type { LoweringContext } from "../context.ts";
import { reluOf } from "../numerics.ts";
import { convRecord, convWeights } from "../records.ts";
import { reshufflePrograms } from "../tp.ts";

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
}

/** Drafts the jobs of a sliding window and publishes its output. */
export function draftWindow(context: LoweringContext, op: Op, job: WindowJob): void {
  const { geometry, input, weight, output } = job;
  const { sampled } = geometry;
  const weights = convWeights(geometry, weight);
  const record: NnRecord = {
    ...convRecord(context.chip, geometry, weights),
    ...context.quantisation(input, output),
    [NnJob.WEIGHT_ZP]: zp8(weight),
    [NnJob.WEIGHT_SCALE]: floatBits(scaleOf(weight)),
    [NnJob.RELU]: reluOf(op),
  };
  const { name, biases } = job;
  const from = inputOf(context, op, job);
  if (sampled?.at === "output") {
    const to = context.placement.add(bytesOf(geometry.out));
    context.nn(op, { op: name, record, weights, biases, from, to });
    context.alias(output.id, draftSampling(context, op, geometry, to, output));
  } else {
    const to = context.produce(output.id);
    context.nn(op, { op: name, record, weights, biases, from, to });
  }
  context.publish(op);
}

/** Node of the image that the NN job reads. */
function inputOf(context: LoweringContext, op: Op, job: WindowJob): number {
  const { geometry, input, from } = job;
  if (geometry.folded) return draftFold(context, op, job);
  if (geometry.sampled?.at === "input") return draftSampling(context, op, geometry, from, input);
  return from;
}

/** Strides as planes; padding comes with them. */
function draftFold(context: LoweringContext, op: Op, { geometry, input, from }: WindowJob): number {
  const { padTop, padLeft } = geometry;
  const fold = geometry.folded!;
  const to = context.placement.add(geometry.in.c * fold.x * fold.y * fold.rows * fold.columns);
  const shape = { from: geometry.in, ...fold, padTop, padLeft };
  const programs = reshufflePrograms(shape, zp8(input), context.chip.tpCores);
  context.tp("reshuffle", op.id, from, to, programs);
  return to;
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
