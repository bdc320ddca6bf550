// Graphs of a single operator, written by hand for kernel tests.
// SPDX-License-Identifier: MIT
import type { Core } from "../../core-as/core.ts";
import {
  elementCount,
  type ElementType,
  type Graph,
  type Op,
  type Tensor,
} from "../../core-as/ir/graph.ts";
import { runOperator } from "../../core-as/runtime/cpu/index.ts";

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

/** Bytes of int8, uint8, bool, int16, int32, int64 or float32 values. */
export function bytesOf(type: ElementType, values: ArrayLike<number>): Uint8Array {
  if (type === "int32") return new Uint8Array(Int32Array.from(values).buffer);
  if (type === "float32") return new Uint8Array(Float32Array.from(values).buffer);
  if (type === "int16") return new Uint8Array(Int16Array.from(values).buffer);
  if (type === "int64")
    return new Uint8Array(BigInt64Array.from(Array.from(values, BigInt)).buffer);
  return Uint8Array.from(values, (value) => value & 255);
}

/** The numbers behind bytes of those types. */
export function valuesOf(type: ElementType, bytes: Uint8Array): number[] {
  const { buffer } = Uint8Array.from(bytes);
  if (type === "int32") return [...new Int32Array(buffer)];
  if (type === "float32") return [...new Float32Array(buffer)];
  if (type === "int16") return [...new Int16Array(buffer)];
  if (type === "int64") return Array.from(new BigInt64Array(buffer), Number);
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

/** Computes one operator: values of the inputs that are no constants, in order, to values of the outputs. */
export function runTiny(
  core: Core,
  { graph, op }: { graph: Graph; op: Op },
  values: ArrayLike<number>[],
): number[][] {
  const given = new Map(
    graph.inputs.map((id, i) => [id, bytesOf(graph.tensors[id]!.type, values[i]!)]),
  );
  return runOperator(core, graph, op, (id) => given.get(id)!).map((bytes, i) =>
    valuesOf(graph.tensors[op.outputs[i]!]!.type, bytes),
  );
}

/** A constant list of int32. */
export function ints(...values: number[]): TinyTensor {
  return { type: "int32", shape: [values.length], scale: null, values };
}

/** A float32 tensor. */
export function floats(shape: number[], values?: number[]): TinyTensor {
  return values === undefined
    ? { type: "float32", shape, scale: null }
    : { type: "float32", shape, scale: null, values };
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
