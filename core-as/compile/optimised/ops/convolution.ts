// Convolutions and depthwise convolutions (spec/lowering.md 4).
// SPDX-License-Identifier: MIT
import type { Op, Tensor } from "../../../ir/graph.ts";
import { convGeometry, type ConvGeometry } from "../../../legalise/conv-geometry.ts";
import type { NnWork } from "../../jobs.ts";
import type { LoweringContext } from "../context.ts";
import { biasesOf, factorOf, nudgeBiases, reluOf } from "../numerics.ts";
import { draftWindow } from "./window.ts";

export function lowerConvolution(context: LoweringContext, op: Op): void {
  const merged = context.mergedPadding.get(op.id);
  const geometry = merged?.geometry ?? convGeometry(context.graph, op, context.chip);
  const image = merged?.pad.inputs[0] ?? op.inputs[0]!;
  const pointwise = geometry.kS === 1 && geometry.kF === 1;
  const name = geometry.depthwise ? "dwconv" : pointwise ? "pwconv" : "conv";
  const nhwc = context.nhwcForFold(op, image);
  const weight = context.tensor(op.inputs[1]!);
  const chosen = context.choices.strides(geometry, weight, nhwc !== null);
  if (nhwc !== null && chosen.folded !== null)
    return draftConvolution(context, op, name, nhwc, chosen, true);
  draftConvolution(context, op, name, context.planarOf(op, image), chosen);
}

/**
 * Drafts the jobs of a convolution or fully connected layer and publishes its output.
 * @param fromNhwc the image is in NHWC order, and a fold follows
 */
export function draftConvolution(
  context: LoweringContext,
  op: Op,
  name: NnWork["op"],
  from: number,
  geometry: ConvGeometry,
  fromNhwc = false,
): void {
  const [input, weight] = op.inputs.map((id) => context.tensor(id)) as [Tensor, Tensor];
  const output = context.tensor(op.outputs[0]!);
  const biases = biasesOf(context.graph, op, geometry.out.c);
  if (reluOf(op) === 1) nudgeBiases(biases, factorOf(input, weight, output));
  draftWindow(context, op, { name, geometry, input, weight, output, biases, from, fromNhwc });
}
