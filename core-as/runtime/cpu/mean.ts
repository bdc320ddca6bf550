// MEAN: constraints, multiplier and parameter block.
// SPDX-License-Identifier: MIT
import { MeanParam } from "../../assembly/abi.ts";
import { elementCount, optionsOf, type Graph, type Op, type Tensor } from "../../ir/graph.ts";
import * as check from "./check.ts";
import type { CpuOperator } from "./plan.ts";
import { meanMultiplier } from "../../ir/fixed-point.ts";

const MAX_DIMENSIONS = 6;
/** Sums of so many bytes, with zero points removed, fit 32 bits. */
const MAX_COUNT = 2 ** 22 - 1;

/** Dimensions that are averaged over; null when an axis does not exist. */
function reducedDimensions(input: Tensor, axes: Tensor): Set<number> | null {
  const resolved = check.integersOf(axes).map((a) => check.resolveAxis(a, input.shape.length));
  return resolved.includes(null) ? null : new Set(resolved as number[]);
}

function tensorsOf(graph: Graph, op: Op): [Tensor, Tensor, Tensor] {
  return [
    check.tensorAt(graph, op.inputs[0]),
    check.tensorAt(graph, op.inputs[1]),
    check.tensorAt(graph, op.outputs[0]),
  ];
}

/** Input elements that make up one output element. */
function countOf(input: Tensor, reduced: Set<number>): number {
  return elementCount(input.shape.filter((_, i) => reduced.has(i)));
}

/** MEAN of int8 and uint8 over constant axes. */
export const mean: CpuOperator = {
  check(graph, op) {
    const refusal = check.checkOperands(graph, op, { required: 2, most: 2 });
    if (refusal !== null) return refusal;
    const [input, axes, output] = tensorsOf(graph, op);
    const early = check.firstRefusal(
      check.checkQuantised(input),
      check.checkQuantised(output),
      check.checkSameType(input, output),
      check.checkRank(input, 1, MAX_DIMENSIONS),
      check.checkIntegers(axes, elementCount(axes.shape)),
    );
    if (early !== null) return early;
    const reduced = reducedDimensions(input, axes);
    if (reduced === null)
      return {
        constraint: "cpu-axis",
        reason: `axes [${check.integersOf(axes)}] of ${input.shape.length} dimensions`,
      };
    const { keepDims } = optionsOf(op, "MEAN");
    const kept = input.shape.map((size, i) => (reduced.has(i) ? 1 : size));
    const shape = keepDims ? kept : kept.filter((_, i) => !reduced.has(i));
    const count = countOf(input, reduced);
    return check.firstRefusal(
      check.checkShape(output, shape),
      check.checkFactor(input.quant!.scales[0]! / output.quant!.scales[0]!),
      () => {
        if (count >= 1 && count <= MAX_COUNT) return null;
        const reason = `a mean is taken of ${count} elements, outside 1..${MAX_COUNT}`;
        return { constraint: "cpu-mean-count", reason };
      },
    );
  },

  plan({ core, graph, addressOf }, op) {
    const [input, axes, output] = tensorsOf(graph, op);
    const reduced = reducedDimensions(input, axes)!;
    const count = countOf(input, reduced);
    const { multiplier, shift } = meanMultiplier(input, output, count);
    const missing = MAX_DIMENSIONS - input.shape.length;
    const kept = input.shape.map((size, i) => (reduced.has(i) ? 1 : size));
    const strides = kept.map((_, i) => (reduced.has(i) ? 0 : elementCount(kept.slice(i + 1))));

    const block = new Int32Array(MeanParam.WORDS);
    block.fill(1, MeanParam.INPUT_SIZES, MeanParam.OUTPUT_STRIDES);
    block[MeanParam.INPUT] = addressOf(input.id);
    block[MeanParam.OUTPUT] = addressOf(output.id);
    block[MeanParam.OUTPUT_ELEMENTS] = elementCount(output.shape);
    block[MeanParam.COUNT] = count;
    block[MeanParam.INPUT_ZERO] = input.quant!.zeroPoints[0]!;
    block[MeanParam.OUTPUT_ZERO] = output.quant!.zeroPoints[0]!;
    block[MeanParam.MULTIPLIER] = multiplier;
    block[MeanParam.SHIFT] = shift;
    block[MeanParam.SIGNED] = input.type === "int8" ? 1 : 0;
    block.set(input.shape, MeanParam.INPUT_SIZES + missing);
    block.set(strides, MeanParam.OUTPUT_STRIDES + missing);
    return [{ kernel: "runMean", block: core.allocWords(block) }];
  },
};
