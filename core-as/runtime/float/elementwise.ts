// Operators that work element by element or row by row: arithmetic, functions of one value, conversions, softmax.
// SPDX-License-Identifier: MIT
import { elementCount, type Op } from "../../ir/graph.ts";
import { activate, fromStored, toStored, type FloatOperator, type Reals } from "./operator.ts";

const BINARIES: Readonly<Record<string, (a: number, b: number) => number>> = {
  ADD: (a, b) => a + b,
  SUB: (a, b) => a - b,
  MUL: (a, b) => a * b,
  DIV: (a, b) => a / b,
  FLOOR_DIV: (a, b) => Math.floor(a / b),
  MINIMUM: Math.min,
  MAXIMUM: Math.max,
  PRELU: (a, b) => (a < 0 ? a * b : a),
};

/** Elements between neighbours of an operand for each dimension of the result; 0 where it is repeated. */
function broadcastStrides(shape: readonly number[], rank: number): number[] {
  const padded = [...Array.from({ length: rank - shape.length }, () => 1), ...shape];
  return padded.map((size, i) => (size === 1 ? 0 : elementCount(padded.slice(i + 1))));
}

/** Element of an operand for every element of the result. */
function positions(shape: readonly number[], result: readonly number[]): Int32Array {
  const strides = broadcastStrides(shape, result.length);
  let list = Int32Array.of(0);
  for (const [d, size] of result.entries()) {
    const next = new Int32Array(list.length * size);
    for (let i = 0; i < list.length; i++)
      for (let k = 0; k < size; k++) next[i * size + k] = list[i]! + k * strides[d]!;
    list = next;
  }
  return list;
}

/** Operators of two operands, with broadcasting. */
export const binary: FloatOperator = (context) => {
  const { op } = context;
  const compute = BINARIES[op.kind]!;
  const { shape } = context.output();
  const [a, b] = [context.values(0), context.values(1)];
  const out = new Float64Array(elementCount(shape));
  if (a.length === out.length && b.length === out.length) {
    for (let i = 0; i < out.length; i++) out[i] = compute(a[i]!, b[i]!);
  } else {
    const [inA, inB] = [0, 1].map((i) => positions(context.input(i).shape, shape));
    for (let i = 0; i < out.length; i++) out[i] = compute(a[inA![i]!]!, b[inB![i]!]!);
  }
  return [activate(op, out)];
};

const clamp = (low: number, high: number) => (x: number) => Math.min(Math.max(x, low), high);

const UNARIES: Readonly<Record<string, (x: number, op: Op) => number>> = {
  ABS: Math.abs,
  NEG: (x) => -x,
  SQRT: Math.sqrt,
  TANH: Math.tanh,
  LOGISTIC: (x) => 1 / (1 + Math.exp(-x)),
  RELU: clamp(0, Infinity),
  RELU6: clamp(0, 6),
  RELU_N1_TO_1: clamp(-1, 1),
  HARD_SWISH: (x) => (x * clamp(0, 6)(x + 3)) / 6,
  LEAKY_RELU: (x, op) => (x < 0 ? x * (op.options["alpha"] as number) : x),
};

/** Functions of one element. */
export const unary: FloatOperator = (context) => {
  const compute = UNARIES[context.op.kind]!;
  return [context.values(0).map((x) => compute(x, context.op))];
};

/** Operators that change how numbers are written, not the numbers: QUANTIZE, DEQUANTIZE, RESHAPE and its kin. */
export const same: FloatOperator = (context) => [context.values(0).slice()];

/** CAST takes stored numbers, whatever they stand for; integers drop the fraction. */
export const cast: FloatOperator = (context) => {
  const output = context.output();
  const stored = toStored(context.input(0), context.values(0));
  const isWhole = !output.type.startsWith("float");
  const isTruth = output.type === "bool";
  const converted = stored.map((x) => (isTruth ? Number(x !== 0) : isWhole ? Math.trunc(x) : x));
  return [fromStored(output, converted)];
};

/** SOFTMAX over the innermost dimension. */
export const softmax: FloatOperator = (context) => {
  const { beta } = context.op.options as { beta: number };
  const input = context.values(0);
  const length = context.input(0).shape.at(-1)!;
  const out = new Float64Array(input.length);
  for (let row = 0; row < input.length; row += length) {
    const values: Reals = input.subarray(row, row + length);
    const most = values.reduce((a, b) => Math.max(a, b), -Infinity);
    let sum = 0;
    for (let i = 0; i < length; i++) sum += out[row + i] = Math.exp(beta * (values[i]! - most));
    for (let i = 0; i < length; i++) out[row + i]! /= sum;
  }
  return [out];
};
