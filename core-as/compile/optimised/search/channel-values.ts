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

/** Weights of a layer less their zero point, by kernel, tap and channel of the image (0 when depthwise). */
export function weightsOf({
  weight,
  depthwise,
}: Layer): (kernel: number, tap: number, z: number) => number {
  const bytes = weight.constant!;
  const [, rows = 1, columns = 1, read = 1] = weight.shape;
  const taps = rows * columns;
  const zero = zeroOf(weight);
  const sign = weight.type === "int8" ? 24 : 0;
  const at = (index: number): number => ((bytes[index]! << sign) >> sign) - zero;
  return depthwise
    ? (kernel, tap) => at(tap * read + kernel)
    : (kernel, tap, z) => at((kernel * taps + tap) * read + z);
}

/** Taps of a kernel in one plane. */
export const tapsOf = ({ weight }: Layer): number => weight.shape[1]! * weight.shape[2]!;

/** Accumulators that lead to a value, and the value. */
interface Band {
  value: number;
  least: number;
  most: number;
}

/**
 * The value that an accumulator leads to, with all others that surely do; null where that depends on how halves are rounded, and at the
 * upper end, where a ReLU6 may clamp.
 */
function bandOf(layer: Layer, accumulator: number): Band | null {
  const { op, output } = layer;
  const factor = factorOf(layer);
  const zero = zeroOf(output);
  const bottom = output.type === "int8" ? -128 : 0;
  const lowest = reluOf(op) === 1 ? Math.max(bottom, zero) : bottom;
  // An output stage moves its steps by less than two accumulator steps.
  const half = 0.5 - 0.05 - 2 * factor;
  const real = accumulator * factor + zero;
  const value = Math.max(Math.round(real), lowest);
  if (half <= 0 || value >= bottom + 255) return null;
  const [least, most] = [value - half, value + half].map((edge) => (edge - zero) / factor) as [
    number,
    number,
  ];
  const band = { value, least: value === lowest ? -Infinity : least, most };
  return accumulator >= band.least && accumulator <= band.most ? band : null;
}

/**
 * Channels of a layer's output that have one value.
 * @param known the image's channels; undefined = nothing is known
 */
export function valuesOf(layer: Layer, known: ChannelValues | undefined): ChannelValues {
  const { image, depthwise, padded } = layer;
  const zero = zeroOf(image);
  const bottom = image.type === "int8" ? -128 : 0;
  /** Distances of a channel's values from the zero point, least and most. */
  const ranges = Array.from({ length: image.shape[3]! }, (_, z): [number, number] => {
    const value = known?.[z] ?? null;
    if (value === null) return [bottom - zero, bottom + 255 - zero];
    return padded
      ? [Math.min(value - zero, 0), Math.max(value - zero, 0)]
      : [value - zero, value - zero];
  });
  const at = weightsOf(layer);
  const taps = tapsOf(layer);
  return Array.from({ length: layer.output.shape[3]! }, (_, kernel) => {
    const planes = depthwise ? [kernel] : ranges.keys();
    return valueOf(layer, kernel, { planes, ranges, at, taps });
  });
}

interface Terms {
  planes: Iterable<number>;
  ranges: readonly (readonly [number, number])[];
  at: ReturnType<typeof weightsOf>;
  taps: number;
}

/** Value of one channel: the sum of what its terms can be at least and at most stays in the band of one value. */
function valueOf(layer: Layer, kernel: number, { planes, ranges, at, taps }: Terms): number | null {
  const bias = layer.biases?.[kernel] ?? 0;
  let [low, high] = [bias, bias];
  const open: number[] = [];
  for (const z of planes) {
    const [least, most] = ranges[z]!;
    if (least !== most) open.push(z);
    else for (let tap = 0; least !== 0 && tap < taps; tap++) low += at(kernel, tap, z) * least;
  }
  high = low;
  const band = bandOf(layer, low);
  if (band === null) return null;
  for (const z of open) {
    const [least, most] = ranges[z]!;
    for (let tap = 0; tap < taps; tap++) {
      const weight = at(kernel, tap, z);
      low += Math.min(weight * least, weight * most);
      high += Math.max(weight * least, weight * most);
      // Every further term can only widen this, as all of them can be 0: most kernels end here at once.
      if (low < band.least || high > band.most) return null;
    }
  }
  return band.value;
}
