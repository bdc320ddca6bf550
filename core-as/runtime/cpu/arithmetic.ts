// ADD and SUB of bytes, SOFTMAX: constraints, multipliers and parameter blocks.
// SPDX-License-Identifier: MIT
import { AddParam, SoftmaxParam } from "../../assembly/abi.ts";
import { broadcastShape } from "../../ir/broadcast.ts";
import {
  elementCount,
  optionsOf,
  type Activation,
  type Graph,
  type Op,
  type Tensor,
} from "../../ir/graph.ts";
import * as check from "./check.ts";
import type { CpuOperator } from "./plan.ts";
import { activationRange, quantiseMultiplier } from "../../ir/fixed-point.ts";

const MAX_DIMENSIONS = 6;
/** Extra bits that runAdd gives the operands. */
const ADD_LEFT_SHIFT = 20;

/** Sizes in front of `shape` filled up with 1. */
export function toSixDimensions(shape: readonly number[]): number[] {
  return [...Array<number>(MAX_DIMENSIONS - shape.length).fill(1), ...shape];
}

/** Elements between neighbours in each of six dimensions; 0 where the operand repeats. */
export function broadcastStrides(shape: readonly number[]): number[] {
  const sizes = toSixDimensions(shape);
  return sizes.map((size, i) => (size === 1 ? 0 : elementCount(sizes.slice(i + 1))));
}

/** Factors of both operands to the common scale, and from there to the output. */
function addFactors(a: Tensor, b: Tensor, output: Tensor): [number, number, number] {
  const [scaleA, scaleB] = [a.quant!.scales[0]!, b.quant!.scales[0]!];
  const common = 2 * Math.max(scaleA, scaleB);
  const toOutput = common / (2 ** ADD_LEFT_SHIFT * output.quant!.scales[0]!);
  return [scaleA / common, scaleB / common, toOutput];
}

function addTensors(graph: Graph, op: Op): [Tensor, Tensor, Tensor] {
  return [
    check.tensorAt(graph, op.inputs[0]),
    check.tensorAt(graph, op.inputs[1]),
    check.tensorAt(graph, op.outputs[0]),
  ];
}

/** ADD and SUB of bytes with broadcasting, up to six dimensions. */
export const addBytes: CpuOperator = {
  check(graph, op) {
    const refusal = check.checkOperands(graph, op, { required: 2, most: 2 });
    if (refusal !== null) return refusal;
    const [a, b, output] = addTensors(graph, op);
    return check.firstRefusal(
      check.checkActivation(String(op.options["activation"])),
      check.checkQuantised(a),
      check.checkQuantised(b),
      check.checkQuantised(output),
      check.checkSameType(a, b, output),
      check.checkRank(output, 0, MAX_DIMENSIONS),
      () => {
        const shape = broadcastShape(a.shape, b.shape);
        if (shape !== null) return check.checkShape(output, shape);
        const reason = `the shapes [${a.shape}] and [${b.shape}] do not fit each other`;
        return { constraint: "cpu-broadcast", reason };
      },
      () => {
        const factor = addFactors(a, b, output)[2];
        if (factor < 1) return null;
        const reason = `the sum is rescaled by ${factor}; TFLite takes factors below 1 only`;
        return { constraint: "cpu-scale", reason };
      },
    );
  },

  plan({ core, graph, addressOf }, op) {
    const [a, b, output] = addTensors(graph, op);
    const [fixedA, fixedB, fixedOutput] = addFactors(a, b, output).map(quantiseMultiplier) as [
      ReturnType<typeof quantiseMultiplier>,
      ReturnType<typeof quantiseMultiplier>,
      ReturnType<typeof quantiseMultiplier>,
    ];
    const { min, max } = activationRange(op.options["activation"] as Activation, output);
    const block = new Int32Array(AddParam.WORDS);
    block[AddParam.INPUT_1] = addressOf(a.id);
    block[AddParam.INPUT_2] = addressOf(b.id);
    block[AddParam.OUTPUT] = addressOf(output.id);
    block[AddParam.ZERO_1] = a.quant!.zeroPoints[0]!;
    block[AddParam.ZERO_2] = b.quant!.zeroPoints[0]!;
    block[AddParam.OUTPUT_ZERO] = output.quant!.zeroPoints[0]!;
    block[AddParam.MULTIPLIER_1] = fixedA.multiplier;
    block[AddParam.SHIFT_1] = fixedA.shift;
    block[AddParam.MULTIPLIER_2] = op.kind === "SUB" ? -fixedB.multiplier : fixedB.multiplier;
    block[AddParam.SHIFT_2] = fixedB.shift;
    block[AddParam.OUTPUT_MULTIPLIER] = fixedOutput.multiplier;
    block[AddParam.OUTPUT_SHIFT] = fixedOutput.shift;
    block[AddParam.CLAMP_MIN] = min;
    block[AddParam.CLAMP_MAX] = max;
    block[AddParam.SIGNED] = output.type === "int8" ? 1 : 0;
    block.set(toSixDimensions(output.shape), AddParam.SIZES);
    block.set(broadcastStrides(a.shape), AddParam.STRIDES_1);
    block.set(broadcastStrides(b.shape), AddParam.STRIDES_2);
    return [{ kernel: "runAdd", block: core.allocWords(block) }];
  },
};

/** Integer bits of the differences that runSoftmax works with. */
const DIFF_BITS = 5;
/** More equal maxima would overflow the sum of exponentials. */
const MAX_SOFTMAX_ROW = 4095;

/** Factor from input steps to Q5.26. */
function softmaxFactor(op: Op, input: Tensor): number {
  const { beta } = optionsOf(op, "SOFTMAX");
  return Math.min(beta * input.quant!.scales[0]! * 2 ** (31 - DIFF_BITS), 2 ** 31 - 1);
}

/** SOFTMAX over the innermost dimension, with TFLite's fixed output scale of 1/256. */
export const softmax: CpuOperator = {
  check(graph, op) {
    const refusal = check.checkOperands(graph, op, { required: 1, most: 1 });
    if (refusal !== null) return refusal;
    const input = check.tensorAt(graph, op.inputs[0]);
    const output = check.tensorAt(graph, op.outputs[0]);
    return check.firstRefusal(
      check.checkQuantised(input),
      check.checkQuantised(output),
      check.checkSameType(input, output),
      check.checkRank(input, 1, Infinity),
      check.checkShape(output, input.shape),
      () => check.checkFixedOutput(output),
      () => {
        const length = input.shape.at(-1)!;
        if (length >= 1 && length <= MAX_SOFTMAX_ROW) return null;
        const reason = `a row has ${length} elements, outside 1..${MAX_SOFTMAX_ROW}`;
        return { constraint: "cpu-softmax-row", reason };
      },
      () => {
        const factor = softmaxFactor(op, input);
        if (factor > 1 && factor < 2 ** 30) return null;
        const reason = `beta times the input scale gives the factor ${factor}, outside 1..2^30`;
        return { constraint: "cpu-scale", reason };
      },
    );
  },

  plan({ core, graph, addressOf }, op) {
    const input = check.tensorAt(graph, op.inputs[0]);
    const { multiplier, shift } = quantiseMultiplier(softmaxFactor(op, input));
    const rowLength = input.shape.at(-1)!;
    const block = new Int32Array(SoftmaxParam.WORDS);
    block[SoftmaxParam.INPUT] = addressOf(input.id);
    block[SoftmaxParam.OUTPUT] = addressOf(op.outputs[0]!);
    block[SoftmaxParam.ROWS] = elementCount(input.shape) / rowLength;
    block[SoftmaxParam.ROW_LENGTH] = rowLength;
    block[SoftmaxParam.MULTIPLIER] = multiplier;
    block[SoftmaxParam.LEFT_SHIFT] = shift;
    const largest = (2 ** DIFF_BITS - 1) * 2 ** (31 - DIFF_BITS);
    block[SoftmaxParam.DIFF_MIN] = -Math.floor(largest / 2 ** shift);
    block[SoftmaxParam.SIGNED] = input.type === "int8" ? 1 : 0;
    return [{ kernel: "runSoftmax", block: core.allocWords(block) }];
  },
};
