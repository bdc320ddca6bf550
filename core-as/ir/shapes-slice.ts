// Rules for operators that take a part of a tensor: SLICE, STRIDED_SLICE, GATHER_ND.
// SPDX-License-Identifier: MIT
import { integersOf } from "./constants.ts";
import type { Op, Tensor } from "./graph.ts";
import { checkOutputShape, checkSameType, shapeText } from "./shapes-elementwise.ts";
import type { BoundOp } from "./shapes.ts";

/** What a slice takes from each dimension of the input. */
export interface Slice {
  start: number[];
  step: number[];
  count: number[];
  /** Dimensions that the output does not have; their count is 1. */
  dropped: boolean[];
}

/** Shape of the output of a slice. */
function sliceShape({ count, dropped }: Slice): number[] {
  return count.filter((_, i) => !dropped[i]);
}

/**
 * SLICE: first entry and number of entries by dimension; -1 = up to the end.
 * @returns null when begin or size are computed, a sentence when they leave the input
 */
export function resolveSlice(input: Tensor, begin: Tensor, size: Tensor): Slice | string | null {
  const start = integersOf(begin);
  const sizes = integersOf(size);
  if (start === null || sizes === null) return null;
  const { shape } = input;
  if (start.length !== shape.length || sizes.length !== shape.length)
    return `begin has ${start.length} and size ${sizes.length} entries for ${shapeText(shape)}`;
  const count = sizes.map((entry, i) => (entry === -1 ? shape[i]! - start[i]! : entry));
  for (const [i, entries] of count.entries())
    if (!(start[i]! >= 0 && entries >= 0 && start[i]! + entries <= shape[i]!))
      return `${sizes[i]} entries from ${start[i]} leave dimension ${i} of ${shapeText(shape)}`;
  return { start, step: shape.map(() => 1), count, dropped: shape.map(() => false) };
}

/** SLICE. */
export function checkSlice({ inputs, outputs }: BoundOp): string | null {
  const input = inputs[0]!;
  const types = checkSameType([input, outputs[0]!], "input and output");
  return types ?? checkResolved(resolveSlice(input, inputs[1]!, inputs[2]!), outputs[0]!);
}

function checkResolved(slice: Slice | string | null, output: Tensor): string | null {
  if (slice === null || typeof slice === "string") return slice;
  return checkOutputShape(output, sliceShape(slice), "the slice is");
}

const clamp = (value: number, low: number, high: number) => Math.min(Math.max(value, low), high);

/**
 * STRIDED_SLICE with TFLite's masks: bit i speaks of entry i of begin, end and strides.
 * @param operands input, begin, end, strides
 * @returns null when an operand is computed or dimensions are inserted, a sentence when there is no such slice
 */
export function resolveStridedSlice(op: Op, operands: readonly Tensor[]): Slice | string | null {
  const { shape } = operands[0]!;
  const [begin, end, strides] = operands.slice(1, 4).map(integersOf) as Array<number[] | null>;
  if (!begin || !end || !strides) return null;
  if (op.options["ellipsisMask"] !== 0 || op.options["newAxisMask"] !== 0) return null;
  if (begin.length > shape.length || [end, strides].some((list) => list.length !== begin.length))
    return `begin, end and strides have ${begin.length}, ${end.length} and ${strides.length} entries for ${shapeText(shape)}`;

  const has = (mask: string, i: number): boolean => ((Number(op.options[mask]) >> i) & 1) !== 0;
  const slice: Slice = { start: [], step: [], count: [], dropped: [] };
  for (const [i, size] of shape.entries()) {
    const step = strides[i] ?? 1;
    if (step === 0) return `the stride of dimension ${i} is 0`;
    // One in front of the first entry and one behind the last are positions, too.
    const [low, high] = step > 0 ? [0, size] : [-1, size - 1];
    const resolve = (index: number): number => clamp(index < 0 ? index + size : index, low, high);
    const isOpen = (mask: string): boolean => i >= begin.length || has(mask, i);
    const start = isOpen("beginMask") ? (step > 0 ? 0 : size - 1) : resolve(begin[i]!);
    const isDropped = i < begin.length && has("shrinkAxisMask", i);
    if (isDropped && !(start >= 0 && start < size))
      return `entry ${begin[i]} of dimension ${i} of ${shapeText(shape)} does not exist`;
    const stop = op.options["offset"] === true ? start + end[i]! : end[i]!;
    const last = isOpen("endMask") ? (step > 0 ? size : -1) : resolve(stop);
    slice.start.push(start);
    slice.step.push(step);
    slice.count.push(isDropped ? 1 : Math.max(0, Math.ceil((last - start) / step)));
    slice.dropped.push(isDropped);
  }
  return slice;
}

/** STRIDED_SLICE. */
export function checkStridedSlice({ op, inputs, outputs }: BoundOp): string | null {
  const types = checkSameType([inputs[0]!, outputs[0]!], "input and output");
  return types ?? checkResolved(resolveStridedSlice(op, inputs as Tensor[]), outputs[0]!);
}

/** GATHER_ND: the last dimension of the indices names an entry of the first dimensions of the input. */
export function checkGatherNd({ inputs, outputs }: BoundOp): string | null {
  const { shape } = inputs[0]!;
  const indices = inputs[1]!;
  const types = checkSameType([inputs[0]!, outputs[0]!], "input and output");
  if (types !== null) return types;
  if (indices.type !== "int32" && indices.type !== "int64" && indices.type !== "int16")
    return `indices are ${indices.type}`;
  const depth = indices.shape.at(-1);
  if (depth === undefined || depth > shape.length)
    return `indices ${shapeText(indices.shape)} do not fit input ${shapeText(shape)}`;

  for (const [i, index] of (integersOf(indices) ?? []).entries())
    if (!(index >= 0 && index < shape[i % depth]!))
      return `index ${index} is outside of dimension ${i % depth} of ${shapeText(shape)}`;
  const wanted = [...indices.shape.slice(0, -1), ...shape.slice(depth)];
  return checkOutputShape(outputs[0]!, wanted, "the indices give");
}
