// The network: its layers in order, the loss, and one step of training.
// SPDX-License-Identifier: MIT
import { portableExp, Random } from "./arithmetic.ts";
import { PIXELS, SIDE } from "./data.ts";
import { Conv, Depthwise, Weighted } from "./convolutions.ts";
import { Activations, type Layer } from "./layer.ts";
import { Add, Average } from "./layers.ts";
import { rangeOf, type Range } from "./ranges.ts";

/** Digits of one step. */
export const BATCH = 16;
/** Classes. */
export const CLASSES = 10;

/**
 * Square pictures, of an even size wherever a layer has stride 2, and channel counts that are multiples of eight except
 * the ten scores: shapes that the reference driver computes right too.
 */
export class Network {
  readonly input = new Activations(SIDE, SIDE, 1, BATCH, false);
  readonly layers: readonly Layer[];
  #steps = { one: 1, two: 1 };

  /** @param random draws the first weights */
  constructor(random: Random) {
    const layers: Layer[] = [];
    const push = <L extends Layer>(layer: L): Activations => {
      layers.push(layer);
      return layer.output;
    };
    const conv = (x: Activations, name: string, outputs: number, options = {}) => {
      const shape = { name, relu: true, kernel: 1, stride: 1, normalised: true, ...options };
      return push(new Conv(x, shape, outputs, BATCH, random));
    };
    const depthwise = (x: Activations, name: string, stride = 1) => {
      const shape = { name, relu: true, kernel: 3, stride, normalised: true };
      return push(new Depthwise(x, shape, BATCH, random));
    };

    const stem = conv(this.input, "stem", 16, { kernel: 3, stride: 2 }); // 14x14
    const wide = conv(depthwise(stem, "block1/depthwise"), "block1/pointwise", 32);
    const small = conv(depthwise(wide, "block2/depthwise", 2), "block2/pointwise", 64); // 7x7
    const branch = conv(depthwise(small, "block3/depthwise"), "block3/pointwise", 64, {
      relu: false,
    });
    const sum = push(new Add("block3/add", small, branch, BATCH));
    const features = conv(depthwise(sum, "block4/depthwise"), "block4/pointwise", 64);
    conv(push(new Average("average", features, BATCH)), "logits", CLASSES, {
      relu: false,
      normalised: false,
    });
    this.layers = layers;
  }

  /** Scores of the last forward pass, `CLASSES` a digit. */
  get logits(): Activations {
    return this.layers.at(-1)!.output;
  }

  /** Ends batch normalisation: the layers' weights take over what it did. */
  fold(): void {
    for (const layer of this.layers) if (layer instanceof Weighted) layer.fold();
  }

  /** Makes weights ready for forward passes; again after every step. */
  prepare(quantised: boolean): void {
    for (const layer of this.layers)
      for (const parameter of layer.parameters) parameter.prepare(quantised);
  }

  /** Computes `logits` from `input`. */
  forward(batch: number): void {
    for (const layer of this.layers) layer.forward(batch);
  }

  /**
   * Cross entropy of the softmax of the logits; leaves its gradient in every parameter.
   * @returns mean loss and number of right answers
   */
  backward(labels: Uint8Array, batch: number): { loss: number; right: number } {
    for (const layer of this.layers) {
      layer.output.grad.fill(0);
      for (const parameter of layer.parameters) parameter.grad.fill(0);
    }
    const result = softmaxLoss(this.logits, labels, batch);
    for (let i = this.layers.length - 1; i >= 0; i--) this.layers[i]!.backward(batch);
    return result;
  }

  /** One step of Adam. */
  step(rate: number): void {
    const decay = { one: 0.9, two: 0.999 };
    this.#steps.one *= decay.one;
    this.#steps.two *= decay.two;
    const correction = Math.sqrt(1 - this.#steps.two) / (1 - this.#steps.one);
    for (const layer of this.layers)
      for (const { value, grad, mean, square } of layer.parameters) {
        for (let i = 0; i < value.length; i++) {
          const g = grad[i]!;
          mean[i] = decay.one * mean[i]! + (1 - decay.one) * g;
          square[i] = decay.two * square[i]! + (1 - decay.two) * g * g;
          value[i]! -= (rate * correction * mean[i]!) / (Math.sqrt(square[i]!) + 1e-8);
        }
      }
  }

  /** Sets the range of every layer to what its outputs span on the given digits (numbers 0..1, one after another). */
  calibrate(pictures: Float64Array): void {
    const ranges = this.layers.map((): Range => ({ min: 0, max: 0 }));
    const count = pictures.length / PIXELS;
    for (let at = 0; at < count; at += BATCH) {
      const batch = Math.min(BATCH, count - at);
      this.input.value.set(pictures.subarray(at * PIXELS, (at + batch) * PIXELS));
      this.forward(batch);
      for (const [index, { output }] of this.layers.entries()) {
        const { min, max } = rangeOf(output.value, batch * output.size);
        ranges[index]!.min = Math.min(ranges[index]!.min, min);
        ranges[index]!.max = Math.max(ranges[index]!.max, max);
      }
    }
    for (const [index, layer] of this.layers.entries()) {
      // TFLite wants an average to have the scale of its input, which is the output of the layer before
      layer.range = ranges[layer.kind === "average" ? index - 1 : index]!;
    }
  }
}

function softmaxLoss(
  logits: Activations,
  labels: Uint8Array,
  batch: number,
): { loss: number; right: number } {
  let loss = 0;
  let right = 0;
  for (let n = 0; n < batch; n++) {
    const scores = logits.value.subarray(n * CLASSES, (n + 1) * CLASSES);
    const best = scores.indexOf(Math.max(...scores));
    if (best === labels[n]) right++;
    const powers = scores.map((score) => portableExp(score - scores[best]!));
    const sum = powers.reduce((a, b) => a + b);
    for (let o = 0; o < CLASSES; o++) {
      const wanted = o === labels[n] ? 1 : 0;
      logits.grad[n * CLASSES + o] = (powers[o]! / sum - wanted) / batch;
    }
    loss -= Math.log(powers[labels[n]!]! / sum); // only shown, never learnt from
  }
  return { loss: loss / batch, right };
}
