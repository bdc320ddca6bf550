// Numbers that optimised mode chooses better than the reference: biases and factors close to TFLite's results.
// SPDX-License-Identifier: MIT
import { readInts } from "../../ir/constants.ts";
import type { Graph, Op, Tensor } from "../../ir/graph.ts";
import { scaleOf, type AddFactors } from "../lower-shared.ts";

/** Real value of one accumulator step in output steps, in binary32 as the hardware's factor. */
export function factorOf(input: Tensor, weight: Tensor, output: Tensor): number {
  return Math.fround(Math.fround(scaleOf(input) * scaleOf(weight)) / scaleOf(output));
}

/** Above this factor one accumulator step is too coarse for nudgeBiases to help. */
const MAX_NUDGED_FACTOR = 1 / 64;

/**
 * TFLite rounds twice, so a positive result goes up from 2^-(shift+1) below the half: between a half and a whole step
 * of the accumulator. One step more in the bias makes the NPU's single rounding agree in all but half of these cases.
 * Results below zero would move away, but under a ReLU they do not matter.
 */
export function nudgeBiases(biases: Int32Array, factor: number): void {
  if (factor > MAX_NUDGED_FACTOR) return;
  for (let i = 0; i < biases.length; i++) biases[i]! += 1;
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
