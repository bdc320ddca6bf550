// ARG_MAX, ARG_MIN, REDUCE_MAX, REDUCE_MIN and GATHER_ND: constraints and parameter blocks.
// SPDX-License-Identifier: MIT
import { ArgParam, GatherParam, ReduceParam } from "../../assembly/abi-kernels.ts";
import { elementBytes, elementCount, type Graph, type Op, type Tensor } from "../../ir/graph.ts";
import * as check from "./check.ts";
import { elementOfType, NUMERIC_TYPES } from "./elements.ts";
import type { CpuOperator } from "./plan.ts";

const MAX_DIMENSIONS = 6;

function tensorsOf(graph: Graph, op: Op): [Tensor, Tensor, Tensor] {
  return [
    check.tensorAt(graph, op.inputs[0]),
    check.tensorAt(graph, op.inputs[1]),
    check.tensorAt(graph, op.outputs[0]),
  ];
}

/** ARG_MAX and ARG_MIN along a constant axis. */
export const argExtreme: CpuOperator = {
  check(graph, op) {
    const refusal = check.checkOperands(graph, op, { required: 2, most: 2 });
    if (refusal !== null) return refusal;
    const [input, axis] = tensorsOf(graph, op);
    return check.firstRefusal(
      check.checkType(input, NUMERIC_TYPES),
      check.checkIntegers(axis, 1),
      () => check.checkRule(graph, op),
    );
  },

  plan({ core, graph, addressOf }, op) {
    const [input, axisTensor, output] = tensorsOf(graph, op);
    const axis = check.resolveAxis(check.integersOf(axisTensor)[0]!, input.shape.length)!;
    const block = new Int32Array(ArgParam.WORDS);
    block[ArgParam.INPUT] = addressOf(input.id);
    block[ArgParam.OUTPUT] = addressOf(output.id);
    block[ArgParam.OUTER] = elementCount(input.shape.slice(0, axis));
    block[ArgParam.AXIS] = input.shape[axis]!;
    block[ArgParam.INNER] = elementCount(input.shape.slice(axis + 1));
    block[ArgParam.ELEMENT] = elementOfType(input.type);
    block[ArgParam.WIDE] = output.type === "int64" ? 1 : 0;
    block[ArgParam.SMALLEST] = op.kind === "ARG_MIN" ? 1 : 0;
    return [{ kernel: "runArgExtreme", block: core.allocWords(block) }];
  },
};

/** REDUCE_MAX and REDUCE_MIN over constant axes; bytes are compared as they are, as TFLite does. */
export const reduceExtreme: CpuOperator = {
  check(graph, op) {
    const refusal = check.checkOperands(graph, op, { required: 2, most: 2 });
    if (refusal !== null) return refusal;
    const [input, axes] = tensorsOf(graph, op);
    return check.firstRefusal(
      check.checkType(input, NUMERIC_TYPES),
      check.checkRank(input, 0, MAX_DIMENSIONS),
      check.checkIntegers(axes, elementCount(axes.shape)),
      () => check.checkRule(graph, op),
    );
  },

  plan({ core, graph, addressOf }, op) {
    const [input, axes, output] = tensorsOf(graph, op);
    const named = check.integersOf(axes).map((a) => check.resolveAxis(a, input.shape.length));
    const kept = input.shape.map((size, i) => (named.includes(i) ? 1 : size));
    const strides = kept.map((_, i) => (named.includes(i) ? 0 : elementCount(kept.slice(i + 1))));
    const missing = MAX_DIMENSIONS - input.shape.length;
    const block = new Int32Array(ReduceParam.WORDS);
    block.fill(1, ReduceParam.INPUT_SIZES, ReduceParam.OUTPUT_STRIDES);
    block[ReduceParam.INPUT] = addressOf(input.id);
    block[ReduceParam.OUTPUT] = addressOf(output.id);
    block[ReduceParam.OUTPUT_ELEMENTS] = elementCount(output.shape);
    block[ReduceParam.ELEMENT] = elementOfType(input.type);
    block[ReduceParam.SMALLEST] = op.kind === "REDUCE_MIN" ? 1 : 0;
    block.set(input.shape, ReduceParam.INPUT_SIZES + missing);
    block.set(strides, ReduceParam.OUTPUT_STRIDES + missing);
    return [{ kernel: "runReduce", block: core.allocWords(block) }];
  },
};

/** GATHER_ND; the kernel checks indices that are computed. */
export const gatherNd: CpuOperator = {
  check(graph, op) {
    const refusal = check.checkOperands(graph, op, { required: 2, most: 2 });
    if (refusal !== null) return refusal;
    const [input, indices] = tensorsOf(graph, op);
    return check.firstRefusal(
      check.checkCopyable(input),
      check.checkType(indices, ["int32", "int64"]),
      check.checkRank(input, 1, 8),
      check.checkRule(graph, op),
    );
  },

  plan({ core, graph, addressOf }, op) {
    const [input, indices, output] = tensorsOf(graph, op);
    const depth = indices.shape.at(-1)!;
    const bytes = elementBytes(input.type)!;
    const sizes = input.shape.slice(0, depth);
    const block = new Int32Array(GatherParam.WORDS);
    block[GatherParam.INPUT] = addressOf(input.id);
    block[GatherParam.INDICES] = addressOf(indices.id);
    block[GatherParam.OUTPUT] = addressOf(output.id);
    block[GatherParam.COUNT] = elementCount(indices.shape.slice(0, -1));
    block[GatherParam.DEPTH] = depth;
    block[GatherParam.WIDE] = indices.type === "int64" ? 1 : 0;
    block[GatherParam.SLICE_BYTES] = elementCount(input.shape.slice(depth)) * bytes;
    block.set(sizes, GatherParam.SIZES);
    block.set(
      sizes.map((_, i) => elementCount(input.shape.slice(i + 1)) * bytes),
      GatherParam.STRIDES,
    );
    return [{ kernel: "runGatherNd", block: core.allocWords(block) }];
  },
};
