// Numbers that optimised mode chooses better than the reference: biases and factors close to TFLite's results.
// SPDX-License-Identifier: MIT
import { readInts } from "../../ir/constants.ts";
import type { Graph, Op } from "../../ir/graph.ts";
import { quantiseMultiplier } from "../../ir/fixed-point.ts";
import type { AddFactors } from "../lower-shared.ts";
import type { Steps } from "./output-stage.ts";

/**
 * Steps of TFLite's requantisation, which rounds twice: the product with a 31-bit multiplier, ties upwards, then the right
 * shift, ties away from zero.
 * @param factor real factor, as TFLite computes it
 * @param zeroPoint stored output zero point
 * @param lowest smallest output byte
 * @returns null when the factor is too small or too large to be worth the exact treatment
 */
export function requantisationSteps(
  factor: number,
  zeroPoint: number,
  lowest: number,
): Steps | null {
  if (!(factor >= MIN_FITTED && factor <= MAX_FITTED)) return null;
  const { multiplier, shift } = quantiseMultiplier(factor);
  const thresholds = Float64Array.from({ length: 255 - lowest }, (_, i) => {
    // The first number after the multiplication that the right shift takes to the level.
    const level = BigInt(lowest + 1 + i - zeroPoint);
    const half = (2n * level - 1n) << BigInt(Math.max(-shift - 1, 0));
    const product = shift >= 0 ? level : level > 0n ? half : half + 1n;
    const numerator = (product << 31n) - (1n << 30n);
    return Number(ceilDivide(numerator, BigInt(multiplier) << BigInt(Math.max(shift, 0))));
  });
  return { zeroPoint, lowest, thresholds, factor };
}

/** Between these, an accumulator that reaches the last output step has at most 28 bits, and no left shift overflows. */
const MIN_FITTED = 2 ** -19;
const MAX_FITTED = 2 ** 8;

function ceilDivide(a: bigint, b: bigint): bigint {
  const down = a / b;
  return down * b < a ? down + 1n : down;
}

/**
 * Weights w0 : addOff of two numbers up to `largest` closest to the ratio of two scales. The larger one is searched among
 * the upper half of its range; fixing it at 255, as the reference does, leaves up to a quarter of an output step of error.
 */
export function closestAddFactors(sa: number, sb: number, largest = 255): AddFactors {
  const larger = Math.max(sa, sb);
  const ratio = Math.min(sa, sb) / larger;
  let best = largest;
  let least = Infinity;
  for (let weight = largest; weight > largest >> 1; weight--) {
    const error = Math.abs(Math.round(weight * ratio) / weight - ratio);
    if (error < least) [best, least] = [weight, error];
  }
  const smaller = Math.round(best * ratio);
  return {
    // The factor of the job is scale(a) * this / scale(output).
    weightScale: Math.fround(larger / sa / best),
    w0: sa >= sb ? best : smaller,
    addOff: sa >= sb ? smaller : best,
  };
}

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
