// Convolutions and depthwise convolutions (spec/lowering.md 4).
// SPDX-License-Identifier: MIT
import type { Op, Tensor } from "../../../ir/graph.ts";
import { convGeometry, isGrouped, type ConvGeometry } from "../../../legalise/conv-geometry.ts";
import { convolutionFactor } from "../../../ir/fixed-point.ts";
import type { NnWork } from "../../jobs.ts";
import { scaleOf, zp8 } from "../../lower-shared.ts";
import type { LoweringContext } from "../context.ts";
import { biasesOf, lowestOf, requantisedSteps } from "../numerics.ts";
import { fitOutputStage, plainStage, stageLimits } from "../output-stage.ts";
import { draftChannels, reorderKernels } from "../per-channel/draft.ts";
import { isExact } from "../ranges.ts";
import { draftRanges } from "./ranges.ts";
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
  if (draftChannels(context, op, name, from, geometry, fromNhwc)) return;
  const [input, stored] = op.inputs.map((id) => context.tensor(id)) as [Tensor, Tensor];
  const output = context.tensor(op.outputs[0]!);
  const unordered = { weight: stored, biases: biasesOf(context.graph, op, geometry.out.c) };
  const { weight, biases } = reorderKernels(context, op, unordered);
  const weights = isGrouped(context.graph, op) ? fillGroups(weight, geometry.in.c) : weight;
  const window = { name, geometry, input, weight: weights, output, biases, from, fromNhwc };
  const job = { ...window, stage: null };
  const lowest = lowestOf(op, output);
  const factor = convolutionFactor(op.kind, input, weight, scaleOf(weight), output);
  const largest = largestSum(geometry) + largestOf(biases);
  const limits = stageLimits(context.chip, lowest, largest);
  const steps = requantisedSteps(factor, zp8(output), lowest);
  let stage = steps && fitOutputStage(steps, limits);
  if (context.exactRounding && steps && factor < limits.maxFactor) {
    // What the cores make of the tensors' scales is not rounded to nearest.
    stage ??= plainStage(steps, limits);
    if (!isExact(steps, stage) && draftRanges(context, op, job, { factor, lowest, largest }))
      return;
  }
  if (stage !== null) biases.forEach((bias, i) => (biases[i] = bias + stage.offset));
  draftWindow(context, op, { ...window, stage });
}

/** Largest sum of products. */
const largestSum = ({ kS, kF, in: image, depthwise }: ConvGeometry): number =>
  kS * kF * (depthwise ? 1 : image.c) * 255 * 255;

/** Kernels that read a group of the channels, with weights of zero for all others. */
function fillGroups(weight: Tensor, channels: number): Tensor {
  const [kernels = 1, rows = 1, columns = 1, read = 1] = weight.shape;
  const zero = weight.quant!.zeroPoints[0]! & 0xff;
  const constant = new Uint8Array(kernels * rows * columns * channels).fill(zero);
  const kernelsPerGroup = (kernels * read) / channels;
  for (let tap = 0; tap < kernels * rows * columns; tap++) {
    const group = Math.floor(Math.floor(tap / (rows * columns)) / kernelsPerGroup);
    const stored = weight.constant!.subarray(tap * read, (tap + 1) * read);
    constant.set(stored, tap * channels + group * read);
  }
  return { ...weight, shape: [kernels, rows, columns, channels], constant };
}

const largestOf = (values: Int32Array): number =>
  values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
