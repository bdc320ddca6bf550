// Operators of two operands: constraints and parameter blocks. ADD and SUB of bytes are in arithmetic.ts.
// SPDX-License-Identifier: MIT
import { BinaryOperation, BinaryParam } from "../../assembly/abi-kernels.ts";
import { integersOf } from "../../ir/constants.ts";
import type { Activation, ElementType, Graph, Op, Tensor } from "../../ir/graph.ts";
import { addBytes, broadcastStrides, toSixDimensions } from "./arithmetic.ts";
import * as check from "./check.ts";
import type { Refusal } from "./check.ts";
import { elementOfType, floatBits, isByte } from "./elements.ts";
import type { CpuOperator } from "./plan.ts";
import { activationRange, quantiseMultiplier } from "../../ir/fixed-point.ts";

const MAX_DIMENSIONS = 6;
const INT32 = { min: -(2 ** 31), max: 2 ** 31 - 1 };
const FLOAT32_MAX = 3.4028234663852886e38;

interface Binary {
  operation: BinaryOperation;
  types: readonly ElementType[];
}

const BYTES: readonly ElementType[] = ["uint8", "int8"];

const BINARIES: Readonly<Record<string, Binary>> = {
  ADD: { operation: BinaryOperation.ADD, types: ["float32", "int32", ...BYTES] },
  SUB: { operation: BinaryOperation.SUB, types: ["float32", "int32", ...BYTES] },
  MUL: { operation: BinaryOperation.MUL, types: ["float32", "int32", ...BYTES] },
  DIV: { operation: BinaryOperation.DIV, types: ["float32"] },
  FLOOR_DIV: { operation: BinaryOperation.FLOOR_DIV, types: ["float32", "int32"] },
  MINIMUM: { operation: BinaryOperation.MINIMUM, types: ["float32", "int32", ...BYTES] },
  MAXIMUM: { operation: BinaryOperation.MAXIMUM, types: ["float32", "int32", ...BYTES] },
  PRELU: { operation: BinaryOperation.PRELU, types: ["float32", ...BYTES] },
};

function tensorsOf(graph: Graph, op: Op): [Tensor, Tensor, Tensor] {
  return [
    check.tensorAt(graph, op.inputs[0]),
    check.tensorAt(graph, op.inputs[1]),
    check.tensorAt(graph, op.outputs[0]),
  ];
}

/** The activation that is part of the operator; those without the option have none. */
function activationOf(op: Op): Activation {
  return (op.options["activation"] as Activation | undefined) ?? "none";
}

/** MUL and PRELU compute with bytes as numbers; MINIMUM and MAXIMUM only compare them. */
function isQuantised(op: Op, output: Tensor): boolean {
  return isByte(output.type) && (op.kind === "MUL" || op.kind === "PRELU");
}

/** Real factors of a product and of an input that PRELU passes; TFLite computes them in binary32. */
function factorsOf(a: Tensor, b: Tensor, output: Tensor): { product: number; identity: number } {
  const [scaleA, scaleB, scale] = [a, b, output].map((tensor) => tensor.quant!.scales[0]!) as [
    number,
    number,
    number,
  ];
  return {
    product: Math.fround(Math.fround(scaleA * scaleB) / scale),
    identity: Math.fround(scaleA / scale),
  };
}

/** Bounds of the fused activation as parameter words. */
function clampOf(op: Op, output: Tensor): { min: number; max: number } {
  const activation = activationOf(op);
  if (isByte(output.type)) {
    if (isQuantised(op, output)) return activationRange(activation, output);
    return output.type === "int8" ? { min: -128, max: 127 } : { min: 0, max: 255 };
  }
  const bounds: Partial<Record<Activation, [number, number]>> = {
    relu: [0, Infinity],
    relu6: [0, 6],
    relu_n1_to_1: [-1, 1],
  };
  const [low, high] = bounds[activation] ?? [-Infinity, Infinity];
  if (output.type === "int32")
    return { min: Math.max(low, INT32.min), max: Math.min(high, INT32.max) };
  // Operators with an activation never leave the finite numbers, even when they have none.
  const limit = op.options["activation"] === undefined ? Infinity : FLOAT32_MAX;
  return { min: floatBits(Math.max(low, -limit)), max: floatBits(Math.min(high, limit)) };
}

function checkQuantisation(op: Op, tensors: [Tensor, Tensor, Tensor]): Refusal | null {
  if (!isQuantised(op, tensors[2])) return null;
  return check.firstRefusal(...tensors.map(check.checkQuantised), () => {
    const { product, identity } = factorsOf(...tensors);
    return check.checkFactor(op.kind === "PRELU" ? Math.max(product, identity) : product);
  });
}

function checkDivisor(op: Op, divisor: Tensor): Refusal | null {
  if (op.kind !== "FLOOR_DIV" || !(integersOf(divisor) ?? []).includes(0)) return null;
  return { constraint: "cpu-divisor", reason: `${check.nameOf(divisor)} holds a 0` };
}

/** All operators of two operands, with broadcasting in up to six dimensions. */
export const binary: CpuOperator = {
  check(graph, op) {
    const refusal = check.checkOperands(graph, op, { required: 2, most: 2 });
    if (refusal !== null) return refusal;
    const tensors = tensorsOf(graph, op);
    const usesAdd = (op.kind === "ADD" || op.kind === "SUB") && isByte(tensors[2].type);
    if (usesAdd) return addBytes.check(graph, op);
    return check.firstRefusal(
      ...tensors.map((tensor) => check.checkType(tensor, BINARIES[op.kind]!.types)),
      check.checkSameType(...tensors),
      // only an ADD's rule lets shapes pass that do not fit
      check.checkRule(graph, op.kind === "ADD" ? { ...op, kind: "SUB" } : op),
      check.checkRank(tensors[2], 0, MAX_DIMENSIONS),
      check.checkActivation(activationOf(op)),
      () => checkQuantisation(op, tensors),
      () => checkDivisor(op, tensors[1]),
    );
  },

  plan(context, op) {
    const { core, graph, addressOf } = context;
    const [a, b, output] = tensorsOf(graph, op);
    if ((op.kind === "ADD" || op.kind === "SUB") && isByte(output.type))
      return addBytes.plan(context, op);
    const { min, max } = clampOf(op, output);
    const block = new Int32Array(BinaryParam.WORDS);
    block[BinaryParam.INPUT_1] = addressOf(a.id);
    block[BinaryParam.INPUT_2] = addressOf(b.id);
    block[BinaryParam.OUTPUT] = addressOf(output.id);
    block[BinaryParam.OPERATION] = BINARIES[op.kind]!.operation;
    block[BinaryParam.ELEMENT] = elementOfType(output.type);
    block[BinaryParam.CLAMP_MIN] = min;
    block[BinaryParam.CLAMP_MAX] = max;
    if (isQuantised(op, output)) {
      const { product, identity } = factorsOf(a, b, output);
      const forProduct = quantiseMultiplier(product);
      const forIdentity = quantiseMultiplier(op.kind === "PRELU" ? identity : 0);
      block[BinaryParam.ZERO_1] = a.quant!.zeroPoints[0]!;
      block[BinaryParam.ZERO_2] = b.quant!.zeroPoints[0]!;
      block[BinaryParam.OUTPUT_ZERO] = output.quant!.zeroPoints[0]!;
      block[BinaryParam.MULTIPLIER] = forProduct.multiplier;
      block[BinaryParam.SHIFT] = forProduct.shift;
      block[BinaryParam.IDENTITY_MULTIPLIER] = forIdentity.multiplier;
      block[BinaryParam.IDENTITY_SHIFT] = forIdentity.shift;
    }
    block.set(toSixDimensions(output.shape), BinaryParam.SIZES);
    block.set(broadcastStrides(a.shape), BinaryParam.STRIDES_1);
    block.set(broadcastStrides(b.shape), BinaryParam.STRIDES_2);
    return [{ kernel: "runBinary", block: core.allocWords(block) }];
  },
};
