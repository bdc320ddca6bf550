// Convolutions and depthwise convolutions (spec/lowering.md 4).
// SPDX-License-Identifier: MIT
import { NnJob } from "../../../assembly/abi.ts";
import type { Op, Tensor } from "../../../ir/graph.ts";
import { convGeometry } from "../../../legalise/conv-geometry.ts";
import type { NnRecord, NnWork, WeightPlan } from "../../jobs.ts";
import { floatBits, scaleOf, zp8 } from "../../lower-shared.ts";
import type { LoweringContext } from "../context.ts";
import { biasesOf, factorOf, nudgeBiases, reluOf } from "../numerics.ts";
import { convRecord, convWeights } from "../records.ts";
import { reshufflePrograms } from "../tp.ts";

export function lowerConvolution(context: LoweringContext, op: Op): void {
  const geometry = convGeometry(context.graph, op, context.chip);
  const [input, weight] = op.inputs.map((id) => context.tensor(id)) as [Tensor, Tensor];
  let node = context.planarOf(op, input.id);
  const { folded } = geometry;
  if (folded) {
    const reshuffled = context.placement.add(geometry.in.c * 4 * folded.rows * folded.columns);
    const shape = {
      from: geometry.in,
      ...folded,
      padTop: geometry.padTop,
      padLeft: geometry.padLeft,
    };
    context.tp(
      "reshuffle",
      op.id,
      node,
      reshuffled,
      reshufflePrograms(shape, zp8(input), context.chip.tpCores),
    );
    node = reshuffled;
  }
  const weights = convWeights(geometry, weight);
  const record = convRecord(context.chip, geometry, weights);
  const pointwise = geometry.kS === 1 && geometry.kF === 1;
  draftConvolution(
    context,
    op,
    geometry.depthwise ? "dwconv" : pointwise ? "pwconv" : "conv",
    node,
    record,
    weights,
  );
}

/** Drafts the NN job of a convolution or fully connected layer and publishes its output. */
export function draftConvolution(
  context: LoweringContext,
  op: Op,
  name: NnWork["op"],
  from: number,
  shape: NnRecord,
  weights: WeightPlan,
): void {
  const [input, weight] = op.inputs.map((id) => context.tensor(id)) as [Tensor, Tensor];
  const output = context.tensor(op.outputs[0]!);
  const record: NnRecord = {
    ...shape,
    ...context.quantisation(input, output),
    [NnJob.WEIGHT_ZP]: zp8(weight),
    [NnJob.WEIGHT_SCALE]: floatBits(scaleOf(weight)),
    [NnJob.RELU]: reluOf(op),
  };
  const to = context.produce(output.id);
  const biases = biasesOf(context.graph, op, shape[NnJob.OUT_Z]!);
  if (record[NnJob.RELU] === 1) nudgeBiases(biases, factorOf(input, weight, output));
  context.nn(op, { op: name, record, weights, biases, from, to });
  context.publish(op);
}
