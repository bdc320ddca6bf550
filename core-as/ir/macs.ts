// How much arithmetic an operator is: multiply-accumulate operations, counted from shapes alone.
// SPDX-License-Identifier: MIT
import { elementCount, type Graph, type Op } from "./graph.ts";

/**
 * Multiply-accumulate operations of an operator: those of its weights, one for each weight and output position, padding
 * counted as if it were data. Operators without weights count as 0: their work is moving, comparing and scaling.
 * @param graph the tensors need shapes only, not the weights themselves
 */
export function countMacs(graph: Graph, op: Op): number {
  const shape = (id: number | undefined): readonly number[] =>
    id === undefined || id < 0 ? [] : (graph.tensors[id]?.shape ?? []);
  const product = (sizes: readonly number[]): number => elementCount(sizes);
  const output = shape(op.outputs[0]);
  const weights = shape(op.inputs[1]);
  switch (op.kind) {
    // weights [o, h, w, c]
    case "CONV_2D":
      return product(output) * product(weights.slice(1));
    // weights [1, h, w, o]
    case "DEPTHWISE_CONV_2D":
      return product(output) * product(weights.slice(1, 3));
    // weights [o, c]
    case "FULLY_CONNECTED":
      return product(output) * product(weights.slice(1));
    // inputs: output shape, weights [o, h, w, c], data; every input element meets every tap of every output channel
    case "TRANSPOSE_CONV":
      return product(shape(op.inputs[2])) * product(weights.slice(0, 3));
    default:
      return 0;
  }
}
