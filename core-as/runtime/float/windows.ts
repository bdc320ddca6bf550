// Operators with sliding windows and matrices: convolutions, fully connected layers, pooling.
// SPDX-License-Identifier: MIT
import { elementsOf } from "../../ir/elements.ts";
import { elementCount, type Op, type PoolOptions, type Tensor } from "../../ir/graph.ts";
import { windowAxis } from "../cpu/geometry.ts";
import { activate, type FloatContext, type FloatOperator, type Reals } from "./operator.ts";

type Four = [number, number, number, number];

interface WindowOptions {
  padding: PoolOptions["padding"];
  strideH: number;
  strideW: number;
  dilationH?: number;
  dilationW?: number;
}

interface Window {
  input: Four;
  output: Four;
  kernel: [h: number, w: number];
  stride: [h: number, w: number];
  dilation: [h: number, w: number];
  before: [h: number, w: number];
}

function windowOf(op: Op, input: Tensor, output: Tensor, kernel: [number, number]): Window {
  const o = op.options as unknown as WindowOptions;
  const dilation: [number, number] = [o.dilationH ?? 1, o.dilationW ?? 1];
  const y = windowAxis(o.padding, input.shape[1]!, kernel[0], o.strideH, dilation[0]);
  const x = windowAxis(o.padding, input.shape[2]!, kernel[1], o.strideW, dilation[1]);
  return {
    input: input.shape as Four,
    output: output.shape as Four,
    kernel,
    stride: [o.strideH, o.strideW],
    dilation,
    before: [y.before, x.before],
  };
}

/** Calls back for every output pixel with the input offsets of its taps; -1 = in the padding. */
function forEachWindow(
  { input, output, kernel, stride, dilation, before }: Window,
  visit: (taps: Int32Array, pixel: number) => void,
): void {
  const [batches, height, width, channels] = input;
  const [, rows, columns] = output;
  const taps = new Int32Array(kernel[0] * kernel[1]);
  let pixel = 0;
  for (let n = 0; n < batches; n++)
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++) {
        for (let tap = 0; tap < taps.length; tap++) {
          const y = row * stride[0] - before[0] + Math.floor(tap / kernel[1]) * dilation[0];
          const x = column * stride[1] - before[1] + (tap % kernel[1]) * dilation[1];
          const isInside = y >= 0 && y < height && x >= 0 && x < width;
          taps[tap] = isInside ? ((n * height + y) * width + x) * channels : -1;
        }
        visit(taps, pixel++);
      }
}

/** The bias in real numbers: int32 steps of input scale times the channel's weight scale, whatever its own scale says. */
function biasOf(context: FloatContext, channels: number): Reals {
  const id = context.op.inputs[2] ?? -1;
  if (id < 0) return new Float64Array(channels);
  const bias = context.input(2);
  if (bias.type !== "int32") return context.values(2);
  const scale = context.input(0).quant!.scales[0]!;
  const { scales } = context.input(1).quant!;
  const stored = elementsOf(bias.type, bias.constant!)!;
  return stored.map((n, c) => n * scale * scales[scales.length === 1 ? 0 : c]!) as Reals;
}

/** Adds to out[from..] the products of a row with the rows of a matrix, four of these at a time. */
function multiplyRow(
  row: Reals,
  matrix: Reals,
  first: number,
  count: number,
  out: Reals,
  from: number,
): void {
  const length = row.length;
  let r = 0;
  for (; r + 4 <= count; r += 4) {
    const a = (first + r) * length;
    const [b, c, d] = [a + length, a + 2 * length, a + 3 * length] as const;
    let [s0, s1, s2, s3] = [0, 0, 0, 0];
    for (let i = 0; i < length; i++) {
      const value = row[i]!;
      s0 += value * matrix[a + i]!;
      s1 += value * matrix[b + i]!;
      s2 += value * matrix[c + i]!;
      s3 += value * matrix[d + i]!;
    }
    out[from + r]! += s0;
    out[from + r + 1]! += s1;
    out[from + r + 2]! += s2;
    out[from + r + 3]! += s3;
  }
  for (; r < count; r++) {
    const a = (first + r) * length;
    let sum = 0;
    for (let i = 0; i < length; i++) sum += row[i]! * matrix[a + i]!;
    out[from + r]! += sum;
  }
}

/** CONV_2D, weights [o, h, w, i]; grouped when kernels read fewer channels than there are. */
export const conv2d: FloatOperator = (context) => {
  const { op } = context;
  const [input, weights] = [context.values(0), context.values(1)];
  const [kernels, kernelH, kernelW, depth] = context.input(1).shape as Four;
  const groups = context.input(0).shape[3]! / depth;
  const window = windowOf(op, context.input(0), context.output(), [kernelH, kernelW]);
  const bias = biasOf(context, kernels);
  const out = new Float64Array(elementCount(context.output().shape));
  const row = new Float64Array(kernelH * kernelW * depth);
  const each = kernels / groups;
  forEachWindow(window, (taps, pixel) => {
    out.set(bias, pixel * kernels);
    for (let group = 0; group < groups; group++) {
      for (const [tap, at] of taps.entries())
        if (at < 0) row.fill(0, tap * depth, (tap + 1) * depth);
        else row.set(input.subarray(at + group * depth, at + (group + 1) * depth), tap * depth);
      multiplyRow(row, weights, group * each, each, out, pixel * kernels + group * each);
    }
  });
  return [activate(op, out)];
};

/** DEPTHWISE_CONV_2D, weights [1, h, w, i * multiplier]. */
export const depthwiseConv2d: FloatOperator = (context) => {
  const { op } = context;
  const [input, weights] = [context.values(0), context.values(1)];
  const [, kernelH, kernelW, channels] = context.input(1).shape as Four;
  const multiplier = channels / context.input(0).shape[3]!;
  const window = windowOf(op, context.input(0), context.output(), [kernelH, kernelW]);
  const bias = biasOf(context, channels);
  const out = new Float64Array(elementCount(context.output().shape));
  forEachWindow(window, (taps, pixel) => {
    const from = pixel * channels;
    out.set(bias, from);
    for (let tap = 0; tap < taps.length; tap++) {
      const at = taps[tap]!;
      if (at < 0) continue;
      const weight = tap * channels;
      if (multiplier === 1)
        for (let c = 0; c < channels; c++) out[from + c]! += input[at + c]! * weights[weight + c]!;
      else
        for (let c = 0; c < channels; c++)
          out[from + c]! += input[at + Math.floor(c / multiplier)]! * weights[weight + c]!;
    }
  });
  return [activate(op, out)];
};

/** FULLY_CONNECTED, weights [o, i]. */
export const fullyConnected: FloatOperator = (context) => {
  const [input, weights] = [context.values(0), context.values(1)];
  const [kernels, depth] = context.input(1).shape as [number, number];
  const bias = biasOf(context, kernels);
  const out = new Float64Array((input.length / depth) * kernels);
  for (let row = 0; row * depth < input.length; row++) {
    out.set(bias, row * kernels);
    const values = input.subarray(row * depth, (row + 1) * depth);
    multiplyRow(values, weights, 0, kernels, out, row * kernels);
  }
  return [activate(context.op, out)];
};

function pool(context: FloatContext, combine: (values: Reals, count: number) => number): Reals[] {
  const { op } = context;
  const { filterH, filterW } = op.options as unknown as PoolOptions;
  const input = context.values(0);
  const window = windowOf(op, context.input(0), context.output(), [filterH, filterW]);
  const channels = context.output().shape[3]!;
  const out = new Float64Array(elementCount(context.output().shape));
  const values = new Float64Array(filterH * filterW);
  forEachWindow(window, (taps, pixel) => {
    const inside = taps.filter((at) => at >= 0);
    for (let c = 0; c < channels; c++) {
      for (let i = 0; i < inside.length; i++) values[i] = input[inside[i]! + c]!;
      out[pixel * channels + c] = combine(values, inside.length);
    }
  });
  return [activate(op, out)];
}

/** AVERAGE_POOL_2D; padding does not count. */
export const averagePool2d: FloatOperator = (context) =>
  pool(context, (values, count) => {
    let sum = 0;
    for (let i = 0; i < count; i++) sum += values[i]!;
    return sum / count;
  });

/** MAX_POOL_2D. */
export const maxPool2d: FloatOperator = (context) =>
  pool(context, (values, count) => {
    let most = -Infinity;
    for (let i = 0; i < count; i++) most = Math.max(most, values[i]!);
    return most;
  });
