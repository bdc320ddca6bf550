// Functions of one element that the TP cores can take from a look-up table, in steps of input and output.
// SPDX-License-Identifier: MIT
import type { Op, Tensor } from "../ir/graph.ts";

/** Real function of a real number; alpha is the operator's own. */
type RealFunction = (x: number, alpha: number) => number;

const FUNCTIONS: Readonly<Record<string, RealFunction>> = {
  LOGISTIC: (x) => 1 / (1 + Math.exp(-x)),
  TANH: (x) => Math.tanh(x),
  HARD_SWISH: (x) => (x * Math.min(Math.max(x + 3, 0), 6)) / 6,
  LEAKY_RELU: (x, alpha) => (x < 0 ? alpha * x : x),
  ABS: (x) => Math.abs(x),
};

/** Functions that only clamp: TFLite rounds their bounds to whole steps of the output. */
const CLAMPS: Readonly<Record<string, readonly [low: number, high: number]>> = {
  RELU6: [0, 6],
  RELU_N1_TO_1: [-1, 1],
};

/** Operators with a table. */
export const LOOKUP_OPERATORS: readonly string[] = [
  ...Object.keys(FUNCTIONS),
  ...Object.keys(CLAMPS),
];

/** From steps of the input above its zero point to steps of the output above its own, not rounded. */
export type StepFunction = (steps: number) => number;

/** The function of one of LOOKUP_OPERATORS between two tensors with one scale each. */
export function stepFunction(op: Op, input: Tensor, output: Tensor): StepFunction {
  const from = input.quant!.scales[0]!;
  const to = output.quant!.scales[0]!;
  const clamp = CLAMPS[op.kind];
  if (clamp !== undefined) {
    const [low, high] = clamp.map((bound) => Math.round(bound / to)) as [number, number];
    return (steps) => Math.min(Math.max((steps * from) / to, low), high);
  }
  const compute = FUNCTIONS[op.kind]!;
  const alpha = alphaOf(op);
  return (steps) => compute(steps * from, alpha) / to;
}

/** Slope of LEAKY_RELU below zero; NaN where the operator does not say it. */
export function alphaOf(op: Op): number {
  const { alpha } = op.options as { alpha?: unknown };
  return typeof alpha === "number" ? alpha : NaN;
}
