// What optimised mode demands of pooling, means and padding.
// SPDX-License-Identifier: MIT
import { generationOf, type Chip } from "../hw/chips.ts";
import { readInts } from "../ir/constants.ts";
import { flatExtent, type Extent } from "../ir/extent.ts";
import type { Graph, Op, PoolOptions, Tensor } from "../ir/graph.ts";
import { operand, result, type Constraint } from "./constraint.ts";
import {
  convLimit,
  pointwiseGeometry,
  windowGeometry,
  type ConvGeometry,
  type WindowShape,
} from "./conv-geometry.ts";

/** Sides of a window that is averaged. */
export interface AverageWindow {
  /** Values of an average. */
  count: number;
  /**
   * A window over the whole image is a 1x1 convolution: its pixels are the planes of an image whose pixels are the
   * channels, which is what the NHWC bytes are.
   */
  global: boolean;
  geometry: ConvGeometry;
}

/** How an AVERAGE_POOL_2D or a MEAN over rows and columns is computed. */
export function averageWindow(graph: Graph, op: Op, chip: Chip): AverageWindow {
  const input = flatExtent(graph.tensors[op.inputs[0]!]!.shape);
  if (op.kind === "MEAN") return globalWindow(input);
  const { filterH, filterW } = poolOptions(op);
  const output = flatExtent(graph.tensors[op.outputs[0]!]!.shape);
  const whole = output.s === 1 && output.f === 1 && filterH === input.s && filterW === input.f;
  const global = globalWindow(input);
  if (whole && convLimit(global.geometry, chip) === null) return global;
  const shape = poolShape(op, input, output);
  return { count: filterH * filterW, global: false, geometry: windowGeometry(shape, chip) };
}

function globalWindow({ s, f, c }: Extent): AverageWindow {
  return {
    count: s * f,
    global: true,
    geometry: pointwiseGeometry({ s: 1, f: c, c: s * f }, 1),
  };
}

function poolShape(op: Op, input: Extent, output: Extent): WindowShape {
  const { filterH, filterW, strideH, strideW } = poolOptions(op);
  // An axis with one position has no stride; windows of one pixel are sampled by theirs.
  const pointwise = filterH === 1 && filterW === 1;
  const strideS = output.s === 1 && !pointwise ? 1 : strideH;
  const strideF = output.f === 1 && !pointwise ? 1 : strideW;
  return {
    in: input,
    out: output,
    kS: filterH,
    kF: filterW,
    strideS,
    strideF,
    dilationS: 1,
    dilationF: 1,
    padTop: 0,
    padLeft: 0,
    same: false,
    depthwise: true,
  };
}

const poolOptions = (op: Op): PoolOptions => op.options as unknown as PoolOptions;

/** Weight of every value of an average: the smallest whose factor the chip can say; the scale takes it back. */
export function averageWeight(input: Tensor, output: Tensor, count: number, chip: Chip): number {
  const factor = input.quant!.scales[0]! / output.quant!.scales[0]! / count;
  return Math.floor(factor / generationOf(chip).maxFactor) + 1;
}

/** Pixels of padding on every side of a PAD that its constraints let pass. */
export function padBorder(amounts: Tensor): {
  top: number;
  bottom: number;
  left: number;
  right: number;
} {
  const [, , top = 0, bottom = 0, left = 0, right = 0] = readInts(amounts.constant!);
  return { top, bottom, left, right };
}

/** True for the padding that the reference driver takes. */
export function padsByOne(amounts: Tensor): boolean {
  const { top, bottom, left, right } = padBorder(amounts);
  return top === 1 && bottom === 1 && left === 1 && right === 1;
}

const MAX_BORDER = 0x7fff;

const PAD_SIDES: Constraint = {
  id: "PAD_SIDES",
  operators: ["PAD"],
  sentence: `Rows and columns are padded by constant amounts of at most ${MAX_BORDER}; batches and channels are not padded.`,
  remedy: "pad channels by zero weights in the operator that follows",
  violation: (context) => {
    const amounts = operand(context, 1);
    if (amounts.constant === null || amounts.type !== "int32") return "the padding is computed";
    const values = [...readInts(amounts.constant)];
    const moved = [0, 1, 6, 7].some((i) => values[i] !== 0);
    return values.length !== 8 || moved || values.some((value) => value < 0 || value > MAX_BORDER)
      ? `the padding is [${values}]`
      : null;
  },
};

const POOL_PADDING: Constraint = {
  id: "POOL_PADDING",
  operators: ["AVERAGE_POOL_2D"],
  sentence: "No window reaches beyond the image: values outside do not count in an average.",
  remedy: "use VALID padding",
  violation: ({ graph, op }) => {
    const { padding, filterH, filterW, strideH, strideW } = poolOptions(op);
    if (padding === "valid") return null;
    const { s, f } = flatExtent(graph.tensors[op.inputs[0]!]!.shape);
    const overhang = (size: number, window: number, stride: number): number =>
      Math.max((Math.ceil(size / stride) - 1) * stride + window - size, 0);
    const [rows, columns] = [overhang(s, filterH, strideH), overhang(f, filterW, strideW)];
    return rows + columns === 0 ? null : `${rows} rows and ${columns} columns of padding`;
  },
};

const MEAN_AXES: Constraint = {
  id: "MEAN_AXES",
  operators: ["MEAN"],
  sentence:
    "Rows and columns of one image are averaged: four dimensions, batch 1, constant axes 1 and 2.",
  remedy: "transpose the tensor, or reshape it to four dimensions",
  violation: (context) => {
    const { shape } = operand(context, 0);
    if (shape.length !== 4 || shape[0] !== 1) return `the input is [${shape}]`;
    const axes = operand(context, 1);
    if (axes.constant === null || axes.type !== "int32") return "the axes are computed";
    const values = [...readInts(axes.constant)];
    const places = new Set(values.map((axis) => (axis + 4) % 4));
    return places.size === 2 && places.has(1) && places.has(2) ? null : `the axes are [${values}]`;
  },
};

const AVERAGE_FITS: Constraint = {
  id: "AVERAGE_FITS",
  operators: ["AVERAGE_POOL_2D", "MEAN"],
  sentence:
    "Sides, channels and window fit the fields of the chip's descriptor; windows over the whole image may have any size.",
  remedy: "make the image or the window smaller",
  violation: ({ graph, op, chip }) => convLimit(averageWindow(graph, op, chip).geometry, chip),
};

const AVERAGE_SCALE: Constraint = {
  id: "AVERAGE_SCALE",
  operators: ["AVERAGE_POOL_2D", "MEAN"],
  sentence:
    "input scale / output scale / number of values is less than 255 x 2^16 (NN core version 8: 510), and not tiny.",
  remedy: "check the quantisation of the layer",
  violation: (context) => {
    const { graph, op, chip } = context;
    const [input, output] = [operand(context, 0), result(context)];
    const { count } = averageWindow(graph, op, chip);
    const factor = input.quant!.scales[0]! / output.quant!.scales[0]! / count;
    return factor > 2 ** -96 && averageWeight(input, output, count, chip) <= 255
      ? null
      : `the factor is ${factor}`;
  },
};

export const WINDOW_CONSTRAINTS: readonly Constraint[] = [
  PAD_SIDES,
  POOL_PADDING,
  MEAN_AXES,
  AVERAGE_SCALE,
  AVERAGE_FITS,
];
