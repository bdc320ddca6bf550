// One operator or a whole graph on the CPU kernels: the integer reference that everything else is compared with.
// SPDX-License-Identifier: MIT
import type { Core } from "../../core.ts";
import type { Graph, Op } from "../../ir/graph.ts";
import { tensorAt } from "./check.ts";
import { CpuProgram, type OperatorObserver, type TensorValues } from "./program.ts";

/**
 * Computes all outputs of one operator. Leaves the core's memory as it was.
 * @param values bytes of each input that is not a constant
 * @returns bytes of each output
 * @throws UnsupportedError TW_UNSUP_OPERATOR, TransportError TW_IO_INPUT, PlanError TW_PLAN_LIMIT
 */
export function runOperator(core: Core, graph: Graph, op: Op, values: TensorValues): Uint8Array[] {
  return core.scope(() => {
    const results = new CpuProgram(core, graph, [op.id], op.outputs).run(values);
    return op.outputs.map((id) => results.get(id)!);
  });
}

/**
 * Computes a whole graph. Leaves the core's memory as it was.
 * @param inputs bytes of each graph input, in the graph's order
 * @param observe called after every operator with its outputs, for comparisons layer by layer
 * @returns bytes of each graph output, by tensor id
 * @throws UnsupportedError TW_UNSUP_OPERATOR, TransportError TW_IO_INPUT, PlanError TW_PLAN_LIMIT
 */
export function runGraph(
  core: Core,
  graph: Graph,
  inputs: readonly Uint8Array[],
  observe?: OperatorObserver,
): Map<number, Uint8Array> {
  const given = new Map(graph.inputs.map((id, i) => [id, inputs[i] ?? new Uint8Array(0)]));
  return core.scope(() => {
    const ids = graph.ops.map((op) => op.id);
    const computed = new CpuProgram(core, graph, ids).run((id) => given.get(id)!, observe);
    return new Map(
      graph.outputs.map((id) => [
        id,
        // a graph may also return one of its inputs or a constant
        computed.get(id) ?? given.get(id) ?? tensorAt(graph, id).constant!,
      ]),
    );
  });
}
