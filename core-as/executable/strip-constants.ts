// The graph that an executable carries: constants that only NPU operators use are in the coefficient streams already.
// SPDX-License-Identifier: MIT
import type { Graph } from "../ir/graph.ts";
import type { Step } from "./executable.ts";

/**
 * A copy of the graph in which only constants that CPU steps read, or that the graph returns, have bytes. A dropped
 * constant is a tensor that has none, is no graph input and is written by no operator.
 */
export function stripConstants(graph: Graph, steps: readonly Step[]): Graph {
  const needed = new Set(graph.outputs);
  for (const step of steps)
    if (step.kind === "cpu")
      for (const op of step.ops) for (const id of graph.ops[op]!.inputs) needed.add(id);
  const tensors = graph.tensors.map((tensor) =>
    tensor.constant === null || needed.has(tensor.id) ? tensor : { ...tensor, constant: null },
  );
  return { ...graph, tensors };
}
