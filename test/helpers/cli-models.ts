// Models by hand for the command line's tests: "bad …" break one rule each, the others are good.
// SPDX-License-Identifier: MIT
import type { Graph, Op, Tensor } from "../../core-as/ir/graph.ts";
import { writeModel } from "../../core-as/model/write.ts";
import { writeFloatModel } from "./float-model.ts";
import { graph, op, relu, single, tensor, x, PLAIN_CONV, type TensorParts } from "./make-graph.ts";
import { rawFlat, type RawTable } from "./raw-flat.ts";
import { synthModel } from "./synth-model.mjs";

const ADD = { activation: "none" };

/** Tensors get names, so that messages can be followed. */
function named(g: Graph): Graph {
  return { ...g, tensors: g.tensors.map((t) => ({ ...t, name: `t${t.id}` })) };
}

const fileOf = (g: Graph): Uint8Array =>
  writeModel({
    description: "by hand",
    schemaVersion: 3,
    otherSubgraphs: [],
    graph: named(g),
  });

/** A constant of bytes 0, 1, 2, … */
function filled(shape: number[], parts: TensorParts = {}): Tensor {
  const made = tensor(shape, { ...parts, value: "zeros" });
  made.constant!.forEach((_, i) => (made.constant![i] = i));
  return made;
}

/** 1x1 convolution of 8 channels to 8, tensors weights and bias given. */
const conv = (from: number, weights: number, bias: number, to: number): Op =>
  op("CONV_2D", [from, weights, bias], [to], PLAIN_CONV);

const weights = (): Tensor => filled([8, 1, 1, 8], { scales: [0.01] });
const bias = (parts: TensorParts = {}): Tensor =>
  tensor([8], { value: [100, 200, 300, 400, 500, 600, 700, 800], scales: [0.01], ...parts });

function withConv(changes: { input?: Tensor; weights?: Tensor; bias?: Tensor; output?: Tensor }) {
  const { input = x(), output = x() } = changes;
  const parts = [input, changes.weights ?? weights(), changes.bias ?? bias()];
  return single("CONV_2D", parts, [output], PLAIN_CONV);
}

/** A convolution, float numbers on the CPU, another convolution: two partitions. */
function twoPartitions(): Graph {
  const float = tensor([1, 4, 4, 8], { type: "float32" });
  return graph(
    [x(), weights(), bias(), x(), float, x(), x()],
    [conv(0, 1, 2, 3), op("DEQUANTIZE", [3], [4]), op("QUANTIZE", [4], [5]), conv(5, 1, 2, 6)],
    [0],
    [6],
  );
}

/** A RELU of [1, ?, 4, 8], the second size left open. */
function dynamicShape(): Uint8Array {
  return oneRelu({ 0: { ints: [1, -1, 4, 8] }, 1: { i8: 3 }, 3: { text: "open" } });
}

/** A RELU of a tensor with two zero points for one scale; behind it in the file, another subgraph. */
function zeroPointCount(): Uint8Array {
  const quant = { 2: { floats: [1] }, 3: { longs: [1n, 2n] } };
  const open = { 0: { ints: [1, 4, 4, 8] }, 1: { i8: 3 }, 3: { text: "in" }, 4: { table: quant } };
  return oneRelu(open, [{ 4: { text: "body" } }]);
}

function oneRelu(open: RawTable, otherSubgraphs: RawTable[] = []): Uint8Array {
  return rawFlat({
    0: { i32: 3 },
    1: { tables: [{ 0: { i8: 19 } }] },
    2: {
      tables: [
        {
          0: { tables: [open, { ...open, 3: { text: "result" } }] },
          1: { ints: [0] },
          2: { ints: [1] },
          3: { tables: [{ 1: { ints: [0] }, 2: { ints: [1] } }] },
        },
        ...otherSubgraphs,
      ],
    },
    4: { tables: [{}] },
  });
}

const MODELS: Readonly<Record<string, () => Uint8Array>> = {
  float: writeFloatModel,
  "two partitions": () => fileOf(twoPartitions()),
  pose: () =>
    fileOf(
      single(
        "DEQUANTIZE",
        [tensor([1, 1, 17, 3], { scales: [1 / 256] })],
        [tensor([1, 1, 17, 3], { type: "float32" })],
      ),
    ),
  "two inputs": () => fileOf(graph([x(), x(), x()], [op("ADD", [0, 1], [2], ADD)], [0, 1], [2])),
  "bad cycle": () =>
    fileOf(graph([x(), x(), x()], [op("ADD", [0, 2], [1], ADD), relu(1, 2)], [0], [2])),
  "bad order": () => fileOf(graph([x(), x(), x()], [relu(1, 2), relu(0, 1)], [0], [2])),
  "bad self loop": () => fileOf(graph([x(), x()], [op("ADD", [0, 1], [1], ADD)], [0], [1])),
  "bad double write": () => fileOf(graph([x(), x()], [relu(0, 1), relu(0, 1)], [0], [1])),
  "bad orphan": () => fileOf(graph([x(), x(), x()], [op("ADD", [0, 2], [1], ADD)], [0], [1])),
  "bad rank": () => fileOf(withConv({ input: tensor([4, 4, 8]) })),
  "bad weight rank": () => fileOf(withConv({ weights: filled([8, 8], { scales: [0.01] }) })),
  "bad shape": () => fileOf(withConv({ output: tensor([1, 5, 4, 8]) })),
  "bad channels": () => fileOf(withConv({ weights: filled([8, 1, 1, 7], { scales: [0.01] }) })),
  "bad scale count": () =>
    fileOf(withConv({ weights: filled([8, 1, 1, 8], { scales: [1, 2, 3] }) })),
  "bad zero dimension": () => fileOf(withConv({ input: tensor([1, 0, 4, 8]) })),
  "bad concatenation": () =>
    fileOf(
      single("CONCATENATION", [x(), tensor([1, 4, 3, 8])], [tensor([1, 4, 4, 16])], {
        axis: 3,
        activation: "none",
      }),
    ),
  "bad no scale": () => fileOf(withConv({ input: tensor([1, 4, 4, 8], { scales: [] }) })),
  "bad bias scale": () => fileOf(withConv({ bias: bias({ scales: [0.5] }) })),
  "bad signs": () => fileOf(withConv({ output: tensor([1, 4, 4, 8], { type: "int8" }) })),
  "bad pool scales": () =>
    fileOf(
      single("MAX_POOL_2D", [x()], [tensor([1, 2, 2, 8], { scales: [2] })], {
        padding: "valid",
        strideW: 2,
        strideH: 2,
        filterW: 2,
        filterH: 2,
        activation: "none",
      }),
    ),
  "bad dynamic shape": dynamicShape,
  "bad zero point count": zeroPointCount,
};

/** Bytes of a model by name: one of this file, or a case of synth-model.mjs. */
export function cliModel(name: string): Uint8Array {
  return MODELS[name]?.() ?? (synthModel(name) as Uint8Array);
}
