// Graphs of a single operator, written by hand for kernel tests.
// SPDX-License-Identifier: MIT
import {
  elementCount,
  type ElementType,
  type Graph,
  type Op,
  type Tensor,
} from "../../core-as/ir/graph.ts";

export interface TinyTensor {
  type?: ElementType;
  shape: number[];
  /** One scale or one per channel; null = not quantised; default 1. */
  scale?: number | number[] | null;
  zero?: number;
  /** Dimension that the scales run over. */
  axis?: number;
  /** Values of a constant in the tensor's type. */
  values?: ArrayLike<number>;
}

/** Bytes of int8, uint8 or int32 values. */
export function bytesOf(type: ElementType, values: ArrayLike<number>): Uint8Array {
  if (type === "int32") return new Uint8Array(Int32Array.from(values).buffer);
  return Uint8Array.from(values, (value) => value & 255);
}

/** The numbers behind bytes of int8 or uint8. */
export function valuesOf(type: ElementType, bytes: Uint8Array): number[] {
  return Array.from(bytes, (byte) => (type === "int8" ? (byte << 24) >> 24 : byte));
}

function toTensor(tiny: TinyTensor, id: number): Tensor {
  const { type = "uint8", shape, scale = 1, zero = 0, axis = 0, values } = tiny;
  const scales = Float32Array.from(scale === null ? [] : [scale].flat());
  const constant = values === undefined ? null : bytesOf(type, values);
  if (values !== undefined && values.length !== elementCount(shape))
    throw new RangeError(`constant of ${values.length} values for [${shape}]`);
  return {
    id,
    name: `t${id}`,
    type,
    shape,
    quant:
      scale === null
        ? null
        : { scales, zeroPoints: new Int32Array(scales.length).fill(zero), axis },
    constant,
  };
}

/** A graph with one operator; null = optional input left out. Tensors are numbered in the order inputs, outputs. */
export function tinyGraph(
  kind: string,
  options: Record<string, unknown>,
  inputs: Array<TinyTensor | null>,
  outputs: TinyTensor[],
): { graph: Graph; op: Op } {
  const tensors: Tensor[] = [];
  const place = (tiny: TinyTensor | null): number =>
    tiny === null ? -1 : tensors.push(toTensor(tiny, tensors.length)) - 1;
  const op: Op = {
    id: 0,
    kind,
    customName: null,
    version: 1,
    inputs: inputs.map(place),
    outputs: outputs.map(place),
    options,
    customOptions: null,
  };
  const isInput = (id: number): boolean => id >= 0 && tensors[id]!.constant === null;
  const graph: Graph = {
    name: "tiny",
    tensors,
    ops: [op],
    inputs: op.inputs.filter(isInput),
    outputs: op.outputs,
  };
  return { graph, op };
}

/** Small reproducible numbers; xorshift32. */
export function randomNumbers(seed: number): (low: number, high: number) => number {
  let state = seed || 1;
  return (low, high) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return low + ((state >>> 0) % (high - low + 1));
  };
}
