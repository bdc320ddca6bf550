// The further vectors of the shared corpus: partitions with random numbers as graphs that the compiler takes.
// SPDX-License-Identifier: MIT
import type { Graph, Op, Tensor } from "../../core-as/ir/graph.ts";
import { corpusJson } from "./corpus.ts";

interface VectorTensor {
  index: number;
  dims: number[];
  scale_f32_bits: string;
  zero_point: number;
  signed: number;
  data: string | null;
  graph_input: boolean;
}

interface VectorOp {
  type: string;
  inputs: number[];
  outputs: number[];
  stride: number | null;
  padding_same: number | null;
  depthwise: number | null;
  relu: number | null;
}

export interface Vector {
  name: string;
  chip: string;
  tensors: VectorTensor[];
  ops: VectorOp[];
  jobs: {
    kind: string;
    in_bo: string;
    out_bo: string;
    descriptors: { va: string; words: string[] }[];
    coefficients: { va: string; hex_without_trailing_zeros: string } | null;
  }[];
}

const bytesOfHex = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));

function floatOfHex(hex: string): number {
  return Buffer.from(hex, "hex").readFloatBE(0);
}

function tensorOf(vector: VectorTensor): Tensor {
  const isBias = vector.data !== null && vector.dims.slice(1).every((size) => size === 0);
  return {
    id: vector.index,
    name: `t${vector.index}`,
    type: isBias ? "int32" : vector.signed ? "int8" : "uint8",
    // Unused dimensions are 0 in the vectors and absent in TFLite.
    shape: vector.dims.filter((size) => size > 0),
    quant: {
      scales: Float32Array.of(floatOfHex(vector.scale_f32_bits)),
      zeroPoints: Int32Array.of(vector.zero_point),
      axis: 0,
    },
    constant: vector.data === null ? null : bytesOfHex(vector.data),
  };
}

function opOf(vector: VectorOp, id: number): Op {
  const kinds: Record<string, string> = {
    CONV: vector.depthwise ? "DEPTHWISE_CONV_2D" : "CONV_2D",
    CONCAT: "CONCATENATION",
  };
  return {
    id,
    kind: kinds[vector.type] ?? vector.type,
    customName: null,
    version: 1,
    inputs: vector.inputs,
    outputs: vector.outputs,
    options: {
      padding: vector.padding_same ? "same" : "valid",
      strideW: vector.stride ?? 1,
      strideH: vector.stride ?? 1,
      activation: vector.relu ? "relu" : "none",
    },
    customOptions: null,
  };
}

/** The graph of a vector. */
export function graphOf(vector: Vector): Graph {
  const count = Math.max(...vector.tensors.map(({ index }) => index)) + 1;
  const tensors = Array.from({ length: count }, (_, id): Tensor => {
    const given = vector.tensors.find(({ index }) => index === id);
    return given
      ? tensorOf(given)
      : { id, name: "", type: "int32", shape: [], quant: null, constant: new Uint8Array(4) };
  });
  const ops = vector.ops.map(opOf);
  const consumed = new Set(ops.flatMap((op) => op.inputs));
  return {
    name: vector.name,
    tensors,
    ops,
    inputs: vector.tensors.filter((tensor) => tensor.graph_input).map(({ index }) => index),
    outputs: ops.flatMap((op) => op.outputs).filter((id) => !consumed.has(id)),
  };
}

/** All of them. */
export function loadVectors(): Vector[] {
  return corpusJson<{ vectors: Vector[] }>("golden", "vectors.json").vectors;
}
