// Arithmetic with constants: one number, a linear function of the other operand; or one number for each channel.
// SPDX-License-Identifier: MIT
import type { Chip } from "../hw/chips.ts";
import type { Extent } from "../ir/extent.ts";
import { elementCount, type Graph, type Op, type Tensor } from "../ir/graph.ts";
import { windowGeometry, type ConvGeometry } from "./conv-geometry.ts";

/** factor * x + offset, in real numbers. */
export interface Linear {
  factor: number;
  offset: number;
}

/** The real value of an 8-bit constant of one element, and its byte (signed ones + 128); else null. */
function scalarOf({
  type,
  shape,
  constant,
  quant,
}: Tensor): { value: number; stored: number } | null {
  if (constant === null || elementCount(shape) !== 1 || quant?.scales.length !== 1) return null;
  const offset = type === "int8" ? 128 : 0;
  const stored = (constant[0]! + offset) & 0xff;
  return { value: (stored - offset - quant.zeroPoints[0]!) * quant.scales[0]!, stored };
}

/** An operator of a tensor and a constant number. */
export interface ScalarArithmetic {
  input: Tensor;
  linear: Linear;
  /** The number as stored; that of a signed tensor + 128. */
  constant: number;
}

/** ADD, SUB or MUL of a tensor and a constant number; null when no operand is one. */
export function scalarArithmetic(graph: Graph, op: Op): ScalarArithmetic | null {
  const [a, b] = op.inputs.map((id) => graph.tensors[id]!) as [Tensor, Tensor];
  const second = scalarOf(b);
  const found = second ?? scalarOf(a);
  if (found === null) return null;
  const { value, stored } = found;
  const linear = linearOf(op.kind, value, second !== null);
  return linear && { input: second === null ? b : a, linear, constant: stored };
}

function linearOf(kind: string, value: number, isSecond: boolean): Linear | null {
  switch (kind) {
    case "ADD":
      return { factor: 1, offset: value };
    case "MUL":
      return { factor: value, offset: 0 };
    case "SUB":
      return isSecond ? { factor: 1, offset: -value } : { factor: -1, offset: value };
    default:
      return null;
  }
}

/** An operator of a tensor and a constant number for each of its channels. */
export interface ChannelArithmetic {
  input: Tensor;
  constant: Tensor;
  /** The constant is the second operand. */
  isSecond: boolean;
}

/** ADD, SUB or MUL of an image and 8-bit constants along its channels; null when it is something else. */
export function channelArithmetic(graph: Graph, op: Op): ChannelArithmetic | null {
  const [a, b] = op.inputs.map((id) => graph.tensors[id]!) as [Tensor, Tensor];
  if ((a.constant === null) === (b.constant === null)) return null;
  const isSecond = b.constant !== null;
  const [input, constant] = isSecond ? [a, b] : [b, a];
  const channels = graph.tensors[op.outputs[0]!]!.shape.at(-1)!;
  const isVector = elementCount(constant.shape) === channels && constant.shape.at(-1) === channels;
  return isVector && channels > 1 ? { input, constant, isSecond } : null;
}

/** A depthwise convolution of one tap. */
export function channelGeometry(image: Extent, chip: Chip): ConvGeometry {
  const one = { kS: 1, kF: 1, strideS: 1, strideF: 1, dilationS: 1, dilationF: 1 };
  const shape = { in: image, out: image, ...one, padTop: 0, padLeft: 0 };
  return windowGeometry({ ...shape, same: false, depthwise: true }, chip);
}

/** True when an operator has constants that the NPU takes: one, or one for each channel. */
export function hasConstants(graph: Graph, op: Op): boolean {
  return scalarArithmetic(graph, op) !== null || channelArithmetic(graph, op) !== null;
}
