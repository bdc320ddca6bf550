// What TFLite makes of each of the 256 bytes of a tensor, for operators that the NPU computes as a x + b.
// SPDX-License-Identifier: MIT
import {
  productFactor,
  quantiseMultiplier,
  requantise,
  rescaleTable,
} from "../../ir/fixed-point.ts";
import type { Graph, Op, Tensor } from "../../ir/graph.ts";
import { scaleOf, zp8 } from "../lower-shared.ts";
import { lowestOf, pairTerms } from "./numerics.ts";

/** Output bytes by input bytes, both stored: those of signed tensors + 128. */
export type ByteFunction = Uint8Array;

function byteFunction(lowest: number, valueOf: (byte: number) => number): ByteFunction {
  return Uint8Array.from({ length: 256 }, (_, byte) =>
    Math.min(Math.max(valueOf(byte), lowest), 255),
  );
}

/** QUANTIZE, RELU and the inputs of a CONCATENATION: one scale becomes another. */
export function rescaledBytes(op: Op, from: Tensor, to: Tensor): ByteFunction {
  // TFLite computes this one in binary32.
  if (op.kind === "CONCATENATION" && to.type === "uint8") return rescaleTable(from, to);
  const ratio = scaleOf(from) / scaleOf(to);
  const fixed = quantiseMultiplier(op.kind === "RELU" ? Math.fround(ratio) : ratio);
  const lowest = op.kind === "RELU" ? zp8(to) : 0;
  return byteFunction(lowest, (byte) => requantise(byte - zp8(from), fixed) + zp8(to));
}

/** ADD, SUB and MUL of `from` with a constant byte. */
export function arithmeticBytes(
  graph: Graph,
  op: Op,
  from: Tensor,
  constant: number,
): ByteFunction {
  if (op.kind !== "MUL") return sumBytes(graph, op, from)(constant);
  const [a, b] = op.inputs.map((id) => graph.tensors[id]!) as [Tensor, Tensor];
  const to = graph.tensors[op.outputs[0]!]!;
  const fixed = quantiseMultiplier(productFactor(a, b, to));
  const other = constant - zp8(from === a ? b : a);
  return byteFunction(
    lowestOf(op, to),
    (byte) => requantise((byte - zp8(from)) * other, fixed) + zp8(to),
  );
}

/** ADD and SUB of `from` with constant bytes. */
export function sumBytes(graph: Graph, op: Op, from: Tensor): (constant: number) => ByteFunction {
  const [a, b] = op.inputs.map((id) => graph.tensors[id]!) as [Tensor, Tensor];
  const to = graph.tensors[op.outputs[0]!]!;
  const lowest = lowestOf(op, to);
  const { first, ...terms } = pairTerms([a, b], to, op.kind === "SUB" ? -1 : 1, lowest);
  return (constant) =>
    byteFunction(lowest, (byte) => {
      const sum =
        from === a ? terms.a[byte]! + terms.b[constant]! : terms.a[constant]! + terms.b[byte]!;
      // Steps rise: those that the sum reaches are the first ones.
      let [low, high] = [0, first.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (first[middle]! <= sum) low = middle + 1;
        else high = middle;
      }
      return lowest + low;
    });
}
