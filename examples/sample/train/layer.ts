// What every layer of the float network is made of: activations, parameters, the rectifier. Batches in NHWC order.
// SPDX-License-Identifier: MIT
import { fakeQuantise, rangeOf, type Range } from "./ranges.ts";

/** Values between two layers, for a whole batch, and the loss's gradient by them. */
export class Activations {
  readonly value: Float64Array;
  readonly grad: Float64Array;

  constructor(
    readonly h: number,
    readonly w: number,
    readonly c: number,
    batch: number,
    /** False: nobody needs the gradient. */
    readonly learns = true,
  ) {
    this.value = new Float64Array(batch * h * w * c);
    this.grad = new Float64Array(this.value.length);
  }

  /** Elements of one picture. */
  get size(): number {
    return this.h * this.w * this.c;
  }
}

/** A trained array: `used` is what the forward pass multiplies with, fake quantised or the same numbers. */
export class Parameter {
  readonly value: Float64Array;
  readonly grad: Float64Array;
  readonly used: Float64Array;
  /** Adam's running mean and mean square of the gradient. */
  readonly mean: Float64Array;
  readonly square: Float64Array;

  constructor(
    length: number,
    readonly kind: "weights" | "bias" | "gain",
  ) {
    this.value = new Float64Array(length);
    this.grad = new Float64Array(length);
    this.used = new Float64Array(length);
    this.mean = new Float64Array(length);
    this.square = new Float64Array(length);
  }

  /** Forgets the course of the gradient, after the value was changed from outside. */
  forget(): void {
    this.mean.fill(0);
    this.square.fill(0);
  }

  /** Refreshes `used`; biases have 32 bits in the file, so rounding them does not matter here. */
  prepare(quantised: boolean): void {
    if (quantised && this.kind === "weights")
      fakeQuantise(this.value, this.used, rangeOf(this.value));
    else this.used.set(this.value);
  }
}

export type LayerKind = "conv" | "depthwise" | "add" | "average";

/** One layer. `forward` fills `output.value`; `backward` turns `output.grad` into gradients of inputs and parameters. */
export interface Layer {
  readonly name: string;
  readonly kind: LayerKind;
  readonly inputs: readonly Activations[];
  readonly output: Activations;
  readonly relu: boolean;
  readonly kernel: number;
  readonly stride: number;
  readonly parameters: readonly Parameter[];
  /** Range of the quantised output; null until calibrated, and for layers that keep their input's. */
  range: Range | null;
  forward(batch: number): void;
  backward(batch: number): void;
}

/** ReLU, fake quantisation, and the mask through which the gradient comes back (straight-through estimate). */
export class Rectifier {
  readonly #passes: Uint8Array;

  constructor(
    readonly output: Activations,
    readonly relu: boolean,
  ) {
    this.#passes = new Uint8Array(output.value.length);
  }

  forward(batch: number, range: Range | null): void {
    const { value, size } = this.output;
    const low = this.relu ? 0 : (range?.min ?? -Infinity);
    const high = range?.max ?? Infinity;
    for (let i = 0; i < batch * size; i++) {
      const x = value[i]!;
      this.#passes[i] = x > low && x < high ? 1 : 0;
      if (x < low) value[i] = low;
    }
    if (range) fakeQuantise(value, value, range, batch * size);
  }

  backward(batch: number): void {
    const { grad, size } = this.output;
    for (let i = 0; i < batch * size; i++) if (!this.#passes[i]) grad[i] = 0;
  }
}
