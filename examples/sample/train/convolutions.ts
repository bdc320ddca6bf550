// The layers with weights, forward and backward: convolution and depthwise convolution.
// SPDX-License-Identifier: MIT
import { multiplyTransposed, transpose, type Random } from "./arithmetic.ts";
import { Activations, Parameter, Rectifier, type Layer, type LayerKind } from "./layer.ts";
import { Normaliser } from "./normaliser.ts";
import type { Range } from "./ranges.ts";

/** Start of the kernel's reach before the first pixel, TFLite padding SAME. */
function padBefore(size: number, kernel: number, stride: number): number {
  const out = Math.ceil(size / stride);
  return Math.max((out - 1) * stride + kernel - size, 0) >> 1;
}

interface ConvShape {
  name: string;
  relu: boolean;
  kernel: number;
  stride: number;
  /** Train with batch normalisation, folded into the weights later. */
  normalised: boolean;
}

/** Common parts of the layers with weights. */
export abstract class Weighted implements Layer {
  abstract readonly kind: LayerKind;
  readonly name: string;
  readonly relu: boolean;
  readonly kernel: number;
  readonly stride: number;
  readonly inputs: readonly Activations[];
  readonly output: Activations;
  readonly weights: Parameter;
  readonly bias: Parameter;
  range: Range | null = null;
  #normaliser: Normaliser | null;
  protected readonly pad: { y: number; x: number };
  readonly #rectifier: Rectifier;

  /** @param fanIn products summed for one output, which sets the size of the first weights (He) */
  constructor(
    protected readonly input: Activations,
    shape: ConvShape,
    outputs: number,
    fanIn: number,
    batch: number,
    random: Random,
  ) {
    ({ name: this.name, relu: this.relu, kernel: this.kernel, stride: this.stride } = shape);
    this.inputs = [input];
    this.output = new Activations(
      Math.ceil(input.h / this.stride),
      Math.ceil(input.w / this.stride),
      outputs,
      batch,
    );
    this.pad = {
      y: padBefore(input.h, this.kernel, this.stride),
      x: padBefore(input.w, this.kernel, this.stride),
    };
    this.weights = new Parameter(outputs * fanIn, "weights");
    this.bias = new Parameter(outputs, "bias");
    const deviation = Math.sqrt((this.relu ? 2 : 1) / fanIn);
    for (let i = 0; i < this.weights.value.length; i++)
      this.weights.value[i] = random.normal() * deviation;
    this.#normaliser = shape.normalised ? new Normaliser(this.output, this.bias) : null;
    this.#rectifier = new Rectifier(this.output, this.relu);
  }

  get parameters(): readonly Parameter[] {
    const gain = this.#normaliser?.gain;
    return gain ? [this.weights, this.bias, gain] : [this.weights, this.bias];
  }

  /** Ends batch normalisation: weights and bias take over what it did. */
  fold(): void {
    if (!this.#normaliser) return;
    const { factors, offsets } = this.#normaliser.affine();
    for (let i = 0; i < this.weights.value.length; i++)
      this.weights.value[i]! *= factors[this.outputOf(i)]!;
    this.bias.value.set(offsets);
    for (const parameter of [this.weights, this.bias]) parameter.forget();
    this.#normaliser = null;
  }

  forward(batch: number): void {
    this.multiply(batch);
    if (this.#normaliser) this.#normaliser.forward(batch);
    else this.#addBias(batch);
    this.#rectifier.forward(batch, this.range);
  }

  backward(batch: number): void {
    this.#rectifier.backward(batch);
    if (this.#normaliser) this.#normaliser.backward(batch);
    else this.#biasBackward(batch);
    this.multiplyBackward(batch);
  }

  #addBias(batch: number): void {
    const { value, c, size } = this.output;
    for (let at = 0; at < batch * size; at += c)
      for (let o = 0; o < c; o++) value[at + o]! += this.bias.used[o]!;
  }

  #biasBackward(batch: number): void {
    const { grad, c, size } = this.output;
    for (let at = 0; at < batch * size; at += c)
      for (let o = 0; o < c; o++) this.bias.grad[o]! += grad[at + o]!;
  }

  /** Output channel that a weight belongs to. */
  protected abstract outputOf(weight: number): number;
  protected abstract multiply(batch: number): void;
  protected abstract multiplyBackward(batch: number): void;
}

/** CONV_2D, padding SAME; weights in TFLite's order [output][y][x][input]. */
export class Conv extends Weighted {
  readonly kind = "conv";
  readonly #depth: number;
  /** One row of `#depth` inputs for each output pixel; the input itself if the kernel is 1x1. */
  readonly #patches: Float64Array;
  readonly #patchesGrad: Float64Array;
  /** Room for two transposed operands. */
  readonly #turnedGrad: Float64Array;
  readonly #turned: Float64Array;
  readonly #weightGrad: Float64Array;

  constructor(
    input: Activations,
    shape: ConvShape,
    outputs: number,
    batch: number,
    random: Random,
  ) {
    const depth = shape.kernel * shape.kernel * input.c;
    super(input, shape, outputs, depth, batch, random);
    const { h, w } = this.output;
    this.#depth = depth;
    const length = batch * h * w * depth;
    this.#patches = this.#isPointwise ? input.value : new Float64Array(length);
    this.#patchesGrad = new Float64Array(length);
    this.#turned = new Float64Array(Math.max(length, outputs * depth));
    this.#turnedGrad = new Float64Array(this.output.value.length);
    this.#weightGrad = new Float64Array(outputs * depth);
  }

  get #isPointwise(): boolean {
    return this.kernel === 1 && this.stride === 1;
  }

  protected multiply(batch: number): void {
    if (!this.#isPointwise) this.#eachPatch(batch, (from, to) => this.#gather(from, to));
    const { value, h, w, c } = this.output;
    const rows = batch * h * w;
    multiplyTransposed(this.#patches, this.weights.used, value, rows, c, this.#depth);
  }

  protected outputOf(weight: number): number {
    return Math.floor(weight / this.#depth);
  }

  protected multiplyBackward(batch: number): void {
    const { grad, h, w, c } = this.output;
    const rows = batch * h * w;
    const depth = this.#depth;
    transpose(grad, this.#turnedGrad, rows, c);
    transpose(this.#patches, this.#turned, rows, depth);
    multiplyTransposed(this.#turnedGrad, this.#turned, this.#weightGrad, c, depth, rows);
    for (let i = 0; i < c * depth; i++) this.weights.grad[i]! += this.#weightGrad[i]!;
    if (!this.input.learns) return;

    transpose(this.weights.used, this.#turned, c, depth);
    multiplyTransposed(grad, this.#turned, this.#patchesGrad, rows, depth, c);
    if (this.#isPointwise) {
      for (let i = 0; i < rows * depth; i++) this.input.grad[i]! += this.#patchesGrad[i]!;
    } else {
      this.#eachPatch(batch, (from, to) => this.#scatter(from, to));
    }
  }

  /** Calls for every tap of every output pixel; `from` is -1 where the tap lies in the padding. */
  #eachPatch(batch: number, visit: (from: number, to: number) => void): void {
    const { input, output, kernel, stride, pad } = this;
    let to = 0;
    for (let n = 0; n < batch; n++)
      for (let oy = 0; oy < output.h; oy++)
        for (let ox = 0; ox < output.w; ox++)
          for (let ky = 0; ky < kernel; ky++)
            for (let kx = 0; kx < kernel; kx++) {
              const y = oy * stride - pad.y + ky;
              const x = ox * stride - pad.x + kx;
              const inside = y >= 0 && y < input.h && x >= 0 && x < input.w;
              visit(inside ? ((n * input.h + y) * input.w + x) * input.c : -1, to);
              to += input.c;
            }
  }

  #gather(from: number, to: number): void {
    const { value, c } = this.input;
    for (let i = 0; i < c; i++) this.#patches[to + i] = from < 0 ? 0 : value[from + i]!;
  }

  #scatter(from: number, to: number): void {
    const { grad, c } = this.input;
    if (from < 0) return;
    for (let i = 0; i < c; i++) grad[from + i]! += this.#patchesGrad[to + i]!;
  }
}

/** DEPTHWISE_CONV_2D, padding SAME, multiplier 1; weights in TFLite's order [1][y][x][channel]. */
export class Depthwise extends Weighted {
  readonly kind = "depthwise";

  constructor(input: Activations, shape: ConvShape, batch: number, random: Random) {
    super(input, shape, input.c, shape.kernel * shape.kernel, batch, random);
  }

  protected multiply(batch: number): void {
    const { value, c } = this.output;
    const source = this.input.value;
    const weights = this.weights.used;
    value.fill(0, 0, batch * this.output.size);
    this.#eachTap(batch, (from, to, tap) => {
      for (let i = 0; i < c; i++) value[to + i]! += source[from + i]! * weights[tap + i]!;
    });
  }

  protected outputOf(weight: number): number {
    return weight % this.output.c;
  }

  protected multiplyBackward(batch: number): void {
    const { grad, c } = this.output;
    const { value: source, grad: sourceGrad } = this.input;
    const { used, grad: weightGrad } = this.weights;
    this.#eachTap(batch, (from, to, tap) => {
      for (let i = 0; i < c; i++) {
        const g = grad[to + i]!;
        weightGrad[tap + i]! += g * source[from + i]!;
        sourceGrad[from + i]! += g * used[tap + i]!;
      }
    });
  }

  /** Calls for every tap inside the picture with the offsets of input pixel, output pixel and weights. */
  #eachTap(batch: number, visit: (from: number, to: number, tap: number) => void): void {
    const { input, output, kernel, stride, pad } = this;
    const { c } = output;
    for (let n = 0; n < batch; n++)
      for (let oy = 0; oy < output.h; oy++)
        for (let ox = 0; ox < output.w; ox++) {
          const to = ((n * output.h + oy) * output.w + ox) * c;
          for (let ky = 0; ky < kernel; ky++) {
            const y = oy * stride - pad.y + ky;
            if (y < 0 || y >= input.h) continue;
            for (let kx = 0; kx < kernel; kx++) {
              const x = ox * stride - pad.x + kx;
              if (x < 0 || x >= input.w) continue;
              visit(((n * input.h + y) * input.w + x) * c, to, (ky * kernel + kx) * c);
            }
          }
        }
  }
}
