// Arithmetic with one constant number: a linear function of the other operand.
// SPDX-License-Identifier: MIT
import { elementCount, type Graph, type Op, type Tensor } from "../ir/graph.ts";

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
