// Models of one operator with a window, by hand: deterministic weights and quantisation that uses most of the output's range.
// SPDX-License-Identifier: MIT
import {
  elementCount,
  type Activation,
  type Graph,
  type Op,
  type Tensor,
} from "../../core-as/ir/graph.ts";
import { windowOutputSize } from "../../core-as/ir/shapes-window.ts";
import { writeModel } from "../../core-as/model/write.ts";
import { graph, op, tensor } from "./make-graph.ts";
import { rng } from "./prng.mjs";

export type ByteType = "uint8" | "int8";
type Pair = readonly [rows: number, columns: number];

export interface ConvCase {
  kind: "CONV_2D" | "DEPTHWISE_CONV_2D";
  type: ByteType;
  size: Pair;
  channels: number;
  /** Output channels; of a depthwise convolution a multiple of the input's. */
  outputs: number;
  kernel: Pair;
  stride: Pair;
  dilation?: Pair;
  /** Groups of channels, of which each kernel reads one. */
  groups?: number;
  padding?: "same" | "valid";
  activation?: Activation;
  /** A PAD before it: top, bottom, left, right. */
  pad?: readonly [number, number, number, number];
  /** Real factor from accumulator to output; left out: one that uses most of the output's range. */
  factor?: number;
  /** Stored output zero point as uint8. */
  outZero?: number;
}

export interface PoolCase {
  type: ByteType;
  size: Pair;
  channels: number;
  window: Pair;
  stride: Pair;
  padding?: "same" | "valid";
  activation?: Activation;
}

export interface MeanCase {
  type: ByteType;
  size: Pair;
  channels: number;
  axes?: number[];
  keepDims?: boolean;
  scales?: readonly [number, number];
}

const ZERO = { uint8: 121, int8: -9 };

function quantised(type: ByteType, shape: number[], scale: number, zeroPoint = ZERO[type]): Tensor {
  const made = tensor(shape, { type, scales: [scale] });
  return { ...made, quant: { ...made.quant!, zeroPoints: Int32Array.of(zeroPoint) } };
}

/**
 * A 1x1 convolution of one channel with a weight of one and rising biases: on an image of all bytes its accumulators are all
 * numbers from the first output step to the last, and more.
 */
export function everyAccumulatorModel(
  factor: number,
  outZero: number,
  activation: Activation,
): Uint8Array {
  const below = Math.ceil((outZero + 4) / factor / 256);
  const channels = below + Math.ceil((260 - outZero) / factor / 256);
  const input = quantised("uint8", [1, 16, 16, 1], 0.5, 0);
  const weights = {
    ...quantised("uint8", [channels, 1, 1, 1], 0.25, 7),
    constant: new Uint8Array(channels).fill(8),
  };
  const values = Int32Array.from({ length: channels }, (_, i) => (i - below) * 256);
  const bias: Tensor = {
    ...tensor([channels], { type: "int32", scales: [0.5 * 0.25] }),
    constant: new Uint8Array(values.buffer),
  };
  const output = quantised("uint8", [1, 16, 16, channels], (0.5 * 0.25) / factor, outZero);
  const options = {
    padding: "same",
    strideH: 1,
    strideW: 1,
    dilationH: 1,
    dilationW: 1,
    activation,
  };
  const ops = [op("CONV_2D", [0, 1, 2], [3], options)];
  return modelBytes(graph([input, weights, bias, output], ops, [0], [3]));
}

/** A file of the graph. */
export function modelBytes(g: Graph): Uint8Array {
  return writeModel({ description: "test", schemaVersion: 3, graph: g, otherSubgraphs: [] });
}

function weightsOf(type: ByteType, shape: number[], seed: string): Tensor {
  const random = rng(seed);
  const constant = Uint8Array.from({ length: elementCount(shape) }, () => random.next() >>> 7);
  // TFLite takes int8 weights as symmetric.
  return { ...quantised(type, shape, 0.01, type === "int8" ? 0 : 130), constant };
}

export function convModel(c: ConvCase): Uint8Array {
  const { kind, type, channels, outputs, kernel, stride, dilation = [1, 1], groups = 1 } = c;
  const [top, bottom, left, right] = c.pad ?? [0, 0, 0, 0];
  const padding = c.padding ?? "same";
  const input = quantised(type, [1, ...c.size, channels], 0.05);
  const padded = quantised(
    type,
    [1, c.size[0] + top + bottom, c.size[1] + left + right, channels],
    0.05,
  );
  const from = c.pad ? padded : input;
  const depthwise = kind === "DEPTHWISE_CONV_2D";
  const weights = weightsOf(
    type,
    depthwise ? [1, ...kernel, outputs] : [outputs, ...kernel, channels / groups],
    JSON.stringify(c),
  );
  const values = Int32Array.from({ length: outputs }, (_, i) => (i % 7) * 300 - 900);
  const bias: Tensor = {
    ...tensor([outputs], { type: "int32", scales: [0.05 * 0.01] }),
    constant: new Uint8Array(values.buffer),
  };
  const sides = [0, 1].map((axis) =>
    windowOutputSize(padding, from.shape[axis + 1]!, kernel[axis]!, stride[axis]!, dilation[axis]!),
  );
  const taps = kernel[0] * kernel[1] * (depthwise ? 1 : channels / groups);
  const scale = c.factor ? (0.05 * 0.01) / c.factor : 0.02 * Math.sqrt(taps);
  const zero = c.outZero === undefined ? ZERO[type] : c.outZero - (type === "int8" ? 128 : 0);
  const output = quantised(type, [1, ...sides, outputs], scale, zero);
  const options = {
    padding,
    strideH: stride[0],
    strideW: stride[1],
    dilationH: dilation[0],
    dilationW: dilation[1],
    activation: c.activation ?? "none",
    ...(depthwise && { depthMultiplier: outputs / channels }),
  };
  if (!c.pad)
    return modelBytes(
      graph([input, weights, bias, output], [op(kind, [0, 1, 2], [3], options)], [0], [3]),
    );
  const amounts = tensor([4, 2], { value: [0, 0, top, bottom, left, right, 0, 0] });
  const ops: Op[] = [op("PAD", [0, 1], [2]), op(kind, [2, 3, 4], [5], options)];
  return modelBytes(graph([input, amounts, padded, weights, bias, output], ops, [0], [5]));
}

export function poolModel(c: PoolCase): Uint8Array {
  const { type, window, stride, padding = "valid" } = c;
  const sides = [0, 1].map((axis) =>
    windowOutputSize(padding, c.size[axis]!, window[axis]!, stride[axis]!, 1),
  );
  const input = quantised(type, [1, ...c.size, c.channels], 0.05);
  const output = quantised(type, [1, ...sides, c.channels], 0.05);
  const options = {
    padding,
    strideH: stride[0],
    strideW: stride[1],
    filterH: window[0],
    filterW: window[1],
    activation: c.activation ?? "none",
  };
  return modelBytes(graph([input, output], [op("AVERAGE_POOL_2D", [0], [1], options)], [0], [1]));
}

export function meanModel(c: MeanCase): Uint8Array {
  const { type, channels, axes = [1, 2], keepDims = false, scales = [0.05, 0.05] } = c;
  const input = quantised(type, [1, ...c.size, channels], scales[0]);
  const reduced = axes.map((axis) => (axis + 4) % 4);
  const shape = input.shape.flatMap((size, axis) =>
    !reduced.includes(axis) ? [size] : keepDims ? [1] : [],
  );
  const output = quantised(type, shape, scales[1], ZERO[type] + 3);
  const list = tensor([axes.length], { value: axes });
  return modelBytes(
    graph([input, list, output], [op("MEAN", [0, 1], [2], { keepDims })], [0], [2]),
  );
}

export function padModel(type: ByteType, shape: number[], amounts: number[]): Uint8Array {
  const input = quantised(type, shape, 0.05);
  const sizes = shape.map((size, i) => size + amounts[2 * i]! + amounts[2 * i + 1]!);
  const list = tensor([4, 2], { value: amounts });
  const output = quantised(type, sizes, 0.05);
  return modelBytes(graph([input, list, output], [op("PAD", [0, 1], [2])], [0], [2]));
}
