// CONCATENATION, SPLIT, RESHAPE, SQUEEZE, EXPAND_DIMS, PAD and PADV2: constraints and parameter blocks.
// SPDX-License-Identifier: MIT
import { CopyParam, PadParam } from "../../assembly/abi.ts";
import {
  elementBytes,
  elementCount,
  optionsOf,
  type Graph,
  type Op,
  type Tensor,
} from "../../ir/graph.ts";
import * as check from "./check.ts";
import type { Refusal } from "./check.ts";
import type { CpuOperator, KernelCall, PlanContext } from "./plan.ts";
import { rescaleTable } from "../../ir/fixed-point.ts";

const MAX_DIMENSIONS = 6;

export interface CopyBlocks {
  blocks: number;
  blockBytes: number;
  inputStride: number;
  outputStride: number;
  lookup?: number;
}

export function copyCall(
  { core }: PlanContext,
  inputPtr: number,
  outputPtr: number,
  { blocks, blockBytes, inputStride, outputStride, lookup = 0 }: CopyBlocks,
): KernelCall {
  const block = new Int32Array(CopyParam.WORDS);
  block[CopyParam.INPUT] = inputPtr;
  block[CopyParam.OUTPUT] = outputPtr;
  block[CopyParam.BLOCKS] = blocks;
  block[CopyParam.BLOCK_BYTES] = blockBytes;
  block[CopyParam.INPUT_STRIDE] = inputStride;
  block[CopyParam.OUTPUT_STRIDE] = outputStride;
  block[CopyParam.LOOKUP] = lookup;
  return { kernel: "runCopyBlocks", block: core.allocWords(block) };
}

/** Bytes from dimension `axis` inwards. */
export function bytesFrom(tensor: Tensor, axis: number): number {
  return elementCount(tensor.shape.slice(axis)) * elementBytes(tensor.type)!;
}

/** The shape without one dimension, for comparison. */
function shapeWithout(shape: readonly number[], axis: number): string {
  return shape.map((size, i) => (i === axis ? "*" : size)).join();
}

function hasSameQuantisation(a: Tensor, b: Tensor): boolean {
  return (
    a.quant?.scales[0] === b.quant?.scales[0] && a.quant?.zeroPoints[0] === b.quant?.zeroPoints[0]
  );
}

function checkConcatInput(input: Tensor, output: Tensor, axis: number): Refusal | null {
  const isQuantised = output.type === "uint8" || output.type === "int8";
  return check.firstRefusal(
    check.checkSameType(output, input),
    isQuantised && output.quant !== null ? check.checkQuantised(input) : null,
    () => {
      const canRescale = output.type === "uint8" && output.quant !== null;
      if (!isQuantised || canRescale || hasSameQuantisation(input, output)) return null;
      const reason = `${input.type} ${check.nameOf(input)} is quantised differently than the output`;
      return { constraint: "cpu-same-quantisation", reason };
    },
    () => {
      if (shapeWithout(input.shape, axis) === shapeWithout(output.shape, axis)) return null;
      const reason = `[${input.shape}] does not fit into [${output.shape}] along axis ${axis}`;
      return { constraint: "cpu-shape", reason };
    },
  );
}

/** CONCATENATION along any axis; uint8 inputs of another quantisation are rescaled, int8 ones refused, as in TFLite. */
export const concatenation: CpuOperator = {
  check(graph, op) {
    const options = optionsOf(op, "CONCATENATION");
    const refusal = check.checkOperands(graph, op, { required: op.inputs.length || 1, most: 4096 });
    if (refusal !== null) return refusal;
    const output = check.tensorAt(graph, op.outputs[0]);
    const inputs = op.inputs.map((id) => check.tensorAt(graph, id));
    if (options.activation !== "none")
      return { constraint: "cpu-activation", reason: `the activation is ${options.activation}` };
    const axis = check.resolveAxis(options.axis, output.shape.length);
    if (axis === null) return check.refuseAxis(options.axis, output.shape.length);
    return check.firstRefusal(
      check.checkCopyable(output),
      output.type === "uint8" && output.quant !== null ? check.checkQuantised(output) : null,
      ...inputs.map((input) => () => checkConcatInput(input, output, axis)),
      () => {
        const total = inputs.reduce((sum, input) => sum + input.shape[axis]!, 0);
        return check.checkShape(output, output.shape.with(axis, total));
      },
    );
  },

  plan(context, op) {
    const { core, graph, addressOf } = context;
    const output = check.tensorAt(graph, op.outputs[0]);
    const axis = check.resolveAxis(optionsOf(op, "CONCATENATION").axis, output.shape.length)!;
    const outputStride = bytesFrom(output, axis);
    let to = addressOf(output.id);
    return op.inputs.map((id) => {
      const input = check.tensorAt(graph, id);
      const blockBytes = bytesFrom(input, axis);
      const isRescaled = output.type === "uint8" && !hasSameQuantisation(input, output);
      const call = copyCall(context, addressOf(id), to, {
        blocks: elementCount(output.shape.slice(0, axis)),
        blockBytes,
        inputStride: blockBytes,
        outputStride,
        lookup: isRescaled ? core.allocCopy(rescaleTable(input, output)) : 0,
      });
      to += blockBytes;
      return call;
    });
  },
};

/** SPLIT into equal parts; inputs: constant axis, value. */
export const split: CpuOperator = {
  check(graph, op) {
    const refusal = check.checkOperands(graph, op, { required: 2, most: 2 }, null);
    if (refusal !== null) return refusal;
    const axisTensor = check.tensorAt(graph, op.inputs[0]);
    const input = check.tensorAt(graph, op.inputs[1]);
    const outputs = op.outputs.map((id) => check.tensorAt(graph, id));
    const early = check.firstRefusal(check.checkCopyable(input), () =>
      check.checkIntegers(axisTensor, 1),
    );
    if (early !== null) return early;
    const named = check.integersOf(axisTensor)[0]!;
    const axis = check.resolveAxis(named, input.shape.length);
    if (axis === null) return check.refuseAxis(named, input.shape.length);
    const size = input.shape[axis]! / outputs.length;
    if (!Number.isInteger(size))
      return {
        constraint: "cpu-shape",
        reason: `${input.shape[axis]} elements do not split into ${outputs.length} equal parts`,
      };
    return check.firstRefusal(
      check.checkSameType(input, ...outputs),
      ...outputs.map((output) => check.checkShape(output, input.shape.with(axis, size))),
    );
  },

  plan(context, op) {
    const { graph, addressOf } = context;
    const input = check.tensorAt(graph, op.inputs[1]);
    const named = check.integersOf(check.tensorAt(graph, op.inputs[0]))[0]!;
    const axis = check.resolveAxis(named, input.shape.length)!;
    const inputStride = bytesFrom(input, axis);
    const blockBytes = inputStride / op.outputs.length;
    const blocks = elementCount(input.shape.slice(0, axis));
    return op.outputs.map((id, i) => {
      const from = addressOf(input.id) + i * blockBytes;
      const shape = { blocks, blockBytes, inputStride, outputStride: blockBytes };
      return copyCall(context, from, addressOf(id), shape);
    });
  },
};

/** RESHAPE, SQUEEZE and EXPAND_DIMS: the output's declared shape counts; a copy. */
export const reshape: CpuOperator = {
  check(graph, op) {
    const refusal = check.checkOperands(graph, op, { required: 1, most: 2 });
    if (refusal !== null) return refusal;
    const input = check.tensorAt(graph, op.inputs[0]);
    const output = check.tensorAt(graph, op.outputs[0]);
    const rule = op.kind === "RESHAPE" ? null : check.checkRule(graph, op);
    return check.firstRefusal(
      rule,
      check.checkCopyable(input),
      check.checkSameType(input, output),
      () => {
        if (elementCount(input.shape) === elementCount(output.shape)) return null;
        const reason = `[${input.shape}] cannot become [${output.shape}]`;
        return { constraint: "cpu-shape", reason };
      },
    );
  },

  plan(context, op) {
    const input = check.tensorAt(context.graph, op.inputs[0]);
    const from = context.addressOf(input.id);
    const to = context.addressOf(op.outputs[0]!);
    const blockBytes = bytesFrom(input, 0);
    return [
      copyCall(context, from, to, { blocks: 1, blockBytes, inputStride: 0, outputStride: 0 }),
    ];
  },
};

/** Rows [before, after] of a paddings tensor. */
function paddingsOf(tensor: Tensor): Array<[number, number]> {
  const flat = check.integersOf(tensor);
  return Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i]!, flat[2 * i + 1]!]);
}

/** PAD and PADV2 of int8 and uint8; PAD fills with the output's zero point. */
export const pad: CpuOperator = {
  check(graph, op) {
    const inputs = op.kind === "PADV2" ? 3 : 2;
    const refusal = check.checkOperands(graph, op, { required: inputs, most: inputs });
    if (refusal !== null) return refusal;
    const [input, paddings] = op.inputs.map((id) => check.tensorAt(graph, id)) as [Tensor, Tensor];
    const output = check.tensorAt(graph, op.outputs[0]);
    return check.firstRefusal(
      check.checkQuantised(input),
      check.checkQuantised(output),
      check.checkSameType(input, output),
      check.checkRank(input, 1, MAX_DIMENSIONS),
      check.checkIntegers(paddings, 2 * input.shape.length),
      () => {
        const negative = paddingsOf(paddings)
          .flat()
          .find((size) => size < 0);
        if (negative === undefined) return null;
        return { constraint: "cpu-padding", reason: `a padding is ${negative}` };
      },
      () => {
        const sizes = paddingsOf(paddings).map(([a, b], i) => a + input.shape[i]! + b);
        return check.checkShape(output, sizes);
      },
      () => (op.kind === "PADV2" ? checkPadValue(graph, op, output) : null),
    );
  },

  plan({ core, graph, addressOf }, op) {
    const input = check.tensorAt(graph, op.inputs[0]);
    const output = check.tensorAt(graph, op.outputs[0]);
    const paddings = paddingsOf(check.tensorAt(graph, op.inputs[1]));
    const missing = MAX_DIMENSIONS - input.shape.length;
    const block = new Int32Array(PadParam.WORDS);
    block.fill(1, PadParam.INPUT_SIZES, PadParam.BEFORE);
    block.fill(1, PadParam.OUTPUT_SIZES);
    block[PadParam.INPUT] = addressOf(input.id);
    block[PadParam.OUTPUT] = addressOf(output.id);
    block[PadParam.VALUE] =
      op.kind === "PADV2"
        ? check.tensorAt(graph, op.inputs[2]).constant![0]!
        : output.quant!.zeroPoints[0]!;
    block.set(input.shape, PadParam.INPUT_SIZES + missing);
    block.set(
      paddings.map(([before]) => before),
      PadParam.BEFORE + missing,
    );
    block.set(output.shape, PadParam.OUTPUT_SIZES + missing);
    return [{ kernel: "runPad", block: core.allocWords(block) }];
  },
};

function checkPadValue(graph: Graph, op: Op, output: Tensor): Refusal | null {
  const value = check.tensorAt(graph, op.inputs[2]);
  return check.firstRefusal(check.checkSameType(output, value), check.checkConstant(value), () => {
    if (elementCount(value.shape) === 1 && hasSameQuantisation(value, output)) return null;
    const reason = `pad value ${check.nameOf(value)} is not one element quantised as the output`;
    return { constraint: "cpu-pad-value", reason };
  });
}
