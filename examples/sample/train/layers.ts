// The layers without weights, forward and backward: sum and average.
// SPDX-License-Identifier: MIT
import { Activations, Rectifier, type Layer, type Parameter } from "./layer.ts";
import { fakeQuantise, type Range } from "./ranges.ts";

/** ADD of two tensors of one shape. */
export class Add implements Layer {
  readonly kind = "add";
  readonly relu = false;
  readonly kernel = 1;
  readonly stride = 1;
  readonly parameters: readonly Parameter[] = [];
  readonly inputs: readonly Activations[];
  readonly output: Activations;
  range: Range | null = null;
  readonly #rectifier: Rectifier;

  constructor(
    readonly name: string,
    readonly a: Activations,
    readonly b: Activations,
    batch: number,
  ) {
    this.inputs = [a, b];
    this.output = new Activations(a.h, a.w, a.c, batch);
    this.#rectifier = new Rectifier(this.output, false);
  }

  forward(batch: number): void {
    const { value, size } = this.output;
    for (let i = 0; i < batch * size; i++) value[i] = this.a.value[i]! + this.b.value[i]!;
    this.#rectifier.forward(batch, this.range);
  }

  backward(batch: number): void {
    this.#rectifier.backward(batch);
    const { grad, size } = this.output;
    for (let i = 0; i < batch * size; i++) {
      this.a.grad[i]! += grad[i]!;
      this.b.grad[i]! += grad[i]!;
    }
  }
}

/** AVERAGE_POOL_2D over the whole picture; keeps the range of its input, as TFLite demands. */
export class Average implements Layer {
  readonly kind = "average";
  readonly relu = false;
  readonly stride: number;
  readonly kernel: number;
  readonly parameters: readonly Parameter[] = [];
  readonly inputs: readonly Activations[];
  readonly output: Activations;
  range: Range | null = null;

  constructor(
    readonly name: string,
    readonly input: Activations,
    batch: number,
  ) {
    this.inputs = [input];
    this.kernel = this.stride = input.h;
    this.output = new Activations(1, 1, input.c, batch);
  }

  forward(batch: number): void {
    const { value, c } = this.output;
    const { size } = this.input;
    for (let n = 0; n < batch; n++)
      for (let o = 0; o < c; o++) {
        let sum = 0;
        for (let i = o; i < size; i += c) sum += this.input.value[n * size + i]!;
        value[n * c + o] = (sum * c) / size;
      }
    if (this.range) fakeQuantise(value, value, this.range, batch * c);
  }

  backward(batch: number): void {
    const { grad, c } = this.output;
    const { size } = this.input;
    for (let n = 0; n < batch; n++)
      for (let i = 0; i < size; i++)
        this.input.grad[n * size + i]! += (grad[n * c + (i % c)]! * c) / size;
  }
}
