// Networks that show what the real one keeps to itself: one with more outputs, and ones whose operators stand alone.
// SPDX-License-Identifier: MIT
import { tensorBytes, type Graph, type Model, type Op, type Tensor } from "../ir/graph.ts";
import { writeModel } from "../model/write.ts";

/** Inputs or outputs of one inference: a board takes 32 MiB in a frame. */
export const MOST_BYTES = 24 * 2 ** 20;
/** Operators of one network that stand alone; fewer are quicker to halve when one of them does not compile. */
const MOST_OPERATORS = 64;

const bytesOf = ({ type, shape }: Tensor): number => tensorBytes(type, shape) ?? 0;

/** Splits a list where sums of a size would pass a limit; each part has one entry at least. */
export function chunksOf<T>(
  list: readonly T[],
  sizeOf: (item: T) => number,
  most: number,
  mostItems: number = Infinity,
): T[][] {
  const chunks: T[][] = [];
  let size = Infinity;
  for (const item of list) {
    const last = chunks.at(-1);
    if (last === undefined || size + sizeOf(item) > most || last.length >= mostItems) {
      chunks.push([item]);
      size = sizeOf(item);
    } else {
      last.push(item);
      size += sizeOf(item);
    }
  }
  return chunks;
}

/** A network and what goes in and comes out, by tensors of the original graph. */
export interface Network {
  bytes: Uint8Array;
  inputs: number[];
  outputs: number[];
}

/** Tensors that operators compute, in plan order, in groups that one inference can give back. */
export function readableTensors({ ops, tensors }: Graph): number[][] {
  const computed = [...new Set(ops.flatMap(({ outputs }) => outputs))].filter((id) => id >= 0);
  return chunksOf(computed, (id) => bytesOf(tensors[id]!), MOST_BYTES);
}

/** The model itself with `read` as further outputs. */
export function withOutputs(model: Model, read: readonly number[]): Network {
  const { graph } = model;
  const outputs = [...graph.outputs, ...read.filter((id) => !graph.outputs.includes(id))];
  const bytes = writeModel({ ...model, graph: { ...graph, outputs }, otherSubgraphs: [] });
  return { bytes, inputs: graph.inputs, outputs };
}

const activationsOf = (graph: Graph, op: Op): number[] =>
  [...new Set(op.inputs)].filter((id) => id >= 0 && graph.tensors[id]!.constant === null);

/** Operators in groups for `aloneNetwork`. */
export function aloneGroups(graph: Graph, ops: readonly Op[]): Op[][] {
  const size = (op: Op): number =>
    [...activationsOf(graph, op), ...op.outputs]
      .map((id) => bytesOf(graph.tensors[id]!))
      .reduce((a, b) => a + b, 0);
  return chunksOf(ops, size, MOST_BYTES, MOST_OPERATORS);
}

/**
 * A network in which every operator reads inputs of the network and writes outputs of it, whatever is between them in the
 * model. Operator i of it is ops[i].
 */
export function aloneNetwork(model: Model, ops: readonly Op[]): Network {
  const { graph } = model;
  const inputs = [...new Set(ops.flatMap((op) => activationsOf(graph, op)))];
  const outputs = [...new Set(ops.flatMap((op) => op.outputs))];
  const constants = new Set(ops.flatMap((op) => op.inputs));
  // Copies behind the model's own tensors: a tensor cannot be computed and given at once.
  const copyOf = new Map(inputs.map((id, i) => [id, graph.tensors.length + i]));
  const copies = inputs.map((id, i): Tensor => {
    const tensor = graph.tensors[id]!;
    return { ...tensor, id: graph.tensors.length + i, name: `${tensor.name}, given` };
  });
  const tensors = [
    ...graph.tensors.map((tensor) =>
      tensor.constant === null || constants.has(tensor.id) ? tensor : { ...tensor, constant: null },
    ),
    ...copies,
  ];
  const alone: Graph = {
    ...graph,
    tensors,
    ops: ops.map((op, id) => ({ ...op, id, inputs: op.inputs.map((t) => copyOf.get(t) ?? t) })),
    inputs: [...copyOf.values()],
    outputs,
  };
  return { bytes: writeModel({ ...model, graph: alone, otherSubgraphs: [] }), inputs, outputs };
}
