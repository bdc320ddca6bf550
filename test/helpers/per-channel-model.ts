// Models with a scale for each channel, as converters write them, from a seed: one layer, or a small network around it.
// SPDX-License-Identifier: MIT
import {
  elementCount,
  type Activation,
  type Graph,
  type Op,
  type Tensor,
} from "../../core-as/ir/graph.ts";
import { windowOutputSize } from "../../core-as/ir/shapes-window.ts";
import { graph, op, tensor } from "./make-graph.ts";
import { rng } from "./prng.mjs";
import { modelBytes } from "./window-model.ts";

export interface PerChannelCase {
  kind: "CONV_2D" | "DEPTHWISE_CONV_2D" | "FULLY_CONNECTED";
  /** Rows and columns; a fully connected layer has a batch of rows. */
  size: readonly [number, number];
  channels: number;
  outputs: number;
  kernel?: readonly [number, number];
  stride?: number;
  dilation?: number;
  padding?: "same" | "valid";
  activation?: Activation;
  /** Largest scale over the smallest. */
  spread: number;
  /** Input zero point as uint8; default 128. */
  inputZero?: number;
  /** Biases beyond the output's range here and there. */
  largeBias?: boolean;
  /** Channels without weights, with hardly any, and with a scale near 0. */
  deadChannels?: boolean;
  /** Share of the weights that are 0. */
  sparse?: number;
  /** Groups of a CONV_2D. */
  groups?: number;
  /** Standard deviation of the largest channel in output steps; default 40. */
  swing?: number;
  /** Bytes enter and leave as uint8, with QUANTIZE operators. */
  unsigned?: boolean;
}

const SCALE = 0.05;

/** Name of a case: what differs from the defaults. */
export const caseName = (c: PerChannelCase): string =>
  Object.entries(c)
    .map(([key, value]) => `${key} ${Array.isArray(value) ? value.join("x") : String(value)}`)
    .join(", ");

function byteTensor(type: "int8" | "uint8", shape: number[], scale: number, zero: number): Tensor {
  const made = tensor(shape, { type, scales: [scale] });
  return { ...made, quant: { ...made.quant!, zeroPoints: Int32Array.of(zero) } };
}

/** Weights of a case and their scales; every channel uses its whole range, as converters see to it. */
function weightsOf(c: PerChannelCase, shape: number[], axis: number, random: () => number): Tensor {
  const stored = new Int8Array(elementCount(shape));
  for (let i = 0; i < stored.length; i++)
    stored[i] = random() < (c.sparse ?? 0) ? 0 : Math.round(random() * 254 - 127);
  const kernels = stored.length / c.outputs;
  const at = (channel: number, k: number): number =>
    axis === 0 ? channel * kernels + k : k * c.outputs + channel;
  const scales = new Float32Array(c.outputs);
  for (let channel = 0; channel < c.outputs; channel++) {
    stored[at(channel, Math.floor(random() * kernels))] = random() < 0.5 ? 127 : -127;
    scales[channel] = 0.01 * c.spread ** -random();
    if (c.deadChannels !== true) continue;
    const fate = channel % 5;
    if (fate === 1) for (let k = 0; k < kernels; k++) stored[at(channel, k)] = 0;
    if (fate === 2) for (let k = 0; k < kernels; k++) stored[at(channel, k)] = k % 3 === 0 ? 1 : 0;
    if (fate === 3) scales[channel] = 1e-9;
  }
  scales[0] = 0.01;
  const zeroPoints = new Int32Array(c.outputs);
  const constant = new Uint8Array(stored.buffer);
  return { ...tensor(shape, { type: "int8" }), constant, quant: { scales, zeroPoints, axis } };
}

/** A file of one layer with a scale for each channel. */
export function perChannelModel(c: PerChannelCase): Uint8Array {
  const label = rng(caseName(c));
  const random = (): number => label.u();
  const isDepthwise = c.kind === "DEPTHWISE_CONV_2D";
  const [kS, kF] = c.kernel ?? [1, 1];
  const isDense = c.kind === "FULLY_CONNECTED";
  const read = isDepthwise ? 1 : c.channels / (c.groups ?? 1);
  const shape = isDense
    ? [c.outputs, c.channels]
    : isDepthwise
      ? [1, kS, kF, c.outputs]
      : [c.outputs, kS, kF, read];
  const weights = weightsOf(c, shape, isDepthwise ? 3 : 0, random);
  const length = read * kS * kF;
  const zero = (c.inputZero ?? 128) - 128;
  const [rows, columns] = c.size;
  const stride = c.stride ?? 1;
  const dilation = c.dilation ?? 1;
  const padding = c.padding ?? "same";
  const sides = [rows, columns].map((side, i) =>
    windowOutputSize(padding, side, [kS, kF][i]!, stride, dilation),
  );
  const inShape = isDense ? [rows, c.channels] : [1, rows, columns, c.channels];
  const outShape = isDense ? [rows, c.outputs] : [1, ...sides, c.outputs];
  // Deviation of the largest channel's sum: uniform weights and uniform bytes.
  const deviation = 0.01 * SCALE * Math.sqrt(length) * 73 * 74;
  const outScale = deviation / (c.swing ?? 40);
  const activation = c.activation ?? "none";
  const isRectified = activation !== "none";
  const output = byteTensor(
    "int8",
    outShape,
    activation === "relu6" ? Math.min(outScale, 6 / 255) : outScale,
    isRectified ? -128 : Math.round(random() * 60 - 30),
  );
  const biases = Int32Array.from(weights.quant!.scales, (scale) => {
    const real = (random() - 0.5) * output.quant!.scales[0]! * (c.largeBias ? 2000 : 100);
    // Accumulators must not overflow, which converters see to.
    return Math.max(-(2 ** 30), Math.min(2 ** 30, Math.round(real / (SCALE * scale))));
  });
  const bias: Tensor = {
    ...tensor([c.outputs], { type: "int32", scales: [1] }),
    constant: new Uint8Array(biases.buffer),
    quant: {
      scales: weights.quant!.scales.map((scale) => scale * SCALE),
      zeroPoints: new Int32Array(c.outputs),
      axis: 0,
    },
  };
  const options = isDense
    ? { activation, weightsFormat: 0, keepNumDims: false }
    : {
        padding,
        strideH: stride,
        strideW: stride,
        dilationH: dilation,
        dilationW: dilation,
        activation,
        ...(isDepthwise && { depthMultiplier: c.outputs / c.channels }),
      };
  const input = byteTensor("int8", inShape, SCALE, zero);
  const tensors = [input, weights, bias, output];
  const ops = [op(c.kind, [0, 1, 2], [3], options)];
  return modelBytes(c.unsigned === true ? unsigned(tensors, ops) : graph(tensors, ops, [0], [3]));
}

/** The graph between operators that make uint8 of its input and output. */
function unsigned(tensors: Tensor[], ops: Op[]): Graph {
  const shifted = (of: Tensor): Tensor =>
    byteTensor("uint8", of.shape, of.quant!.scales[0]!, of.quant!.zeroPoints[0]! + 128);
  const last = tensors.length;
  const all = [...tensors, shifted(tensors[0]!), shifted(tensors[3]!)];
  const chain = [op("QUANTIZE", [last], [0]), ...ops, op("QUANTIZE", [3], [last + 1])];
  return graph(all, chain, [last], [last + 1]);
}

/** The visible grid: kinds, spreads, sizes, and everything that is awkward. */
export function perChannelGrid(): PerChannelCase[] {
  const spreads = [2, 10, 100];
  const grid: PerChannelCase[] = spreads.flatMap((spread): PerChannelCase[] => [
    { kind: "CONV_2D", size: [12, 12], channels: 8, outputs: 24, kernel: [3, 3], spread },
    {
      kind: "CONV_2D",
      size: [9, 14],
      channels: 24,
      outputs: 40,
      spread,
      inputZero: 0,
      activation: "relu",
    },
    { kind: "CONV_2D", size: [7, 7], channels: 96, outputs: 130, spread, activation: "relu6" },
    {
      kind: "CONV_2D",
      size: [16, 15],
      channels: 3,
      outputs: 16,
      kernel: [3, 3],
      stride: 2,
      spread,
    },
    {
      kind: "DEPTHWISE_CONV_2D",
      size: [14, 14],
      channels: 48,
      outputs: 48,
      kernel: [3, 3],
      spread,
    },
    {
      kind: "DEPTHWISE_CONV_2D",
      size: [7, 7],
      channels: 70,
      outputs: 70,
      kernel: [3, 3],
      spread,
      inputZero: 0,
      activation: "relu6",
    },
    {
      kind: "DEPTHWISE_CONV_2D",
      size: [15, 13],
      channels: 20,
      outputs: 20,
      kernel: [3, 3],
      stride: 2,
      spread,
    },
    { kind: "FULLY_CONNECTED", size: [1, 1], channels: 200, outputs: 100, spread },
    {
      kind: "FULLY_CONNECTED",
      size: [5, 1],
      channels: 64,
      outputs: 33,
      spread,
      activation: "relu",
    },
  ]);
  return [
    ...grid,
    { kind: "CONV_2D", size: [10, 10], channels: 16, outputs: 1, kernel: [3, 3], spread: 1 },
    { kind: "CONV_2D", size: [5, 3], channels: 1, outputs: 2, kernel: [5, 5], spread: 3 },
    {
      kind: "CONV_2D",
      size: [8, 8],
      channels: 16,
      outputs: 20,
      kernel: [3, 3],
      spread: 30,
      deadChannels: true,
    },
    {
      kind: "CONV_2D",
      size: [8, 8],
      channels: 32,
      outputs: 32,
      spread: 10,
      largeBias: true,
      activation: "relu",
    },
    {
      kind: "CONV_2D",
      size: [13, 13],
      channels: 8,
      outputs: 12,
      kernel: [3, 3],
      dilation: 2,
      spread: 10,
    },
    {
      kind: "CONV_2D",
      size: [20, 20],
      channels: 4,
      outputs: 12,
      kernel: [3, 3],
      dilation: 7,
      spread: 10,
    },
    {
      kind: "CONV_2D",
      size: [9, 9],
      channels: 12,
      outputs: 12,
      kernel: [3, 3],
      groups: 3,
      spread: 10,
    },
    { kind: "CONV_2D", size: [9, 9], channels: 16, outputs: 24, stride: 2, spread: 20 },
    { kind: "CONV_2D", size: [8, 8], channels: 32, outputs: 24, spread: 10, swing: 300 },
    {
      kind: "CONV_2D",
      size: [8, 8],
      channels: 64,
      outputs: 24,
      kernel: [3, 3],
      spread: 10,
      sparse: 0.8,
    },
    {
      kind: "DEPTHWISE_CONV_2D",
      size: [6, 6],
      channels: 1,
      outputs: 8,
      kernel: [3, 3],
      spread: 10,
    },
    {
      kind: "DEPTHWISE_CONV_2D",
      size: [8, 8],
      channels: 6,
      outputs: 12,
      kernel: [3, 3],
      spread: 10,
    },
    {
      kind: "DEPTHWISE_CONV_2D",
      size: [10, 10],
      channels: 16,
      outputs: 16,
      kernel: [5, 5],
      spread: 50,
    },
    {
      kind: "DEPTHWISE_CONV_2D",
      size: [12, 12],
      channels: 32,
      outputs: 32,
      kernel: [3, 3],
      spread: 300,
      swing: 500,
      activation: "relu6",
    },
    {
      kind: "DEPTHWISE_CONV_2D",
      size: [9, 9],
      channels: 24,
      outputs: 24,
      kernel: [3, 3],
      spread: 10,
      deadChannels: true,
    },
    {
      kind: "DEPTHWISE_CONV_2D",
      size: [11, 11],
      channels: 16,
      outputs: 16,
      kernel: [3, 3],
      dilation: 2,
      spread: 10,
    },
    {
      kind: "DEPTHWISE_CONV_2D",
      size: [9, 9],
      channels: 16,
      outputs: 16,
      kernel: [3, 3],
      padding: "valid",
      spread: 10,
    },
    { kind: "FULLY_CONNECTED", size: [1, 1], channels: 1024, outputs: 10, spread: 10 },
    {
      kind: "CONV_2D",
      size: [11, 11],
      channels: 16,
      outputs: 24,
      kernel: [3, 3],
      spread: 20,
      unsigned: true,
    },
    {
      kind: "DEPTHWISE_CONV_2D",
      size: [11, 11],
      channels: 16,
      outputs: 16,
      kernel: [3, 3],
      spread: 20,
      unsigned: true,
    },
  ];
}
