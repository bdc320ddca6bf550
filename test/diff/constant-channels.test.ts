// Channels that have one value for all images are left out, and nothing else changes: networks with kernels of zeros, biases that no
// sum reaches, and channels that nobody reads give the bytes that they give with all channels.
// GRID_CASES and FC_SEED change the cases.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { buildReport } from "../../core-as/inspect/report.ts";
import type { Graph, Tensor } from "../../core-as/ir/graph.ts";
import { readModel } from "../../core-as/model/read.ts";
import { writeModel } from "../../core-as/model/write.ts";
import { compileCase } from "../helpers/compile-case.ts";
import { coreOf } from "../helpers/cores.ts";
import { rng } from "../helpers/prng.mjs";
import { inputsOfCase, simulate } from "../helpers/simulate.ts";
import { synthModel } from "../helpers/synth-model.mjs";

const count = Number(process.env["GRID_CASES"] ?? 3);
const seed = process.env["FC_SEED"] ?? "constant";
const core = await coreOf("release");

const CHAINS = [
  "chain-mbv1-i20x20x16-o33-k3-u8-relu",
  "chain-mbv1-i24x18x24-o40-k3-i8-relu6",
  "chain-mbv1-i16x16x8-o24-k5-u8",
  "chain-mbv2-i28x28x16-o24-k3-u8",
  "chain-mbv2-i14x14x24-o24-k3-i8",
  "chain-stem-i32x32x3-o16-k3-u8-relu",
  "chain-deep-i32x32x3-o16-k5-u8-relu",
  "chain-fork-i18x18x16-o24-k3-u8",
  "chain-csp-i16x16x16-o16-u8-relu",
];

/** Kernels of a constant: bytes of one kernel are apart by `step`, or follow each other. */
function fillKernel(weight: Tensor, depthwise: boolean, kernel: number, byte: number): void {
  const bytes = weight.constant!;
  const channels = depthwise ? weight.shape[3]! : weight.shape[0]!;
  const size = bytes.length / channels;
  for (let i = 0; i < size; i++)
    bytes[depthwise ? i * channels + kernel : kernel * size + i] = byte;
}

/** The model with a part of its kernels made constant in several ways, and a part of its channels without readers. */
function withConstants(name: string, draw: () => number): Graph {
  const { graph } = readModel(synthModel(name));
  const tensors = graph.tensors.map((tensor) => ({
    ...tensor,
    constant: tensor.constant?.slice() ?? null,
  }));
  for (const op of graph.ops) {
    if (op.kind !== "CONV_2D" && op.kind !== "DEPTHWISE_CONV_2D") continue;
    const depthwise = op.kind === "DEPTHWISE_CONV_2D";
    const [weight, bias] = [tensors[op.inputs[1]!]!, tensors[op.inputs[2]!]!];
    const zero = weight.quant!.zeroPoints[0]! & 0xff;
    const biases = new Int32Array(bias.constant!.buffer, bias.constant!.byteOffset, bias.shape[0]);
    for (let kernel = 0; kernel < biases.length; kernel++) {
      const way = draw() % 8;
      if (way === 0 || way === 1) fillKernel(weight, depthwise, kernel, zero);
      // Bias of a kernel of zeros anywhere in the output's range, or out of it on either side.
      if (way === 1) biases[kernel] = (draw() | 0) >> (draw() % 24);
      if (way === 2) biases[kernel] = -(2 ** 24);
      // A channel of the image that no kernel reads.
      if (way === 3 && !depthwise)
        for (let o = 0, z = draw() % weight.shape[3]!; o < biases.length; o++)
          weight.constant![o * (weight.constant!.length / biases.length) + z] = zero;
    }
  }
  return { ...graph, tensors };
}

const test = suite(`constant channels (seed ${seed})`);
let left = 0;
for (const name of CHAINS)
  for (let i = 0; i < count; i++)
    test(`${name} ${i}`, async () => {
      const { next } = rng(`${seed}/${name}/${i}`);
      const graph = withConstants(name, next);
      const model = writeModel({ graph, description: "", schemaVersion: 3, otherSubgraphs: [] });
      const inputs = inputsOfCase(name, graph);
      for (const target of ["a311d", "imx8mp"])
        for (const exactRounding of [false, true]) {
          const options = { mode: "optimised", target, exactRounding } as const;
          const optimisations = { constantChannels: false };
          const plain = compileCase(core, model, { ...options, optimisations }).executable;
          const { executable } = compileCase(core, model, options);
          const outputs = await simulate(executable, inputs);
          assert.equal(outputs, await simulate(plain, inputs));
          const bytes = (of: typeof plain): number => buildReport(of).totals.dramBytes;
          assert.ok(bytes(executable) <= bytes(plain));
          if (bytes(executable) < bytes(plain)) left++;
        }
    });

test("the cases do leave channels out", () => {
  assert.ok(left > count * CHAINS.length, `${left} compilations with fewer bytes`);
});
test.run();
