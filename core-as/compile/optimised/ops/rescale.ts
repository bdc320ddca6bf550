// Functions a x + b of every value as NN jobs: requantisation, RELU, arithmetic with a constant.
// SPDX-License-Identifier: MIT
import { CoefOrder, NnJob, WeightSource } from "../../../assembly/abi.ts";
import type { Chip } from "../../../hw/chips.ts";
import type { Op, Tensor } from "../../../ir/graph.ts";
import {
  channelArithmetic,
  scalarArithmetic,
  type Linear,
  type ScalarArithmetic,
} from "../../../legalise/arithmetic.ts";
import { addSides } from "../../../legalise/conv-geometry.ts";
import type { NnRecord } from "../../jobs.ts";
import { floatBits, scaleOf, storedWeights, zp8 } from "../../lower-shared.ts";
import { arithmeticBytes, rescaledBytes, type ByteFunction } from "../byte-functions.ts";
import type { LoweringContext } from "../context.ts";
import { reluOf, tabledSteps } from "../numerics.ts";
import { fitOutputStage, stageLimits, stageRecord, type OutputStage } from "../output-stage.ts";
import { imageRecord } from "../records.ts";
import { lowerChannels } from "./channels.ts";

/** QUANTIZE and RELU. The order of the values does not matter, so the form that exists is used. */
export function lowerRescale(context: LoweringContext, op: Op): void {
  const [from, to] = [context.tensor(op.inputs[0]!), context.tensor(op.outputs[0]!)];
  lowerLinear(context, op, from, { factor: 1, offset: 0 }, rescaledBytes(op, from, to));
}

/** ADD, SUB and MUL with one constant number or one for each channel; false when both operands are computed. */
export function lowerWithConstants(context: LoweringContext, op: Op): boolean {
  const scalar = scalarArithmetic(context.graph, op);
  const channels = channelArithmetic(context.graph, op);
  if (scalar) lowerScalar(context, op, scalar);
  else if (channels) lowerChannels(context, op, channels);
  return scalar !== null || channels !== null;
}

function lowerScalar(
  context: LoweringContext,
  op: Op,
  { input, linear, constant }: ScalarArithmetic,
): void {
  const bytes = arithmeticBytes(context.graph, op, input, constant);
  lowerLinear(context, op, input, linear, bytes);
}

function lowerLinear(
  context: LoweringContext,
  op: Op,
  from: Tensor,
  linear: Linear,
  bytes: ByteFunction,
): void {
  const output = op.outputs[0]!;
  const { node, planar } = context.formOf(from.id);
  const target = context.placement.add(context.bytes(output));
  const to = context.tensor(output);
  const relu = op.kind === "RELU" ? 1 : reluOf(op);
  const job = { from, to, linear, bytes, values: context.bytes(output), relu };
  draftLinear(context, op, job, node, target);
  context.define(output, target, planar);
  context.publish(op);
}

interface LinearJob {
  from: Tensor;
  to: Tensor;
  linear: Linear;
  /** What TFLite makes of each byte. */
  bytes: ByteFunction;
  values: number;
  /** 1 = clamp at the output's zero point. */
  relu: number;
}

/** Zero point of weights that may be negative; the others have 0 and twice the range. */
const SIGNED_ZERO = 128;

/**
 * Drafts a job for all values of a tensor, seen as one plane: one kernel of 2x2 with only its first weight, as additions
 * have one for each operand.
 */
export function draftLinear(
  context: LoweringContext,
  op: Op,
  job: LinearJob,
  source: number,
  target: number,
): void {
  const { from, to, linear, relu } = job;
  const zero = linear.factor < 0 ? SIGNED_ZERO : 0;
  const weight = closestWeight(from, to, Math.abs(linear.factor), zero);
  const weightScale = Math.fround(Math.abs(linear.factor) / weight);
  const first = linear.factor < 0 ? zero - weight : weight;
  const bias = Math.round(linear.offset / (scaleOf(from) * weightScale));
  const stage = fitBytes(context, job, first - zero, bias);
  const record: NnRecord = {
    ...onePlaneRecord(context.chip, job.values, 1),
    ...context.quantisation(from, to),
    [NnJob.WEIGHT_ZP]: zero,
    [NnJob.WEIGHT_SCALE]: floatBits(weightScale),
    [NnJob.PAD_BYTE]: zero,
    ...stageRecord(stage, zp8(to), relu),
  };
  context.nn(op, {
    op: "rescale",
    record,
    weights: storedWeights(Uint8Array.of(first, zero, zero, zero)),
    biases: Int32Array.of(bias + (stage?.offset ?? 0)),
    from: source,
    to: target,
  });
}

/**
 * Members of a job that reads values as one plane and computes as many planes from it, each pixel from its own: kernels of 2x2
 * with only their first weight.
 * @param values for which addSides finds sides
 */
export function onePlaneRecord(chip: Chip, values: number, planes: number): NnRecord {
  const [columns, rows] = addSides(values)!;
  const image = { s: rows, f: columns, c: 1 };
  const out = { ...image, c: planes };
  return {
    ...imageRecord(chip, { in: image, out, kernelX: 2, kernelY: 2, doubled: 1 }),
    [NnJob.STRIDE]: 1,
    [NnJob.ORDER]: CoefOrder.INTERLEAVED,
    [NnJob.SOURCE]: WeightSource.DENSE,
    [NnJob.DW_PLANES]: 1,
    [NnJob.DW_MULTIPLIER]: 1,
    [NnJob.COEF_PLANES]: 1,
    [NnJob.COEF_KERNELS]: planes,
  };
}

/** The output stage nearest to TFLite's bytes for acc = weight (x - zx) + bias. */
function fitBytes(
  context: LoweringContext,
  { from, to, linear, bytes, relu }: LinearJob,
  weight: number,
  bias: number,
): OutputStage | null {
  const outputs = Array.from(bytes, (byte, x) => ({
    accumulator: weight * (x - zp8(from)) + bias,
    byte,
  }));
  const factor = (Math.abs(linear.factor / weight) * scaleOf(from)) / scaleOf(to);
  const lowest = relu === 1 ? zp8(to) : 0;
  const largest = 255 * 255 + Math.abs(bias);
  return fitOutputStage(
    tabledSteps(outputs, zp8(to), lowest, factor),
    stageLimits(context.chip, lowest, largest),
  );
}

const factorBits = new DataView(new ArrayBuffer(4));

/** The weight whose factor loses least where the multiplier has 16 bits (Q22). */
function closestWeight(from: Tensor, to: Tensor, factor: number, zero: number): number {
  const largest = zero === 0 ? 255 : 127;
  let best = largest;
  let least = Infinity;
  for (let weight = largest; 2 * weight > largest; weight--) {
    const product = Math.fround(scaleOf(from) * Math.fround(factor / weight));
    factorBits.setFloat32(0, Math.fround(product / scaleOf(to)));
    const lost = factorBits.getUint8(3);
    if (lost < least) [best, least] = [weight, lost];
  }
  return best;
}
