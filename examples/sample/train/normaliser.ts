// Batch normalisation of a layer's outputs while the network learns in floating point.
// SPDX-License-Identifier: MIT
import { Parameter, type Activations } from "./layer.ts";

/** Share of the old mean and variance that a step keeps. */
const INERTIA = 0.99;
/** Keeps the division safe for channels that never change. */
const EPSILON = 1e-3;

/** value = gain * (value - mean) / deviation + bias, with mean and deviation of each channel over the batch. */
export class Normaliser {
  readonly gain: Parameter;
  /** Running statistics, for folding. */
  readonly #means: Float64Array;
  readonly #variances: Float64Array;
  /** Of the last batch. */
  readonly #inverseDeviations: Float64Array;
  readonly #normalised: Float64Array;

  constructor(
    readonly output: Activations,
    readonly bias: Parameter,
  ) {
    const { c } = output;
    this.gain = new Parameter(c, "gain");
    this.gain.value.fill(1);
    this.#means = new Float64Array(c);
    this.#variances = new Float64Array(c).fill(1);
    this.#inverseDeviations = new Float64Array(c);
    this.#normalised = new Float64Array(output.value.length);
  }

  forward(batch: number): void {
    const { value, c, size } = this.output;
    const length = batch * size;
    const rows = length / c;
    const sums = new Float64Array(c);
    const squares = new Float64Array(c);
    for (let at = 0; at < length; at += c)
      for (let o = 0; o < c; o++) {
        const x = value[at + o]!;
        sums[o]! += x;
        squares[o]! += x * x;
      }
    for (let o = 0; o < c; o++) {
      const mean = sums[o]! / rows;
      const variance = Math.max(squares[o]! / rows - mean * mean, 0);
      this.#means[o] = INERTIA * this.#means[o]! + (1 - INERTIA) * mean;
      this.#variances[o] = INERTIA * this.#variances[o]! + (1 - INERTIA) * variance;
      this.#inverseDeviations[o] = 1 / Math.sqrt(variance + EPSILON);
      sums[o] = mean;
    }
    for (let at = 0; at < length; at += c)
      for (let o = 0; o < c; o++) {
        const x = (value[at + o]! - sums[o]!) * this.#inverseDeviations[o]!;
        this.#normalised[at + o] = x;
        value[at + o] = x * this.gain.used[o]! + this.bias.used[o]!;
      }
  }

  /** Turns the gradient by the normalised outputs into the one by the outputs before. */
  backward(batch: number): void {
    const { grad, c, size } = this.output;
    const length = batch * size;
    const rows = length / c;
    const gradSums = new Float64Array(c);
    const products = new Float64Array(c);
    for (let at = 0; at < length; at += c)
      for (let o = 0; o < c; o++) {
        gradSums[o]! += grad[at + o]!;
        products[o]! += grad[at + o]! * this.#normalised[at + o]!;
      }
    for (let o = 0; o < c; o++) {
      this.bias.grad[o]! += gradSums[o]!;
      this.gain.grad[o]! += products[o]!;
    }
    for (let at = 0; at < length; at += c)
      for (let o = 0; o < c; o++) {
        const common = (gradSums[o]! + this.#normalised[at + o]! * products[o]!) / rows;
        const factor = this.gain.used[o]! * this.#inverseDeviations[o]!;
        grad[at + o] = factor * (grad[at + o]! - common);
      }
  }

  /** The same as value * factor + offset for each channel, by the running statistics. */
  affine(): { factors: Float64Array; offsets: Float64Array } {
    const factors = this.gain.value.map(
      (gain, o) => gain / Math.sqrt(this.#variances[o]! + EPSILON),
    );
    const offsets = this.bias.value.map((bias, o) => bias - this.#means[o]! * factors[o]!);
    return { factors, offsets };
  }
}
