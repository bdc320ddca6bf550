// Channels of a convolution's output that have one value, whatever the image: trained networks have many of them (a kernel that is
// all zeros, a bias far below what a ReLU lets through).
// SPDX-License-Identifier: MIT
import { optionsOf, type Graph, type Op, type Tensor } from "../../../ir/graph.ts";
import { biasesOf, reluOf } from "../numerics.ts";

/** A convolution as this transformation sees it. Tensors are quantised per tensor, all of one type of a byte. */
export interface Layer {
  op: Op;
  image: Tensor;
  weight: Tensor;
  output: Tensor;
  /** One for each kernel; null when the operator has none. */
  biases: Int32Array | null;
  depthwise: boolean;
  /** Kernels reach beyond the image, where every channel has its zero point. */
  padded: boolean;
}

/** Value of each channel as stored (not less its zero point); null = not the same for all images. */
export type ChannelValues = readonly (number | null)[];

/** Largest sum of products, and what an output stage may add to a bias, that leave fitting it as it is. */
const MAX_ACCUMULATOR = 2 ** 30;

const zeroOf = ({ quant }: Tensor): number => quant!.zeroPoints[0]!;
const scaleOf = ({ quant }: Tensor): number => quant!.scales[0]!;

const isByte = ({ type, quant }: Tensor): boolean =>
  (type === "uint8" || type === "int8") && quant !== null && quant.scales.length === 1;

/** The operator as a layer; null for others, and for convolutions whose channels stay. */
export function layerOf(graph: Graph, op: Op): Layer | null {
  const depthwise = op.kind === "DEPTHWISE_CONV_2D";
  if (!depthwise && op.kind !== "CONV_2D") return null;
  const [image, weight, bias] = op.inputs.map((id) => graph.tensors[id]);
  const output = graph.tensors[op.outputs[0]!]!;
  if (!image || !weight || weight.constant === null || !Array.isArray(weight.shape)) return null;
  const own = [image, weight, output];
  if (!own.every((tensor) => isByte(tensor) && tensor.shape.length === 4)) return null;
  if (own.some(({ type }) => type !== image.type)) return null;
  if (bias !== undefined && (bias.constant === null || bias.type !== "int32")) return null;
  const [kernels, rows, columns, read] = weight.shape as [number, number, number, number];
  const plain = depthwise
    ? kernels === 1 && read === image.shape[3] && read === output.shape[3]
    : read === image.shape[3] && kernels === output.shape[3];
  if (!plain) return null;
  const { padding } = depthwise ? optionsOf(op, "DEPTHWISE_CONV_2D") : optionsOf(op, "CONV_2D");
  const biases = bias === undefined ? null : biasesOf(graph, op, output.shape[3]!);
  const layer = { op, image, weight, output, biases, depthwise };
  let largest = 0;
  for (const value of biases ?? []) largest = Math.max(largest, Math.abs(value));
  const products = rows * columns * (depthwise ? 1 : read) * 255 * 255;
  if (products + largest + 1024 / factorOf(layer) > MAX_ACCUMULATOR) return null;
  return { ...layer, padded: padding === "same" && rows * columns > 1 };
}

/** Output steps for each accumulator step. */
const factorOf = ({ image, weight, output }: Pick<Layer, "image" | "weight" | "output">): number =>
  (scaleOf(image) * scaleOf(weight)) / scaleOf(output);

/** Where a layer's weights lie. */
export interface Weights {
  bytes: Uint8Array;
  zero: number;
  /** 24 when bytes have a sign. */
  shift: number;
  kernelStep: number;
  tapStep: number;
  /** From plane to plane of a kernel; 0 when depthwise, where it has one. */
  planeStep: number;
  /** Taps in one plane. */
  taps: number;
}

export function weightsOf({ weight, depthwise }: Layer): Weights {
  const [, rows = 1, columns = 1, read = 1] = weight.shape;
  const taps = rows * columns;
  return {
    bytes: weight.constant!,
    zero: zeroOf(weight),
    shift: weight.type === "int8" ? 24 : 0,
    kernelStep: depthwise ? 1 : taps * read,
    tapStep: read,
    planeStep: depthwise ? 0 : 1,
    taps,
  };
}

/** A weight less its zero point. */
export function weightAt(weights: Weights, kernel: number, tap: number, plane: number): number {
  const { bytes, zero, shift, kernelStep, tapStep, planeStep } = weights;
  const byte = bytes[kernel * kernelStep + tap * tapStep + plane * planeStep]!;
  return ((byte << shift) >> shift) - zero;
}

/** What a layer makes of accumulators. */
interface Rounding {
  factor: number;
  zero: number;
  lowest: number;
  highest: number;
  /** How far from a value, in output steps, accumulators may be that surely lead to it. */
  half: number;
}

function roundingOf(layer: Layer): Rounding {
  const { op, output } = layer;
  const factor = factorOf(layer);
  const zero = zeroOf(output);
  const bottom = output.type === "int8" ? -128 : 0;
  const lowest = reluOf(op) === 1 ? Math.max(bottom, zero) : bottom;
  // An output stage moves its steps by less than two accumulator steps.
  return { factor, zero, lowest, highest: bottom + 255, half: 0.5 - 0.05 - 2 * factor };
}

/** Least and most distance from its zero point of each channel of a layer's image. */
interface Distances {
  least: Float64Array;
  most: Float64Array;
  /** Planes of which both are the same, and all others. */
  fixed: readonly number[];
  open: readonly number[];
}

function distancesOf({ image, padded }: Layer, known: ChannelValues | undefined): Distances {
  const zero = zeroOf(image);
  const bottom = image.type === "int8" ? -128 : 0;
  const planes = image.shape[3]!;
  const least = new Float64Array(planes).fill(bottom - zero);
  const most = new Float64Array(planes).fill(bottom + 255 - zero);
  const [fixed, open]: [number[], number[]] = [[], []];
  for (let z = 0; z < planes; z++) {
    const value = known?.[z] ?? null;
    if (value !== null) {
      // Beyond the image a channel has its zero point.
      least[z] = padded ? Math.min(value - zero, 0) : value - zero;
      most[z] = padded ? Math.max(value - zero, 0) : value - zero;
    }
    (least[z] === most[z] ? fixed : open).push(z);
  }
  return { least, most, fixed, open };
}

/**
 * Channels of a layer's output that have one value.
 * @param known the image's channels; undefined = nothing is known
 */
export function valuesOf(layer: Layer, known: ChannelValues | undefined): ChannelValues {
  const distances = distancesOf(layer, known);
  const weights = weightsOf(layer);
  const rounding = roundingOf(layer);
  const values: (number | null)[] = [];
  for (let kernel = 0; kernel < layer.output.shape[3]!; kernel++) {
    const bias = layer.biases?.[kernel] ?? 0;
    values.push(valueOf({ weights, rounding, bias }, kernel, planesOf(layer, kernel, distances)));
  }
  return values;
}

/** The planes that a kernel reads. */
function planesOf({ depthwise }: Layer, kernel: number, distances: Distances): Distances {
  if (!depthwise) return distances;
  const isFixed = distances.least[kernel] === distances.most[kernel];
  return { ...distances, fixed: isFixed ? [kernel] : [], open: isFixed ? [] : [kernel] };
}

/**
 * Value of one channel, null when it is not the same for all images: the sum of what its terms can be at least and at most leads to
 * one value, however halves are rounded. Not for the upper end of the range, where a ReLU6 may clamp.
 */
function valueOf(
  { weights, rounding, bias }: { weights: Weights; rounding: Rounding; bias: number },
  kernel: number,
  { least, most, fixed, open }: Distances,
): number | null {
  const { factor, zero, lowest, highest, half } = rounding;
  const { taps } = weights;
  let sum = bias;
  for (const z of fixed)
    for (let tap = 0; least[z] !== 0 && tap < taps; tap++)
      sum += weightAt(weights, kernel, tap, z) * least[z]!;
  const value = Math.max(Math.round(sum * factor + zero), lowest);
  if (half <= 0 || value >= highest) return null;
  const bottom = value === lowest ? -Infinity : (value - half - zero) / factor;
  const top = (value + half - zero) / factor;
  let [low, high] = [sum, sum];
  if (low < bottom || high > top) return null;
  for (const z of open)
    for (let tap = 0; tap < taps; tap++) {
      const weight = weightAt(weights, kernel, tap, z);
      low += Math.min(weight * least[z]!, weight * most[z]!);
      high += Math.max(weight * least[z]!, weight * most[z]!);
      // Every further term can only widen this, as all of them can be 0: most kernels end here at once.
      if (low < bottom || high > top) return null;
    }
  return value;
}
