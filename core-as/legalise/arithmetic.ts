// Arithmetic with one constant number: a linear function of the other operand.
// SPDX-License-Identifier: MIT
import { elementCount, type Graph, type Op, type Tensor } from "../ir/graph.ts";

/** factor * x + offset, in real numbers. */
export interface Linear {
  factor: number;
  offset: number;
}

/** The real value of an 8-bit constant of one element, else null. */
function scalarOf({ type, shape, constant, quant }: Tensor): number | null {
  if (constant === null || elementCount(shape) !== 1 || quant?.scales.length !== 1) return null;
  const byte = constant[0]!;
  const stored = type === "int8" ? (byte << 24) >> 24 : byte;
  return (stored - quant.zeroPoints[0]!) * quant.scales[0]!;
}

/** ADD, SUB or MUL of a tensor and a constant number; null when no operand is one. */
export function scalarArithmetic(graph: Graph, op: Op): { input: Tensor; linear: Linear } | null {
  const [a, b] = op.inputs.map((id) => graph.tensors[id]!) as [Tensor, Tensor];
  const second = scalarOf(b);
  const value = second ?? scalarOf(a);
  if (value === null) return null;
  const input = second === null ? b : a;
  switch (op.kind) {
    case "ADD":
      return { input, linear: { factor: 1, offset: value } };
    case "MUL":
      return { input, linear: { factor: value, offset: 0 } };
    case "SUB":
      return second === null
        ? { input, linear: { factor: -1, offset: value } }
        : { input, linear: { factor: 1, offset: -value } };
    default:
      return null;
  }
}
