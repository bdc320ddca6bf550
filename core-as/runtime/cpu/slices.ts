// Operators that read the input in another order: SLICE, STRIDED_SLICE, TRANSPOSE, SPACE_TO_DEPTH, DEPTH_TO_SPACE.
// SPDX-License-Identifier: MIT
import { StridedParam } from "../../assembly/abi-kernels.ts";
import {
  elementBytes,
  elementCount,
  optionsOf,
  type Graph,
  type Op,
  type Tensor,
} from "../../ir/graph.ts";
import { resolveSlice, resolveStridedSlice, type Slice } from "../../ir/shapes-slice.ts";
import * as check from "./check.ts";
import type { Refusal } from "./check.ts";
import type { CpuOperator, KernelCall, PlanContext } from "./plan.ts";

const MAX_DIMENSIONS = 6;

/** A walk over the input in the order of the output, in elements. */
interface Walk {
  /** First element. */
  start: number;
  /** Sizes and strides, outermost first. */
  sizes: number[];
  strides: number[];
}

/** Elements between neighbours in each dimension of a dense tensor. */
function denseStrides(shape: readonly number[]): number[] {
  return shape.map((_, i) => elementCount(shape.slice(i + 1)));
}

/** Joins dimensions that are walked without a gap, so that units become large and dimensions few. */
function joinDimensions({ start, sizes, strides }: Walk): Walk {
  const joined: Walk = { start, sizes: [], strides: [] };
  for (const [i, size] of sizes.entries()) {
    if (size === 1) continue;
    const last = joined.sizes.length - 1;
    if (last >= 0 && joined.strides[last] === size * strides[i]!) {
      joined.sizes[last]! *= size;
      joined.strides[last] = strides[i]!;
    } else {
      joined.sizes.push(size);
      joined.strides.push(strides[i]!);
    }
  }
  return joined;
}

function stridedCall(
  { core, addressOf }: PlanContext,
  input: Tensor,
  output: Tensor,
  walk: Walk,
): KernelCall {
  const { start, sizes, strides } = joinDimensions(walk);
  const bytes = elementBytes(input.type)!;
  const isDense = strides.at(-1) === 1;
  const unit = isDense ? sizes.pop()! : 1;
  if (isDense) strides.pop();
  const missing = MAX_DIMENSIONS - sizes.length;
  const block = new Int32Array(StridedParam.WORDS);
  block[StridedParam.INPUT] = addressOf(input.id) + start * bytes;
  block[StridedParam.OUTPUT] = addressOf(output.id);
  block[StridedParam.UNIT_BYTES] = unit * bytes;
  block.fill(1, StridedParam.SIZES, StridedParam.STRIDES);
  block.set(sizes, StridedParam.SIZES + missing);
  block.set(
    strides.map((stride) => stride * bytes),
    StridedParam.STRIDES + missing,
  );
  return { kernel: "runStridedCopy", block: core.allocWords(block) };
}

function tensorsOf(graph: Graph, op: Op): [Tensor, Tensor] {
  return [check.tensorAt(graph, op.inputs[0]), check.tensorAt(graph, op.outputs[0])];
}

/** Number of inputs, the operator's rule, ranks; further inputs are constant integers. */
function checkMove(graph: Graph, op: Op, inputs: number, rank: number): Refusal | null {
  const refusal = check.checkOperands(graph, op, { required: inputs, most: inputs });
  if (refusal !== null) return refusal;
  const [input] = tensorsOf(graph, op);
  const further = op.inputs.slice(1).map((id) => check.tensorAt(graph, id));
  return check.firstRefusal(
    check.checkCopyable(input),
    check.checkRank(input, 0, rank),
    ...further.map((tensor) => check.checkIntegers(tensor, elementCount(tensor.shape))),
    () => check.checkRule(graph, op),
  );
}

function sliceOf(graph: Graph, op: Op): Slice | string | null {
  const operands = op.inputs.map((id) => check.tensorAt(graph, id));
  return op.kind === "SLICE"
    ? resolveSlice(operands[0]!, operands[1]!, operands[2]!)
    : resolveStridedSlice(op, operands);
}

/** SLICE and STRIDED_SLICE with constant bounds; dimensions cannot be inserted. */
export const slice: CpuOperator = {
  check(graph, op) {
    return check.firstRefusal(
      checkMove(graph, op, op.kind === "SLICE" ? 3 : 4, MAX_DIMENSIONS),
      () => {
        const resolved = sliceOf(graph, op);
        if (resolved !== null && typeof resolved !== "string") return null;
        const reason = resolved ?? "ellipsisMask and newAxisMask are not supported";
        return { constraint: "cpu-slice", reason };
      },
    );
  },

  plan(context, op) {
    const [input, output] = tensorsOf(context.graph, op);
    const { start, step, count } = sliceOf(context.graph, op) as Slice;
    const dense = denseStrides(input.shape);
    const walk: Walk = {
      start: start.reduce((sum, first, i) => sum + first * dense[i]!, 0),
      sizes: count,
      strides: dense.map((stride, i) => stride * step[i]!),
    };
    return [stridedCall(context, input, output, walk)];
  },
};

/** TRANSPOSE with a constant order. */
export const transpose: CpuOperator = {
  check: (graph, op) => checkMove(graph, op, 2, MAX_DIMENSIONS),

  plan(context, op) {
    const [input, output] = tensorsOf(context.graph, op);
    const order = check.integersOf(check.tensorAt(context.graph, op.inputs[1]));
    const dense = denseStrides(input.shape);
    const strides = order.map((dimension) => dense[dimension]!);
    return [stridedCall(context, input, output, { start: 0, sizes: output.shape, strides })];
  },
};

/** SPACE_TO_DEPTH: [n, h, by, w, bx, c] becomes [n, h, w, by, bx, c]. */
export const spaceToDepth: CpuOperator = {
  check: (graph, op) => checkMove(graph, op, 1, 4),

  plan(context, op) {
    const [input, output] = tensorsOf(context.graph, op);
    const { blockSize } = optionsOf(op, "SPACE_TO_DEPTH");
    const [n, h, w] = output.shape as [number, number, number, number];
    const channels = input.shape[3]!;
    const dense = denseStrides([n, h, blockSize, w, blockSize, channels]);
    const pick = (values: number[]): number[] => [0, 1, 3, 2, 4, 5].map((i) => values[i]!);
    const sizes = pick([n, h, blockSize, w, blockSize, channels]);
    return [stridedCall(context, input, output, { start: 0, sizes, strides: pick(dense) })];
  },
};

/** DEPTH_TO_SPACE: [n, h, w, by, bx, c] becomes [n, h, by, w, bx, c]. */
export const depthToSpace: CpuOperator = {
  check: (graph, op) => checkMove(graph, op, 1, 4),

  plan(context, op) {
    const [input, output] = tensorsOf(context.graph, op);
    const { blockSize } = optionsOf(op, "DEPTH_TO_SPACE");
    const [n, h, w] = input.shape as [number, number, number, number];
    const channels = output.shape[3]!;
    const dense = denseStrides([n, h, w, blockSize, blockSize, channels]);
    const pick = (values: number[]): number[] => [0, 1, 3, 2, 4, 5].map((i) => values[i]!);
    const sizes = pick([n, h, w, blockSize, blockSize, channels]);
    return [stridedCall(context, input, output, { start: 0, sizes, strides: pick(dense) })];
  },
};
