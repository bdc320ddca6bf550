// Operators that combine all values along axes: MEAN, REDUCE_MAX, REDUCE_MIN, ARG_MAX, ARG_MIN.
// SPDX-License-Identifier: MIT
import { integersOf } from "../../ir/constants.ts";
import { elementCount } from "../../ir/graph.ts";
import { axisOf } from "./movement.ts";
import type { FloatContext, FloatOperator, Reals } from "./operator.ts";

/** Combines all elements that fall together when some dimensions vanish. */
function reduce(
  context: FloatContext,
  start: number,
  combine: (a: number, b: number) => number,
): Reals {
  const { shape } = context.input(0);
  const axes = new Set(integersOf(context.input(1))!.map((axis) => axisOf(axis, shape.length)));
  const kept = shape.map((size, i) => (axes.has(i) ? 1 : size));
  const strides = kept.map((_, i) => (axes.has(i) ? 0 : elementCount(kept.slice(i + 1))));
  const out = new Float64Array(elementCount(kept)).fill(start);
  const index = shape.map(() => 0);
  let to = 0;
  for (const value of context.values(0)) {
    out[to] = combine(out[to]!, value);
    // The next element: count up from the innermost dimension.
    for (let d = shape.length - 1; d >= 0; d--) {
      to += strides[d]!;
      if (++index[d]! < shape[d]!) break;
      to -= strides[d]! * shape[d]!;
      index[d] = 0;
    }
  }
  return out;
}

/** MEAN. */
export const mean: FloatOperator = (context) => {
  const sums = reduce(context, 0, (a, b) => a + b);
  const count = elementCount(context.input(0).shape) / sums.length;
  return [sums.map((sum) => sum / count)];
};

/** REDUCE_MAX and REDUCE_MIN. */
export const extreme: FloatOperator = (context) => [
  context.op.kind === "REDUCE_MIN"
    ? reduce(context, Infinity, Math.min)
    : reduce(context, -Infinity, Math.max),
];

/** ARG_MAX and ARG_MIN: the first of equals. */
export const argExtreme: FloatOperator = (context) => {
  const { shape } = context.input(0);
  const axis = axisOf(integersOf(context.input(1))![0]!, shape.length);
  const [size, inner] = [shape[axis]!, elementCount(shape.slice(axis + 1))];
  const sign = context.op.kind === "ARG_MIN" ? -1 : 1;
  const values = context.values(0);
  const out = new Float64Array(values.length / size);
  for (let o = 0; o < out.length; o++) {
    const from = Math.floor(o / inner) * size * inner + (o % inner);
    let best = 0;
    for (let k = 1; k < size; k++)
      if (sign * values[from + k * inner]! > sign * values[from + best * inner]!) best = k;
    out[o] = best;
  }
  return [out];
};
