// Functions a x + b of every value as NN jobs: requantisation, RELU, arithmetic with a constant.
// SPDX-License-Identifier: MIT
import { CoefOrder, NnJob, WeightSource } from "../../../assembly/abi.ts";
import type { Op, Tensor } from "../../../ir/graph.ts";
import { scalarArithmetic, type Linear } from "../../../legalise/arithmetic.ts";
import { addSides } from "../../../legalise/conv-geometry.ts";
import type { NnRecord } from "../../jobs.ts";
import { floatBits, scaleOf, storedWeights } from "../../lower-shared.ts";
import type { LoweringContext } from "../context.ts";
import { reluOf } from "../numerics.ts";
import { imageRecord } from "../records.ts";

/** QUANTIZE, RELU, RELU6. The order of the values does not matter, so the form that exists is used. */
export function lowerRescale(context: LoweringContext, op: Op): void {
  lowerLinear(context, op, op.inputs[0]!, { factor: 1, offset: 0 }, op.kind === "QUANTIZE" ? 0 : 1);
}

/** ADD, SUB and MUL with one constant number. */
export function lowerScalar(context: LoweringContext, op: Op): void {
  const { input, linear } = scalarArithmetic(context.graph, op)!;
  lowerLinear(context, op, input.id, linear, reluOf(op));
}

function lowerLinear(
  context: LoweringContext,
  op: Op,
  from: number,
  linear: Linear,
  relu: number,
): void {
  const output = op.outputs[0]!;
  const { node, planar } = context.formOf(from);
  const target = context.placement.add(context.bytes(output));
  const [input, result] = [context.tensor(from), context.tensor(output)];
  const job = { from: input, to: result, linear, values: context.bytes(output), relu };
  draftLinear(context, op, job, node, target);
  context.define(output, target, planar);
  context.publish(op);
}

interface LinearJob {
  from: Tensor;
  to: Tensor;
  linear: Linear;
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
  { from, to, linear, values, relu }: LinearJob,
  source: number,
  target: number,
): void {
  const [columns, rows] = addSides(values)!;
  const image = { s: rows, f: columns, c: 1 };
  const zero = linear.factor < 0 ? SIGNED_ZERO : 0;
  const weight = closestWeight(from, to, Math.abs(linear.factor), zero);
  const weightScale = Math.fround(Math.abs(linear.factor) / weight);
  const record: NnRecord = {
    ...imageRecord(context.chip, { in: image, out: image, kernelX: 2, kernelY: 2, doubled: 1 }),
    ...context.quantisation(from, to),
    [NnJob.WEIGHT_ZP]: zero,
    [NnJob.WEIGHT_SCALE]: floatBits(weightScale),
    [NnJob.STRIDE]: 1,
    [NnJob.ORDER]: CoefOrder.INTERLEAVED,
    [NnJob.SOURCE]: WeightSource.DENSE,
    [NnJob.DW_PLANES]: 1,
    [NnJob.DW_MULTIPLIER]: 1,
    [NnJob.COEF_PLANES]: 1,
    [NnJob.COEF_KERNELS]: 1,
    [NnJob.PAD_BYTE]: zero,
    [NnJob.RELU]: relu,
  };
  const first = linear.factor < 0 ? zero - weight : weight;
  context.nn(op, {
    op: "rescale",
    record,
    weights: storedWeights(Uint8Array.of(first, zero, zero, zero)),
    biases: Int32Array.of(Math.round(linear.offset / (scaleOf(from) * weightScale))),
    from: source,
    to: target,
  });
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
