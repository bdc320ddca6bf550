// Numbers that optimised mode chooses better than the reference: biases and factors close to TFLite's results.
// SPDX-License-Identifier: MIT
import { readInts } from "../../ir/constants.ts";
import type { Graph, Op, Tensor } from "../../ir/graph.ts";
import {
  meanMultiplier,
  quantiseMultiplier,
  requantise,
  type FixedMultiplier,
} from "../../ir/fixed-point.ts";
import { scaleOf, zp8, type AddFactors } from "../lower-shared.ts";
import type { Steps } from "./output-stage.ts";

/** Between these factors, an accumulator that reaches the last output step has at most 28 bits, and no left shift overflows. */
const MIN_FITTED = 2 ** -19;
const MAX_FITTED = 2 ** 8;

/** Steps of accumulators that TFLite requantises, as output bytes from `lowest` (where a ReLU clamps) on. */
export function requantisedSteps(factor: number, zeroPoint: number, lowest: number): Steps | null {
  if (!(factor >= MIN_FITTED && factor <= MAX_FITTED)) return null;
  const levels = levelsOf(zeroPoint, lowest);
  const upper = levels.map((level) => firstRequantised(quantiseMultiplier(factor), level));
  return { zeroPoint, lowest, lower: upper.map((first) => first - 1), upper, factor };
}

/** Output levels above the zero point that the steps from `lowest` on lead to. */
export function levelsOf(zeroPoint: number, lowest: number): Float64Array {
  return Float64Array.from({ length: 255 - lowest }, (_, i) => lowest + 1 + i - zeroPoint);
}

/**
 * Smallest number that TFLite's requantisation takes to at least `level`. It rounds twice: the product with a 31-bit
 * multiplier, ties upwards, then the right shift, ties away from zero.
 */
export function firstRequantised({ multiplier, shift }: FixedMultiplier, level: number): number {
  // A factor that is too small for TFLite makes everything 0.
  if (multiplier === 0) return level > 0 ? Infinity : -Infinity;
  // The first number after the multiplication that the right shift takes to the level.
  const half = BigInt(2 * level - 1) << BigInt(Math.max(-shift - 1, 0));
  const product = shift >= 0 ? BigInt(level) : level > 0 ? half : half + 1n;
  const numerator = (product << 31n) - (1n << 30n);
  return Number(ceilDivide(numerator, BigInt(multiplier) << BigInt(Math.max(shift, 0))));
}

function ceilDivide(a: bigint, b: bigint): bigint {
  const down = a / b;
  return down * b < a ? down + 1n : down;
}

/**
 * Steps of averages: accumulators are `weight` times the sum of values without their zero point.
 * @returns null where TFLite has no such average, because it would have to rescale
 */
export function averageSteps(
  op: Op,
  input: Tensor,
  output: Tensor,
  count: number,
  weight: number,
): Steps | null {
  const firstSum =
    op.kind === "MEAN" ? firstMean(input, output, count) : firstPooled(input, output, count);
  if (firstSum === null) return null;
  const [zeroPoint, lowest] = [zp8(output), lowestOf(op, output)];
  const sums = levelsOf(zeroPoint, lowest).map(firstSum);
  return {
    zeroPoint,
    lowest,
    lower: sums.map((sum) => weight * (sum - 1)),
    upper: sums.map((sum) => weight * sum),
    factor: scaleOf(input) / scaleOf(output) / count / weight,
  };
}

/** Smallest sum without zero points that leads to an output level. */
type FirstSum = (level: number) => number;

function firstMean(input: Tensor, output: Tensor, count: number): FirstSum | null {
  // Larger ones are no number that TFLite multiplies by.
  if (scaleOf(input) / scaleOf(output) >= Math.min(MAX_FITTED * count, 2 ** 30)) return null;
  const fixed = meanMultiplier(input, output, count);
  return (level) => firstRequantised(fixed, level);
}

/** Pooling rounds the mean of the numbers as they are, zero point and all, half away from zero. */
function firstPooled(input: Tensor, output: Tensor, count: number): FirstSum | null {
  const zeroPoint = input.quant!.zeroPoints[0]!;
  if (scaleOf(input) !== scaleOf(output) || zeroPoint !== output.quant!.zeroPoints[0]) return null;
  const half = Math.floor(count / 2);
  return (level) => {
    const mean = level + zeroPoint;
    const sum = mean > 0 ? mean * count - half : half + 1 - (1 - mean) * count;
    return sum - count * zeroPoint;
  };
}

/**
 * Steps of a function of accumulators that are known one by one.
 * @param outputs output bytes, each with its accumulator; larger accumulators have no smaller outputs
 */
export function tabledSteps(
  outputs: readonly { accumulator: number; byte: number }[],
  zeroPoint: number,
  lowest: number,
  factor: number,
): Steps {
  const lower = new Float64Array(255 - lowest).fill(-Infinity);
  const upper = new Float64Array(255 - lowest).fill(Infinity);
  for (const { accumulator, byte } of outputs) {
    // Below its own step and all later ones, not below the earlier ones.
    const step = Math.max(byte - lowest, 0);
    for (let i = step; i < lower.length; i++) lower[i] = Math.max(lower[i]!, accumulator);
    for (let i = 0; i < step; i++) upper[i] = Math.min(upper[i]!, accumulator);
  }
  return { zeroPoint, lowest, lower, upper, factor };
}

/** A function of two bytes as TFLite computes additions: terms of each operand, and the smallest sum for each output step. */
export interface PairTerms {
  /** By the operand's stored byte. */
  a: Float64Array;
  b: Float64Array;
  /** Smallest sum of two terms that gives at least `lowest + 1 + i`. */
  first: Float64Array;
  zeroPoint: number;
  lowest: number;
}

/** Bits of precision that an operand gains before TFLite rescales it. */
const TERM_BITS = 20;

/**
 * What TFLite's ADD and SUB compute with.
 * @param sign of the second operand: 1 or -1
 */
export function pairTerms(
  [a, b]: readonly [Tensor, Tensor],
  output: Tensor,
  sign: number,
  lowest: number,
): PairTerms {
  const common = 2 * Math.max(scaleOf(a), scaleOf(b));
  const termsOf = (tensor: Tensor, sign: number): Float64Array => {
    const { multiplier, shift } = quantiseMultiplier(scaleOf(tensor) / common);
    const fixed = { multiplier: sign * multiplier, shift };
    return Float64Array.from({ length: 256 }, (_, byte) =>
      requantise((byte - zp8(tensor)) * 2 ** TERM_BITS, fixed),
    );
  };
  const fixed = quantiseMultiplier(common / (2 ** TERM_BITS * scaleOf(output)));
  const zeroPoint = zp8(output);
  return {
    a: termsOf(a, 1),
    b: termsOf(b, sign),
    first: levelsOf(zeroPoint, lowest).map((level) => firstRequantised(fixed, level)),
    zeroPoint,
    lowest,
  };
}

/**
 * Weights w0 : addOff of two numbers up to `largest` close to the ratio of two scales, the closest first. The larger one is
 * searched among the upper half of its range; fixing it at 255, as the reference does, leaves up to a quarter of an output step
 * of error.
 */
export function closestAddFactors(sa: number, sb: number, largest = 255): AddFactors[] {
  const larger = Math.max(sa, sb);
  const ratio = Math.min(sa, sb) / larger;
  const found: Array<{ weight: number; error: number }> = [];
  for (let weight = largest; weight > largest >> 1; weight--)
    found.push({ weight, error: Math.abs(Math.round(weight * ratio) / weight - ratio) });
  return found
    .sort((x, y) => x.error - y.error)
    .slice(0, ADD_CHOICES)
    .map(({ weight }) => {
      const smaller = Math.round(weight * ratio);
      return {
        // The factor of the job is scale(a) * this / scale(output).
        weightScale: Math.fround(larger / sa / weight),
        w0: sa >= sb ? weight : smaller,
        addOff: sa >= sb ? smaller : weight,
      };
    });
}

/** Pairs of weights that are tried. */
const ADD_CHOICES = 3;

/** Biases of an operator; zeros when the bias is left out (Q24). */
export function biasesOf(graph: Graph, op: Op, count: number): Int32Array {
  const id = op.inputs[2];
  if (id === undefined || id < 0) return new Int32Array(count);
  return readInts(graph.tensors[id]!.constant!);
}

/** 1 when the job clamps at the output zero point; constraints let RELU6 pass only where that suffices. */
export function reluOf(op: Op): number {
  const activation = (op.options as { activation?: string }).activation ?? "none";
  return activation === "none" ? 0 : 1;
}

/** Smallest output byte: where a ReLU clamps, else 0. */
export function lowestOf(op: Op, output: Tensor): number {
  return reluOf(op) === 1 ? zp8(output) : 0;
}
