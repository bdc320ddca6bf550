// A small model made by hand, with any part replaced, and the expectation that a file is refused.
// SPDX-License-Identifier: MIT
import * as assert from "uvu/assert";
import { ModelFormatError, NpuError } from "../../core-as/errors.ts";
import { readModel } from "../../core-as/model/read.ts";
import { rawFlat, type RawTable } from "./raw-flat.ts";

// Field ids, written out once more so that a wrong id in schema.ts shows.
export const MODEL = {
  version: 0,
  codes: 1,
  subgraphs: 2,
  description: 3,
  buffers: 4,
  metadata: 6,
};
export const GRAPH = { tensors: 0, inputs: 1, outputs: 2, operators: 3, name: 4 };
export const TENSOR = {
  shape: 0,
  type: 1,
  buffer: 2,
  name: 3,
  quant: 4,
  variable: 5,
  sparsity: 6,
  signature: 7,
  external: 10,
};
export const QUANT = { scale: 2, zero: 3, detailsType: 4, axis: 6 };
export const OP = {
  code: 0,
  inputs: 1,
  outputs: 2,
  optionsType: 3,
  options: 4,
  custom: 5,
  largeOffset: 9,
  largeSize: 10,
};
export const UINT8 = 3;
export const INT32 = 2;

export interface Parts {
  tensors?: RawTable[];
  ops?: RawTable[];
  codes?: RawTable[];
  buffers?: RawTable[];
  graph?: RawTable;
  model?: RawTable;
}

export const ADD_CODE: RawTable = { 0: { i8: 0 }, 2: { i32: 1 }, 3: { i32: 0 } };

export function tensor(extra: RawTable = {}): RawTable {
  return {
    [TENSOR.shape]: { ints: [1, 4] },
    [TENSOR.type]: { i8: UINT8 },
    [TENSOR.name]: { text: "t" },
    ...extra,
  };
}

export function op(extra: RawTable = {}): RawTable {
  return { [OP.inputs]: { ints: [0, 0] }, [OP.outputs]: { ints: [1] }, ...extra };
}

/** A small model: t1 = ADD(t0, t0), with parts replaced. */
export function file(parts: Parts = {}): Uint8Array {
  const graph: RawTable = {
    [GRAPH.tensors]: { tables: parts.tensors ?? [tensor(), tensor()] },
    [GRAPH.inputs]: { ints: [0] },
    [GRAPH.outputs]: { ints: [1] },
    [GRAPH.operators]: { tables: parts.ops ?? [op()] },
    [GRAPH.name]: { text: "main" },
    ...parts.graph,
  };
  return rawFlat({
    [MODEL.version]: { i32: 3 },
    [MODEL.codes]: { tables: parts.codes ?? [ADD_CODE] },
    [MODEL.subgraphs]: { tables: [graph] },
    [MODEL.description]: { text: "hand-made" },
    [MODEL.buffers]: { tables: parts.buffers ?? [{}] },
    ...parts.model,
  });
}

/** Path of a tensor's field, of an operator's field. */
export const inTensor = (index: number, field: number) => [
  MODEL.subgraphs,
  0,
  GRAPH.tensors,
  index,
  field,
];
export const inOp = (index: number, field: number) => [
  MODEL.subgraphs,
  0,
  GRAPH.operators,
  index,
  field,
];

export function errorOf(bytes: Uint8Array): NpuError {
  try {
    readModel(bytes);
  } catch (error) {
    if (error instanceof NpuError) return error;
    throw error;
  }
  throw new Error("the file was read");
}

/** Expects a ModelFormatError of a code at an offset. */
export function refused(bytes: Uint8Array, code: string, byteOffset: number, text: RegExp): void {
  const error = errorOf(bytes);
  assert.instance(error, ModelFormatError);
  assert.is(error.code, code);
  assert.is(error.where.byteOffset, byteOffset, error.message);
  assert.match(error.message, text);
}
