// Element-wise functions of one byte are tables of 256 bytes: LOGISTIC and TANH as TFLite makes theirs.
// SPDX-License-Identifier: MIT
import { CopyParam } from "../../assembly/abi.ts";
import { elementCount, type Tensor } from "../../ir/graph.ts";
import * as check from "./check.ts";
import type { CpuOperator, KernelCall, PlanContext } from "./plan.ts";
import { roundHalfAway } from "../../ir/fixed-point.ts";

/** The number that a byte of an int8 or uint8 tensor stands for. */
export function elementOf(tensor: Tensor, byte: number): number {
  return tensor.type === "int8" ? (byte << 24) >> 24 : byte;
}

export function lookupCall(
  { core, addressOf }: PlanContext,
  input: Tensor,
  output: Tensor,
  table: Uint8Array,
): KernelCall {
  const block = new Int32Array(CopyParam.WORDS);
  block[CopyParam.INPUT] = addressOf(input.id);
  block[CopyParam.OUTPUT] = addressOf(output.id);
  block[CopyParam.BLOCKS] = 1;
  block[CopyParam.BLOCK_BYTES] = elementCount(input.shape);
  block[CopyParam.LOOKUP] = core.allocCopy(table);
  return { kernel: "runCopyBlocks", block: core.allocWords(block) };
}

/**
 * Table from the bytes of `input` to those of `output` for a real function; arithmetic in binary32 as in TFLite's
 * lookup tables.
 */
function lookupTable(
  input: Tensor,
  output: Tensor,
  transform: (value: number) => number,
): Uint8Array {
  const low = output.type === "int8" ? -128 : 0;
  const inverse = Math.fround(1 / output.quant!.scales[0]!);
  return Uint8Array.from({ length: 256 }, (_, byte) => {
    const steps = elementOf(input, byte) - input.quant!.zeroPoints[0]!;
    const real = Math.fround(input.quant!.scales[0]! * steps);
    const scaled = roundHalfAway(Math.fround(Math.fround(transform(real)) * inverse));
    return Math.min(Math.max(scaled + output.quant!.zeroPoints[0]!, low), low + 255);
  });
}

/** 1 / (1 + e^-x) with binary32 intermediates. */
function sigmoid(x: number): number {
  return 1 / Math.fround(1 + Math.fround(Math.exp(-x)));
}

/** LOGISTIC with TFLite's fixed output scale of 1/256, and TANH. */
export const sigmoidal: CpuOperator = {
  check(graph, op) {
    const refusal = check.checkOperands(graph, op, { required: 1, most: 1 });
    if (refusal !== null) return refusal;
    const input = check.tensorAt(graph, op.inputs[0]);
    const output = check.tensorAt(graph, op.outputs[0]);
    return check.firstRefusal(
      check.checkQuantised(input),
      check.checkQuantised(output),
      check.checkSameType(input, output),
      check.checkShape(output, input.shape),
      () => (op.kind === "LOGISTIC" ? check.checkFixedOutput(output) : null),
    );
  },

  plan(context, op) {
    const input = check.tensorAt(context.graph, op.inputs[0]);
    const output = check.tensorAt(context.graph, op.outputs[0]);
    const transform = op.kind === "LOGISTIC" ? sigmoid : Math.tanh;
    return [lookupCall(context, input, output, lookupTable(input, output, transform))];
  },
};
