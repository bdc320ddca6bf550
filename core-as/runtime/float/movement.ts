// Operators that move values: concatenations, slices, transpositions, padding, resizing, gathering.
// SPDX-License-Identifier: MIT
import { integersOf } from "../../ir/constants.ts";
import { roundHalfAway } from "../../ir/fixed-point.ts";
import { elementCount, type Op, type Tensor } from "../../ir/graph.ts";
import { resolveSlice, resolveStridedSlice, type Slice } from "../../ir/shapes-slice.ts";
import type { FloatContext, FloatOperator, Reals } from "./operator.ts";

const { fround } = Math;

/** An axis counted from the first dimension. */
export const axisOf = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

const denseStrides = (shape: readonly number[]): number[] =>
  shape.map((_, i) => elementCount(shape.slice(i + 1)));

/** Elements from `start` on in the order of `sizes` with strides. */
function walk(
  from: Reals,
  start: number,
  sizes: readonly number[],
  strides: readonly number[],
): Reals {
  let at = Int32Array.of(start);
  for (const [d, size] of sizes.entries()) {
    const next = new Int32Array(at.length * size);
    for (let i = 0; i < at.length; i++)
      for (let k = 0; k < size; k++) next[i * size + k] = at[i]! + k * strides[d]!;
    at = next;
  }
  const out = new Float64Array(at.length);
  for (let i = 0; i < out.length; i++) out[i] = from[at[i]!]!;
  return out;
}

/** Blocks of parts beside each other: what CONCATENATION and PACK make, and SPLIT and UNPACK undo. */
function join(parts: readonly Reals[], blocks: number): Reals {
  const sizes = parts.map((part) => part.length / blocks);
  const out = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
  let to = 0;
  for (let block = 0; block < blocks; block++)
    for (const [i, part] of parts.entries()) {
      out.set(part.subarray(block * sizes[i]!, (block + 1) * sizes[i]!), to);
      to += sizes[i]!;
    }
  return out;
}

function separate(values: Reals, blocks: number, parts: number): Reals[] {
  const size = values.length / blocks / parts;
  return Array.from({ length: parts }, (_, part) => {
    const out = new Float64Array(blocks * size);
    for (let block = 0; block < blocks; block++) {
      const from = (block * parts + part) * size;
      out.set(values.subarray(from, from + size), block * size);
    }
    return out;
  });
}

const outer = (shape: readonly number[], axis: number): number =>
  elementCount(shape.slice(0, axis));

/** CONCATENATION and PACK. */
export const concatenate: FloatOperator = (context) => {
  const { op } = context;
  const { shape } = context.output();
  const axis = axisOf((op.options as { axis: number }).axis, shape.length);
  const parts = op.inputs.map((_, i) => context.values(i));
  return [join(parts, outer(shape, axis))];
};

/** SPLIT: constant axis, value. */
export const split: FloatOperator = (context) => {
  const { shape } = context.input(1);
  const axis = axisOf(integersOf(context.input(0))![0]!, shape.length);
  return separate(context.values(1), outer(shape, axis), context.op.outputs.length);
};

/** UNPACK. */
export const unpack: FloatOperator = (context) => {
  const { shape } = context.input(0);
  const axis = axisOf((context.op.options as { axis: number }).axis, shape.length);
  return separate(context.values(0), outer(shape, axis), context.op.outputs.length);
};

function sliceOf(op: Op, operands: Tensor[]): Slice {
  const found =
    op.kind === "SLICE"
      ? resolveSlice(operands[0]!, operands[1]!, operands[2]!)
      : resolveStridedSlice(op, operands);
  // The integer operator has been checked before.
  return found as Slice;
}

/** SLICE and STRIDED_SLICE. */
export const slice: FloatOperator = (context) => {
  const operands = context.op.inputs.map((_, i) => context.input(i));
  const { start, step, count } = sliceOf(context.op, operands);
  const dense = denseStrides(context.input(0).shape);
  const first = start.reduce((sum, n, i) => sum + n * dense[i]!, 0);
  const strides = dense.map((stride, i) => stride * step[i]!);
  return [walk(context.values(0), first, count, strides)];
};

/** TRANSPOSE. */
export const transpose: FloatOperator = (context) => {
  const dense = denseStrides(context.input(0).shape);
  const order = integersOf(context.input(1))!;
  const strides = order.map((dimension) => dense[axisOf(dimension, dense.length)]!);
  return [walk(context.values(0), 0, context.output().shape, strides)];
};

/** Walks six dimensions of which the third and the fourth change places. */
function swapInner(values: Reals, six: readonly number[]): Reals {
  const dense = denseStrides(six);
  const pick = (list: readonly number[]): number[] => [0, 1, 3, 2, 4, 5].map((i) => list[i]!);
  return walk(values, 0, pick(six), pick(dense));
}

/** SPACE_TO_DEPTH: [n, h, by, w, bx, c] becomes [n, h, w, by, bx, c]. */
export const spaceToDepth: FloatOperator = (context) => {
  const { blockSize } = context.op.options as { blockSize: number };
  const [n, h, w] = context.output().shape as [number, number, number];
  const channels = context.input(0).shape[3]!;
  return [swapInner(context.values(0), [n, h, blockSize, w, blockSize, channels])];
};

/** DEPTH_TO_SPACE: [n, h, w, by, bx, c] becomes [n, h, by, w, bx, c]. */
export const depthToSpace: FloatOperator = (context) => {
  const { blockSize } = context.op.options as { blockSize: number };
  const [n, h, w] = context.input(0).shape as [number, number, number];
  const channels = context.output().shape[3]!;
  return [swapInner(context.values(0), [n, h, w, blockSize, blockSize, channels])];
};

/** PAD with the real number 0, PADV2 with a constant. */
export const pad: FloatOperator = (context) => {
  const [input, output] = [context.input(0), context.output()];
  const paddings = integersOf(context.input(1))!;
  const values = context.values(0);
  const filling = context.op.kind === "PADV2" ? context.values(2)[0]! : 0;
  const out = new Float64Array(elementCount(output.shape)).fill(filling);
  const strides = denseStrides(output.shape);
  const first = strides.reduce((sum, stride, i) => sum + stride * paddings[2 * i]!, 0);
  const row = input.shape.at(-1) ?? 1;
  const rows = input.shape.slice(0, -1);
  // Positions of the rows in the output; a row stays in one piece.
  const places = walkPositions(first, rows, strides);
  for (const [i, to] of places.entries()) out.set(values.subarray(i * row, (i + 1) * row), to);
  return [out];
};

function walkPositions(
  start: number,
  sizes: readonly number[],
  strides: readonly number[],
): number[] {
  let at = [start];
  for (const [d, size] of sizes.entries())
    at = at.flatMap((from) => Array.from({ length: size }, (_, k) => from + k * strides[d]!));
  return at;
}

interface ResizeOptions {
  alignCorners: boolean;
  halfPixelCenters: boolean;
}

function scaleOf(input: number, output: number, { alignCorners }: ResizeOptions): number {
  return alignCorners && output > 1 ? (input - 1) / (output - 1) : input / output;
}

interface Tap {
  low: number;
  high: number;
  weight: number;
}

function bilinearTaps(input: number, output: number, options: ResizeOptions): Tap[] {
  const scale = scaleOf(input, output, options);
  return Array.from({ length: output }, (_, i) => {
    const position = options.halfPixelCenters ? (i + 0.5) * scale - 0.5 : i * scale;
    const low = Math.min(Math.max(Math.floor(position), 0), input - 1);
    const high = Math.min(Math.max(Math.ceil(position), 0), input - 1);
    return { low, high, weight: position - low };
  });
}

/** Which pixel is nearest is decided in binary32, as TFLite does. */
function nearestTaps(input: number, output: number, options: ResizeOptions): Tap[] {
  const scale = fround(scaleOf(input, output, options));
  return Array.from({ length: output }, (_, i) => {
    const position = fround((options.halfPixelCenters ? i + 0.5 : i) * scale);
    const whole = options.alignCorners ? roundHalfAway(position) : Math.floor(position);
    const low = Math.min(Math.max(whole, 0), input - 1);
    return { low, high: low, weight: 0 };
  });
}

/** RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR. */
export const resize: FloatOperator = (context) => {
  const makeTaps = context.op.kind === "RESIZE_BILINEAR" ? bilinearTaps : nearestTaps;
  const options = context.op.options as unknown as ResizeOptions;
  const [batches, height, width, channels] = context.input(0).shape as number[] as [
    number,
    number,
    number,
    number,
  ];
  const [, rows, columns] = context.output().shape as [number, number, number, number];
  const [ys, xs] = [makeTaps(height, rows, options), makeTaps(width, columns, options)];
  const values = context.values(0);
  const out = new Float64Array(batches * rows * columns * channels);
  let to = 0;
  for (let n = 0; n < batches; n++)
    for (const y of ys)
      for (const x of xs) {
        const at = (row: number, column: number): number =>
          ((n * height + row) * width + column) * channels;
        const [a, b, c, d] = [
          at(y.low, x.low),
          at(y.low, x.high),
          at(y.high, x.low),
          at(y.high, x.high),
        ];
        for (let i = 0; i < channels; i++) {
          const above = values[a + i]! * (1 - x.weight) + values[b + i]! * x.weight;
          const below = values[c + i]! * (1 - x.weight) + values[d + i]! * x.weight;
          out[to++] = above * (1 - y.weight) + below * y.weight;
        }
      }
  return [out];
};

/** GATHER_ND: slices of the input by rows of indices; an index outside gives zeros, so that a float network never stops. */
export const gatherNd: FloatOperator = (context: FloatContext) => {
  const [input, indices] = [context.input(0), context.input(1)];
  const depth = indices.shape.at(-1)!;
  const strides = denseStrides(input.shape).slice(0, depth);
  const size = elementCount(input.shape.slice(depth));
  const [values, rows] = [context.values(0), context.values(1)];
  const count = elementCount(indices.shape.slice(0, -1));
  const out = new Float64Array(count * size);
  for (let i = 0; i < count; i++) {
    const index = rows.subarray(i * depth, (i + 1) * depth);
    if (!index.every((n, d) => n >= 0 && n < input.shape[d]!)) continue;
    const from = index.reduce((sum, n, d) => sum + n * strides[d]!, 0);
    out.set(values.subarray(from, from + size), i * size);
  }
  return [out];
};
