// The form of a float operator, and the real numbers behind stored ones.
// SPDX-License-Identifier: MIT
import type { Core } from "../../core.ts";
import { elementsOf } from "../../ir/elements.ts";
import type { Activation, Graph, Op, Tensor } from "../../ir/graph.ts";

/** Real numbers in the order of the tensor's elements. */
export type Reals = Float64Array<ArrayBuffer>;

/** What a float operator sees. */
export interface FloatContext {
  core: Core;
  graph: Graph;
  op: Op;
  /** Tensor of an operand or a result. */
  input(index: number): Tensor;
  output(index?: number): Tensor;
  /** Real numbers of an operand, constants included. */
  values(index: number): Reals;
}

/** Computes the outputs of an operator in binary64, without any rounding to steps. */
export type FloatOperator = (context: FloatContext) => Reals[];

/** True for tensors whose stored numbers stand for others: bytes with scales. */
const isQuantised = ({ type, quant }: Tensor): boolean =>
  quant !== null && (type === "uint8" || type === "int8" || type === "int16");

/** Real numbers of a tensor's bytes: scale * (stored - zero point), per tensor or along an axis; others are as stored. */
export function realsOf(tensor: Tensor, bytes: Uint8Array): Reals {
  const stored = elementsOf(tensor.type, bytes) ?? new Float64Array(0);
  if (!isQuantised(tensor)) return stored as Reals;
  const { scales, zeroPoints, axis } = tensor.quant!;
  if (scales.length === 1) {
    const [scale, zero] = [scales[0]!, zeroPoints[0]!];
    return stored.map((value) => scale * (value - zero)) as Reals;
  }
  const inner = tensor.shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  return stored.map((value, i) => {
    const entry = Math.floor(i / inner) % scales.length;
    return scales[entry]! * (value - zeroPoints[entry]!);
  }) as Reals;
}

/** Numbers as CAST sees them: the stored ones, in a float network without their rounding. */
export function toStored(tensor: Tensor, reals: Reals): Reals {
  if (!isQuantised(tensor)) return reals;
  const [scale, zero] = [tensor.quant!.scales[0]!, tensor.quant!.zeroPoints[0]!];
  return reals.map((real) => real / scale + zero);
}

/** The reverse of toStored. */
export function fromStored(tensor: Tensor, stored: Reals): Reals {
  if (!isQuantised(tensor)) return stored;
  const [scale, zero] = [tensor.quant!.scales[0]!, tensor.quant!.zeroPoints[0]!];
  return stored.map((value) => scale * (value - zero));
}

const BOUNDS: Partial<Record<Activation, [number, number]>> = {
  relu: [0, Infinity],
  relu6: [0, 6],
  relu_n1_to_1: [-1, 1],
};

/** Clamps to the fused activation of an operator, in place. */
export function activate(op: Op, values: Reals): Reals {
  const bounds = BOUNDS[op.options["activation"] as Activation];
  if (bounds === undefined) return values;
  const [low, high] = bounds;
  for (let i = 0; i < values.length; i++) values[i] = Math.min(Math.max(values[i]!, low), high);
  return values;
}

const RANGES: Partial<Record<Tensor["type"], [number, number]>> = {
  uint8: [0, 255],
  int8: [-128, 127],
  int16: [-32768, 32767],
};

/**
 * Clamps to what a quantised tensor can hold, in place. That is part of what a network computes: converters leave a RELU6 out
 * where the range of the output ends at 0 and 6 anyway.
 */
export function clampToRange(tensor: Tensor, values: Reals): Reals {
  if (!isQuantised(tensor)) return values;
  const [scale, zero] = [tensor.quant!.scales[0]!, tensor.quant!.zeroPoints[0]!];
  const [low, high] = RANGES[tensor.type]!.map((stored) => scale * (stored - zero)) as [
    number,
    number,
  ];
  for (let i = 0; i < values.length; i++) values[i] = Math.min(Math.max(values[i]!, low), high);
  return values;
}
