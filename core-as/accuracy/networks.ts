// Networks that show what the real one keeps to itself: one with more outputs, and ones whose operators stand alone.
// SPDX-License-Identifier: MIT
import { tensorBytes, type Graph, type Model, type Op, type Tensor } from "../ir/graph.ts";
import { writeModel } from "../model/write.ts";

/** Inputs or outputs of one inference: a board takes 32 MiB in a frame. */
const MOST_BYTES = 24 * 2 ** 20;
/** Operators of one network that stand alone; fewer are quicker to halve when one of them does not compile. */
const MOST_OPERATORS = 64;

const bytesOf = ({ type, shape }: Tensor): number => tensorBytes(type, shape) ?? 0;

/** Splits a list where sums of a size would pass a limit; each part has one entry at least. */
function chunksOf<T>(
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

/**
 * The model itself with `read` as further outputs.
 * @param throughConvolutions tensors that must not become outputs themselves: those that channels of another order may lie in.
 *   A 1x1 convolution with the identity as its weights reads them, as every convolution reads such a tensor, and gives the output
 */
export function withOutputs(
  model: Model,
  read: readonly number[],
  throughConvolutions: ReadonlySet<number> = new Set(),
): Network {
  const { graph } = model;
  const further = read.filter((id) => !graph.outputs.includes(id));
  const [tensors, ops] = [[...graph.tensors], [...graph.ops]];
  const shown = further.map((id) =>
    throughConvolutions.has(id) ? appendIdentity(tensors, ops, tensors[id]!) : id,
  );
  const wider = { ...graph, tensors, ops, outputs: [...graph.outputs, ...shown] };
  const bytes = writeModel({ ...model, graph: wider, otherSubgraphs: [] });
  return { bytes, inputs: graph.inputs, outputs: [...graph.outputs, ...further] };
}

/** True for images that a convolution can read. */
export const isImage = ({ shape, type, quant }: Tensor): boolean =>
  shape.length === 4 &&
  shape[0] === 1 &&
  (type === "uint8" || type === "int8") &&
  quant?.scales.length === 1;

/** Appends a convolution that changes nothing: weight 1 from each channel to itself, the same quantisation. */
function appendIdentity(tensors: Tensor[], ops: Op[], from: Tensor): number {
  const channels = from.shape[3]!;
  const diagonal = new Uint8Array(channels * channels);
  for (let c = 0; c < channels; c++) diagonal[c * (channels + 1)] = 1;
  const one = { scales: Float32Array.of(1), zeroPoints: Int32Array.of(0), axis: 0 };
  const scale = { ...one, scales: from.quant!.scales.slice() };
  const add = (tensor: Omit<Tensor, "id">): number =>
    tensors.push({ ...tensor, id: tensors.length }) - 1;
  const name = `${from.name}, read`;
  const weights = add({
    name: `${name}, weights`,
    type: from.type,
    shape: [channels, 1, 1, channels],
    quant: one,
    constant: diagonal,
  });
  const bias = add({
    name: `${name}, bias`,
    type: "int32",
    shape: [channels],
    quant: scale,
    constant: new Uint8Array(4 * channels),
  });
  const output = add({ ...from, name });
  ops.push({
    id: ops.length,
    kind: "CONV_2D",
    customName: null,
    version: 3,
    inputs: [from.id, weights, bias],
    outputs: [output],
    options: { padding: "same", ...UNIT_STRIDES, activation: "none" },
    customOptions: null,
  });
  return output;
}

const UNIT_STRIDES = { strideW: 1, strideH: 1, dilationW: 1, dilationH: 1 };

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
