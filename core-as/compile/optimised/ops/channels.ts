// Arithmetic with a constant for each channel, as depthwise convolutions of one tap: products have the constants as weights,
// sums have them as biases.
// SPDX-License-Identifier: MIT
import { productFactor } from "../../../ir/fixed-point.ts";
import type { Op, Tensor } from "../../../ir/graph.ts";
import { channelGeometry, type ChannelArithmetic } from "../../../legalise/arithmetic.ts";
import { generationOf } from "../../../hw/chips.ts";
import { scaleOf, zp8 } from "../../lower-shared.ts";
import { sumBytes, type ByteFunction } from "../byte-functions.ts";
import type { LoweringContext } from "../context.ts";
import { lowestOf, requantisedSteps } from "../numerics.ts";
import {
  encodable,
  fitOutputStage,
  levelStarts,
  stageLimits,
  type OutputStage,
} from "../output-stage.ts";
import { draftWindow } from "./window.ts";

/** ADD, SUB and MUL with a constant for each channel. */
export function lowerChannels(context: LoweringContext, op: Op, found: ChannelArithmetic): void {
  const { input, constant } = found;
  const output = context.tensor(op.outputs[0]!);
  const job = op.kind === "MUL" ? products(context, op, found) : sums(context, op, found);
  draftWindow(context, op, {
    ...job,
    name: "dwconv",
    geometry: channelGeometry(context.extent(output.id), context.chip),
    input,
    weight: { ...job.weight, shape: [1, 1, 1, constant.constant!.length] },
    output,
    from: context.planarOf(op, input.id),
  });
}

interface Parts {
  weight: Tensor;
  biases: Int32Array;
  stage: OutputStage | null;
}

/** acc = (x - zx) (c - zc): the constants are the weights of a convolution. */
function products(context: LoweringContext, op: Op, { input, constant }: ChannelArithmetic): Parts {
  const output = context.tensor(op.outputs[0]!);
  const lowest = lowestOf(op, output);
  const steps = requantisedSteps(productFactor(input, constant, output), zp8(output), lowest);
  const stage = steps && fitOutputStage(steps, stageLimits(context.chip, lowest, 255 * 255));
  const biases = new Int32Array(constant.constant!.length).fill(stage?.offset ?? 0);
  return { weight: constant, biases, stage };
}

/** Zero point of weights that may be negative. */
const SIGNED_ZERO = 128;

/** acc = w (x - zx) + bias: every weight is the same, every bias as near to TFLite's sums as it gets. */
function sums(
  context: LoweringContext,
  op: Op,
  { input, constant, isSecond }: ChannelArithmetic,
): Parts {
  const output = context.tensor(op.outputs[0]!);
  const isNegated = op.kind === "SUB" && !isSecond;
  const zero = isNegated ? SIGNED_ZERO : 0;
  const size = isNegated ? SIGNED_ZERO - 1 : 255;
  const weight = isNegated ? -size : size;
  const stage: OutputStage = {
    factor: encodable(
      scaleOf(input) / scaleOf(output) / size,
      generationOf(context.chip).multiplierBits,
    ),
    offset: 0,
    zeroPoint: zp8(output),
  };
  const starts = levelStarts(stage, lowestOf(op, output));
  const bytesOf = sumBytes(context.graph, op, input);
  const ratio =
    (size * scaleOf(constant) * (op.kind === "SUB" && isSecond ? -1 : 1)) / scaleOf(input);
  const signed = constant.type === "int8" ? 0x80 : 0;
  const known = new Map<number, number>();
  const biasOf = (byte: number): number => {
    const stored = byte ^ signed;
    const bias =
      known.get(stored) ??
      nearestBias(
        bytesOf(stored),
        (x) => weight * (x - zp8(input)),
        { starts, lowest: lowestOf(op, output) },
        Math.round(ratio * (stored - zp8(constant))),
      );
    known.set(stored, bias);
    return bias;
  };
  return {
    weight: equalWeights(zero + weight, zero, constant.constant!.length, 1 / size),
    biases: Int32Array.from(constant.constant!, biasOf),
    stage,
  };
}

/** The bias with which most bytes become TFLite's: the middle of those that suit all, else the plain one. */
function nearestBias(
  bytes: ByteFunction,
  accumulatorOf: (x: number) => number,
  { starts, lowest }: { starts: Float64Array; lowest: number },
  plain: number,
): number {
  let [least, most] = [-Infinity, Infinity];
  bytes.forEach((byte, x) => {
    const step = byte - lowest;
    // At least the start of the byte's own step, and below that of the next one.
    if (step > 0) least = Math.max(least, starts[step - 1]! - accumulatorOf(x));
    if (step < starts.length) most = Math.min(most, starts[step]! - 1 - accumulatorOf(x));
  });
  if (least > most) return plain;
  if (least === -Infinity || most === Infinity) return Math.min(Math.max(plain, least), most);
  return Math.floor((least + most) / 2);
}

/** Weights that no tensor of the graph holds. */
export function equalWeights(byte: number, zero: number, bytes: number, scale: number): Tensor {
  return {
    id: -1,
    name: "equal weights",
    type: "uint8",
    shape: [bytes],
    quant: { scales: Float32Array.of(scale), zeroPoints: Int32Array.of(zero), axis: 0 },
    constant: new Uint8Array(bytes).fill(byte),
  };
}
