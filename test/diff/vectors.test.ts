// The further vectors of the shared corpus: single partitions with random numbers, checked word for word.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { lowerCompatible } from "../../core-as/compile/compatible/lower.ts";
import { generatePartition } from "../../core-as/compile/generate.ts";
import type { ExecutablePartition } from "../../core-as/executable/executable.ts";
import { chipByName } from "../../core-as/hw/chips.ts";
import { hex32, wordAt } from "../../core-as/inspect/words.ts";
import type { Graph, Op, Tensor } from "../../core-as/ir/graph.ts";
import { coreOf } from "../helpers/cores.ts";
import { corpusJson, needCorpus } from "../helpers/corpus.ts";

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

interface Vector {
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

function graphOf(vector: Vector): Graph {
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

/** A descriptor's words with the vector's addresses filled in. */
function filledWords(
  partition: ExecutablePartition,
  buffer: number,
  addressOf: (target: number, output: boolean) => number,
  outputWord: number,
): string[] {
  const { contents, bytes } = partition.buffers[buffer]!;
  return Array.from({ length: bytes / 4 }, (_, index) => {
    const word = wordAt(contents!, index * 4);
    const relocation = partition.relocations.find(
      (each) => each.buffer === buffer && each.byteOffset === index * 4,
    );
    if (relocation === undefined) return hex32(word);
    const address = addressOf(relocation.target, index === outputWord) + relocation.addend;
    return hex32(
      relocation.kind === "address" ? address : (word & 0xfc000000) | ((address / 64) % 2 ** 26),
    );
  });
}

if (needCorpus("vectors of the corpus")) {
  const test = suite("vectors a311d");
  const core = await coreOf("release");
  const { vectors } = corpusJson<{ vectors: Vector[] }>("golden", "vectors.json");
  for (const vector of vectors.filter(({ chip }) => chip === "A311D"))
    test(vector.name, () => {
      const graph = graphOf(vector);
      const partition = generatePartition(
        core,
        lowerCompatible(graph, graph.ops, chipByName("a311d")!),
      );
      assert.is(partition.jobs.length, vector.jobs.length);
      vector.jobs.forEach((expected, index) => {
        const job = partition.jobs[index]!;
        assert.is(job.kind, expected.kind);
        const outputWord = job.kind === "NN" ? 7 : 13;
        const address = (target: number, output: boolean): number => {
          if (target === job.coefficients) return parseInt(expected.coefficients!.va, 16);
          return parseInt(output ? expected.out_bo : expected.in_bo, 16);
        };
        assert.equal(
          job.descriptors.map((buffer) => filledWords(partition, buffer, address, outputWord)),
          expected.descriptors.map(({ words }) => words),
        );
        if (expected.coefficients === null) return;
        const bytes = Buffer.from(partition.buffers[job.coefficients!]!.contents!);
        const hex = expected.coefficients.hex_without_trailing_zeros;
        assert.is(
          bytes
            .toString("hex")
            .replace(/(00)*$/, "")
            .slice(0, hex.length),
          hex,
        );
        assert.ok(bytes.toString("hex").slice(hex.length).match(/^0*$/));
      });
    });
  test.run();
}
