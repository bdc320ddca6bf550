// CAST, QUANTIZE and DEQUANTIZE: constraints and parameter blocks.
// SPDX-License-Identifier: MIT
import { ConvertParam } from "../../assembly/abi-kernels.ts";
import { elementCount, type Graph, type Op, type Tensor } from "../../ir/graph.ts";
import * as check from "./check.ts";
import { CAST_TYPES, elementOfType, floatBits } from "./elements.ts";
import { elementOf, lookupCall } from "./lookup.ts";
import type { CpuOperator, PlanContext } from "./plan.ts";
import { quantiseMultiplier } from "../../ir/fixed-point.ts";

function tensorsOf(graph: Graph, op: Op): [Tensor, Tensor] {
  return [check.tensorAt(graph, op.inputs[0]), check.tensorAt(graph, op.outputs[0])];
}

function convertBlock({ addressOf }: PlanContext, input: Tensor, output: Tensor): Int32Array {
  const block = new Int32Array(ConvertParam.WORDS);
  block[ConvertParam.INPUT] = addressOf(input.id);
  block[ConvertParam.OUTPUT] = addressOf(output.id);
  block[ConvertParam.COUNT] = elementCount(input.shape);
  block[ConvertParam.FROM] = elementOfType(input.type);
  block[ConvertParam.TO] = elementOfType(output.type);
  return block;
}

/** CAST; the tensors' types count, not those of the options, which files leave out. */
export const cast: CpuOperator = {
  check(graph, op) {
    const refusal = check.checkOperands(graph, op, { required: 1, most: 1 });
    if (refusal !== null) return refusal;
    return check.firstRefusal(
      ...tensorsOf(graph, op).map((tensor) => check.checkType(tensor, CAST_TYPES)),
      check.checkRule(graph, op),
    );
  },

  plan(context, op) {
    const [input, output] = tensorsOf(context.graph, op);
    const block = convertBlock(context, input, output);
    return [{ kernel: "runCast", block: context.core.allocWords(block) }];
  },
};

/** Real factor from input steps to output steps. */
function rescaleFactor(input: Tensor, output: Tensor): number {
  return input.quant!.scales[0]! / output.quant!.scales[0]!;
}

/** Table from bytes to bytes of another scale, zero point or signedness. */
function requantiseTable({ core }: PlanContext, input: Tensor, output: Tensor): Uint8Array {
  const { multiplier, shift } = quantiseMultiplier(rescaleFactor(input, output));
  const low = output.type === "int8" ? -128 : 0;
  return Uint8Array.from({ length: 256 }, (_, byte) => {
    const steps = elementOf(input, byte) - input.quant!.zeroPoints[0]!;
    const scaled = core.invoke("requantise", steps, multiplier, shift);
    return Math.min(Math.max(scaled + output.quant!.zeroPoints[0]!, low), low + 255);
  });
}

/** QUANTIZE from float32, int8 or uint8 to int8 or uint8. */
export const quantize: CpuOperator = {
  check(graph, op) {
    const refusal = check.checkOperands(graph, op, { required: 1, most: 1 });
    if (refusal !== null) return refusal;
    const [input, output] = tensorsOf(graph, op);
    const early = check.firstRefusal(
      check.checkQuantised(output),
      check.checkShape(output, input.shape),
    );
    if (early !== null || input.type === "float32") return early;
    return check.firstRefusal(check.checkQuantised(input), () =>
      check.checkFactor(rescaleFactor(input, output)),
    );
  },

  plan(context, op) {
    const [input, output] = tensorsOf(context.graph, op);
    if (input.type !== "float32")
      return [lookupCall(context, input, output, requantiseTable(context, input, output))];
    const block = convertBlock(context, input, output);
    block[ConvertParam.SCALE] = floatBits(output.quant!.scales[0]!);
    block[ConvertParam.ZERO] = output.quant!.zeroPoints[0]!;
    return [{ kernel: "runQuantize", block: context.core.allocWords(block) }];
  },
};

/** The binary32 number behind each byte of an int8 or uint8 tensor. */
export function dequantiseTable(tensor: Tensor): Float32Array {
  const [scale, zero] = [tensor.quant!.scales[0]!, tensor.quant!.zeroPoints[0]!];
  return Float32Array.from({ length: 256 }, (_, byte) => scale * (elementOf(tensor, byte) - zero));
}

/** DEQUANTIZE from int8 or uint8 to float32. */
export const dequantize: CpuOperator = {
  check(graph, op) {
    const refusal = check.checkOperands(graph, op, { required: 1, most: 1 });
    if (refusal !== null) return refusal;
    const [input, output] = tensorsOf(graph, op);
    return check.firstRefusal(
      check.checkQuantised(input),
      check.checkType(output, ["float32"]),
      check.checkRule(graph, op),
    );
  },

  plan(context, op) {
    const [input, output] = tensorsOf(context.graph, op);
    const block = convertBlock(context, input, output);
    block[ConvertParam.TABLE] = context.core.allocCopy(
      new Uint8Array(dequantiseTable(input).buffer),
    );
    return [{ kernel: "runDequantize", block: context.core.allocWords(block) }];
  },
};
