// Functions of one element: RELU and its kin, HARD_SWISH, ABS, NEG, SQRT. Those of bytes are tables.
// SPDX-License-Identifier: MIT
import { UnaryOperation, UnaryParam } from "../../assembly/abi-kernels.ts";
import type { Core } from "../../core.ts";
import {
  elementCount,
  type Activation,
  type ElementType,
  type Graph,
  type Op,
  type Tensor,
} from "../../ir/graph.ts";
import * as check from "./check.ts";
import type { Refusal } from "./check.ts";
import { elementOfType, floatBits, isByte } from "./elements.ts";
import { hardSwishExponent, hardSwishOf, reluishFactor } from "./hard-swish.ts";
import { elementOf, lookupCall } from "./lookup.ts";
import type { CpuOperator } from "./plan.ts";
import { activationRange, quantiseMultiplier } from "../../ir/fixed-point.ts";

const RELUS: Readonly<Record<string, { activation: Activation; low: number; high: number }>> = {
  RELU: { activation: "relu", low: 0, high: Infinity },
  RELU6: { activation: "relu6", low: 0, high: 6 },
  RELU_N1_TO_1: { activation: "relu_n1_to_1", low: -1, high: 1 },
};

const TYPES: Readonly<Record<string, readonly ElementType[]>> = {
  ABS: ["float32", "int32", "int8"],
  HARD_SWISH: ["uint8", "int8"],
  LEAKY_RELU: ["float32", "uint8", "int8"],
  NEG: ["float32", "int32"],
  RELU: ["float32", "uint8", "int8"],
  RELU6: ["float32", "uint8", "int8"],
  RELU_N1_TO_1: ["float32", "uint8", "int8"],
  SQRT: ["float32"],
};

function tensorsOf(graph: Graph, op: Op): [Tensor, Tensor] {
  return [check.tensorAt(graph, op.inputs[0]), check.tensorAt(graph, op.outputs[0])];
}

/** Real factors of positive and of negative values; TFLite computes them in binary32. */
function factorsOf(op: Op, input: Tensor, output: Tensor): [number, number] {
  const [from, to] = [input.quant!.scales[0]!, output.quant!.scales[0]!];
  const alpha = op.kind === "LEAKY_RELU" ? (op.options["alpha"] as number) : 1;
  return [Math.fround(from / to), Math.fround(Math.fround(from * alpha) / to)];
}

function checkBytes(op: Op, input: Tensor, output: Tensor): Refusal | null {
  return check.firstRefusal(
    check.checkQuantised(input),
    check.checkQuantised(output),
    () => check.checkFactor(Math.max(...factorsOf(op, input, output))),
    () => (op.kind === "HARD_SWISH" ? check.checkFactor(reluishFactor(input)) : null),
    () => {
      if (op.kind !== "HARD_SWISH" || hardSwishExponent(input, output) <= 0) return null;
      const reason = "the output scale is below 1/128 of the input scale";
      return { constraint: "cpu-scale", reason };
    },
  );
}

/** What one byte becomes, without the output's zero point and not clamped; `value` is without its own zero point. */
function byteFunction(
  core: Core,
  op: Op,
  input: Tensor,
  output: Tensor,
): (value: number) => number {
  if (op.kind === "HARD_SWISH") return hardSwishOf(input, output);
  const [positive, negative] = factorsOf(op, input, output).map(quantiseMultiplier) as [
    ReturnType<typeof quantiseMultiplier>,
    ReturnType<typeof quantiseMultiplier>,
  ];
  const rescale = (value: number): number => {
    const { multiplier, shift } = value < 0 ? negative : positive;
    return core.invoke("requantise", value, multiplier, shift);
  };
  if (op.kind !== "ABS") return rescale;
  const isSame = input.quant!.scales[0] === output.quant!.scales[0];
  return (value) => (isSame ? Math.abs(value) : rescale(Math.abs(value)));
}

function byteTable(core: Core, op: Op, input: Tensor, output: Tensor): Uint8Array {
  const compute = byteFunction(core, op, input, output);
  const { min, max } = activationRange(RELUS[op.kind]?.activation ?? "none", output);
  return Uint8Array.from({ length: 256 }, (_, byte) => {
    const value = compute(elementOf(input, byte) - input.quant!.zeroPoints[0]!);
    return Math.min(Math.max(value + output.quant!.zeroPoints[0]!, min), max);
  });
}

function operationOf(op: Op): { operation: UnaryOperation; alpha: number; beta: number } {
  const relu = RELUS[op.kind];
  if (relu !== undefined)
    return { operation: UnaryOperation.CLAMP, alpha: relu.low, beta: relu.high };
  if (op.kind === "LEAKY_RELU")
    return { operation: UnaryOperation.LEAKY, alpha: op.options["alpha"] as number, beta: 0 };
  const plain: Record<string, UnaryOperation> = {
    ABS: UnaryOperation.ABS,
    NEG: UnaryOperation.NEG,
    SQRT: UnaryOperation.SQRT,
  };
  return { operation: plain[op.kind]!, alpha: 0, beta: 0 };
}

/** Functions of one element. */
export const unary: CpuOperator = {
  check(graph, op) {
    const refusal = check.checkOperands(graph, op, { required: 1, most: 1 });
    if (refusal !== null) return refusal;
    const [input, output] = tensorsOf(graph, op);
    const alpha = op.kind === "LEAKY_RELU" ? op.options["alpha"] : 0;
    return check.firstRefusal(
      check.checkType(input, TYPES[op.kind]!),
      check.checkSameType(input, output),
      check.checkRule(graph, op),
      () => {
        if (typeof alpha === "number" && alpha >= 0 && alpha < Infinity) return null;
        return { constraint: "cpu-alpha", reason: `alpha is ${alpha}` };
      },
      () => (isByte(input.type) ? checkBytes(op, input, output) : null),
    );
  },

  plan(context, op) {
    const { core, graph, addressOf } = context;
    const [input, output] = tensorsOf(graph, op);
    if (isByte(input.type))
      return [lookupCall(context, input, output, byteTable(core, op, input, output))];
    const { operation, alpha, beta } = operationOf(op);
    const block = new Int32Array(UnaryParam.WORDS);
    block[UnaryParam.INPUT] = addressOf(input.id);
    block[UnaryParam.OUTPUT] = addressOf(output.id);
    block[UnaryParam.COUNT] = elementCount(input.shape);
    block[UnaryParam.OPERATION] = operation;
    block[UnaryParam.ELEMENT] = elementOfType(input.type);
    block[UnaryParam.ALPHA] = floatBits(alpha);
    block[UnaryParam.BETA] = floatBits(beta);
    return [{ kernel: "runUnary", block: core.allocWords(block) }];
  },
};
