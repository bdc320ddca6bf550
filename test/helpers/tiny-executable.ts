// An executable written by hand: one NN job, then a RESHAPE on the CPU. Its descriptor means nothing to hardware.
// SPDX-License-Identifier: MIT
import type { Executable } from "../../core-as/executable/executable.ts";
import { chipByName } from "../../core-as/hw/chips.ts";
import type { Graph, Tensor } from "../../core-as/ir/graph.ts";
import { PLAIN_CONV } from "./make-graph.ts";
import { rng } from "./prng.mjs";

const DESCRIPTOR_BYTES = 136;

function randomBytes(label: string, count: number): Uint8Array {
  const random = rng(label);
  return Uint8Array.from({ length: count }, () => random.byte());
}

function words(...values: number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(values).buffer);
}

function quantised(id: number, name: string, shape: number[], type: "uint8" | "int8"): Tensor {
  const quant = { scales: Float32Array.of(0.5), zeroPoints: Int32Array.of(3), axis: 0 };
  return { id, name, type, shape, quant, constant: null };
}

function tinyGraphOf(type: "uint8" | "int8"): Graph {
  const op = { customName: null, version: 1, customOptions: null };
  return {
    name: "tiny",
    tensors: [
      quantised(0, "input", [1, 2, 2, 4], type),
      // Weights of an NPU operator have no bytes in an executable.
      quantised(1, "weights", [4, 1, 1, 4], type),
      quantised(2, "middle", [1, 2, 2, 4], type),
      {
        id: 3,
        name: "shape ünd Größe",
        type: "int32",
        shape: [2],
        quant: null,
        constant: words(1, 16),
      },
      quantised(4, "", [1, 16], type),
    ],
    ops: [
      { ...op, id: 0, kind: "CONV_2D", inputs: [0, 1, -1], outputs: [2], options: PLAIN_CONV },
      { ...op, id: 1, kind: "RESHAPE", inputs: [2, 3], outputs: [4], options: { newShape: null } },
    ],
    inputs: [0],
    outputs: [4],
  };
}

/** A new copy each time: tests may change it. */
export function tinyExecutable(type: "uint8" | "int8" = "uint8"): Executable {
  const { model, revision, productId, ecoId, customerId, name } = chipByName("a311d")!;
  return {
    producer: "test",
    chip: { name, model, revision, productId, ecoId, customerId },
    mode: "compatible",
    modelSha256: "0123456789abcdef".repeat(4),
    graph: tinyGraphOf(type),
    partitions: [
      {
        buffers: [
          { role: "tensor", bytes: 16, contents: null, access: 1 },
          { role: "tensor", bytes: 32, contents: null, access: 2 },
          { role: "coefficients", bytes: 200, contents: randomBytes("coefs", 200), access: 1 },
          {
            role: "descriptor",
            bytes: DESCRIPTOR_BYTES,
            contents: randomBytes("descriptor", DESCRIPTOR_BYTES),
            access: 1,
          },
          { role: "stream", bytes: 16, contents: words(0, 0, 0x08010428, 0), access: 1 },
        ],
        relocations: [
          { buffer: 3, byteOffset: 20, target: 2, addend: 0, kind: "address26shift6" },
          { buffer: 3, byteOffset: 24, target: 0, addend: 0, kind: "address" },
          { buffer: 3, byteOffset: 28, target: 1, addend: 16, kind: "address" },
          { buffer: 4, byteOffset: 12, target: 3, addend: 0, kind: "descriptor" },
        ],
        jobs: [
          {
            kind: "NN",
            op: "conv",
            sourceOp: 0,
            descriptors: [3],
            coefficients: 2,
            inputs: [0],
            output: 1,
          },
        ],
        stream: 4,
        inputs: [{ tensor: 0, buffer: 0, offset: 0, bytes: 16 }],
        outputs: [{ tensor: 2, buffer: 1, offset: 16, bytes: 16 }],
      },
    ],
    steps: [
      { kind: "npu", partition: 0 },
      { kind: "cpu", ops: [1] },
    ],
    placements: [
      {
        op: 0,
        name: "CONV_2D",
        place: "npu",
        constraint: null,
        reason: null,
        evidence: "captured",
      },
      {
        op: 1,
        name: "RESHAPE",
        place: "cpu",
        constraint: "OPERATOR",
        reason: "No lowering.",
        evidence: null,
      },
    ],
    quirks: ["0.0:Q41"],
    accuracies: [
      {
        op: 0,
        accuracy: "balanced",
        groups: 3,
        fractions: 2,
        remainders: 1,
        reorders: true,
        inputs: "propagated",
        deviation: 0.25,
        bound: 1.5,
        worst: 7.75,
        withinOne: 0.9375,
      },
    ],
    undefinedJobs: ["0.0"],
  };
}
