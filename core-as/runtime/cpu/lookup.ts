// LOGISTIC: an element-wise function of one byte, so a table of 256 bytes.
// SPDX-License-Identifier: MIT
import { CopyParam } from "../../assembly/abi.ts";
import { elementCount, type Tensor } from "../../ir/graph.ts";
import * as check from "./check.ts";
import type { CpuOperator } from "./plan.ts";
import { roundHalfAway } from "./quantise.ts";

/**
 * Table from the bytes of `input` to those of `output` for a real function; arithmetic in binary32 as in TFLite's
 * lookup tables.
 */
export function lookupTable(
  input: Tensor,
  output: Tensor,
  transform: (value: number) => number,
): Uint8Array {
  const isSigned = input.type === "int8";
  const low = output.type === "int8" ? -128 : 0;
  const inverse = Math.fround(1 / output.quant!.scales[0]!);
  return Uint8Array.from({ length: 256 }, (_, byte) => {
    const element = isSigned ? (byte << 24) >> 24 : byte;
    const real = Math.fround(input.quant!.scales[0]! * (element - input.quant!.zeroPoints[0]!));
    const scaled = roundHalfAway(Math.fround(Math.fround(transform(real)) * inverse));
    return Math.min(Math.max(scaled + output.quant!.zeroPoints[0]!, low), low + 255);
  });
}

/** 1 / (1 + e^-x) with binary32 intermediates. */
function sigmoid(x: number): number {
  return 1 / Math.fround(1 + Math.fround(Math.exp(-x)));
}

/** LOGISTIC with TFLite's fixed output scale of 1/256. */
export const logistic: CpuOperator = {
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
      () => check.checkFixedOutput(output),
    );
  },

  plan({ core, graph, addressOf }, op) {
    const input = check.tensorAt(graph, op.inputs[0]);
    const output = check.tensorAt(graph, op.outputs[0]);
    const block = new Int32Array(CopyParam.WORDS);
    block[CopyParam.INPUT] = addressOf(input.id);
    block[CopyParam.OUTPUT] = addressOf(output.id);
    block[CopyParam.BLOCKS] = 1;
    block[CopyParam.BLOCK_BYTES] = elementCount(input.shape);
    block[CopyParam.LOOKUP] = core.allocCopy(lookupTable(input, output, sigmoid));
    return [{ kernel: "runCopyBlocks", block: core.allocWords(block) }];
  },
};
