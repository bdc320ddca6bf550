// What a caller has to know about the inputs and outputs of a model, and the checks that follow from it.
// SPDX-License-Identifier: MIT
import { TransportError, UnsupportedError } from "../errors.ts";
import {
  tensorBytes,
  type ElementType,
  type Graph,
  type Quantisation,
  type Tensor,
} from "../ir/graph.ts";
import { describeTensor } from "../ir/print.ts";

/** An input or output of a model. */
export interface TensorInfo {
  /** Index of the TFLite tensor. */
  tensor: number;
  /** Name in the model. */
  name: string;
  /** Sizes, outermost first, e.g. [1, 224, 224, 3] = NHWC. */
  shape: readonly number[];
  /** Element type. */
  type: ElementType;
  /** real = scale * (value - zeroPoint); null for tensors that are not quantised. */
  quantisation: Quantisation | null;
  /** Bytes of the dense little-endian form. */
  bytes: number;
}

/**
 * Describes a tensor.
 * @throws UnsupportedError TW_UNSUP_OPERATOR for types without a fixed size (strings, resources)
 */
function tensorInfo({ id, name, type, shape, quant }: Tensor): TensorInfo {
  const bytes = tensorBytes(type, shape);
  if (bytes === null)
    throw new UnsupportedError(
      "TW_UNSUP_OPERATOR",
      `tensor ${id} has the type ${type}, which has no fixed size`,
      { tensor: id },
    );
  return { tensor: id, name, shape: [...shape], type, quantisation: quant, bytes };
}

/** Inputs of a graph in its order. */
export const inputInfos = (graph: Graph): TensorInfo[] =>
  graph.inputs.map((id) => tensorInfo(graph.tensors[id]!));

/** Outputs of a graph in its order. */
export const outputInfos = (graph: Graph): TensorInfo[] =>
  graph.outputs.map((id) => tensorInfo(graph.tensors[id]!));

/**
 * Checks inputs before anything is done with them.
 * @throws TypeError when one is not a Uint8Array
 * @throws TransportError TW_IO_INPUT for a wrong count or size
 */
export function checkInputs(graph: Graph, inputs: readonly Uint8Array[]): void {
  if (inputs.length !== graph.inputs.length)
    throw new TransportError(
      "TW_IO_INPUT",
      `the model has ${graph.inputs.length} inputs and was given ${inputs.length}`,
    );
  for (const [i, id] of graph.inputs.entries()) {
    const given = inputs[i];
    if (!(given instanceof Uint8Array)) throw new TypeError(`input ${i} is not a Uint8Array`);
    const tensor = graph.tensors[id]!;
    const bytes = tensorBytes(tensor.type, tensor.shape) ?? tensorInfo(tensor).bytes;
    if (given.length !== bytes)
      throw new TransportError(
        "TW_IO_INPUT",
        `input ${i}, ${describeTensor(tensor)} ${tensor.type} [${tensor.shape.join(", ")}], ` +
          `has ${bytes} bytes and was given ${given.length}`,
        { tensor: id },
      );
  }
}
