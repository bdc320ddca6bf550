// Graphs of unusual form, as users' converters write them: several inputs and outputs, tensors that are read inside and wanted
// outside (Q30), operands shared by several additions (Q46), nothing for the NPU, nothing at all.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Graph, Op, Tensor } from "../../core-as/ir/graph.ts";
import { writeModel } from "../../core-as/model/write.ts";
import { runGraph } from "../../core-as/runtime/cpu/index.ts";
import { compileCase } from "../helpers/compile-case.ts";
import { coreOf } from "../helpers/cores.ts";
import { graph, op, tensor } from "../helpers/make-graph.ts";
import { rng } from "../helpers/prng.mjs";
import { maxDifference, simulate } from "../helpers/simulate.ts";

const core = await coreOf("release");
const SHAPE = [1, 6, 7, 8];
const NONE = { activation: "none" };
const CONV = { padding: "same", strideW: 1, strideH: 1, dilationW: 1, dilationH: 1 };
const POOL = { padding: "same", strideW: 1, strideH: 1, filterW: 3, filterH: 3 };

/** An activation; scales differ, so that sums have to rescale. */
function activation(scale = 0.05, zero = 121): Tensor {
  const made = tensor(SHAPE, { scales: [scale] });
  made.quant!.zeroPoints[0] = zero;
  return made;
}

function weights(seed: string): Tensor {
  const random = rng(seed);
  const made = tensor([8, 3, 3, 8], { scales: [0.01] });
  made.quant!.zeroPoints[0] = 130;
  made.constant = Uint8Array.from({ length: 8 * 9 * 8 }, () => random.next() >>> 24);
  return made;
}

const conv = (from: number, weight: number, to: number, fused = "relu"): Op =>
  op("CONV_2D", [from, weight, -1], [to], { ...CONV, activation: fused });
const add = (a: number, b: number, to: number): Op => op("ADD", [a, b], [to], NONE);

const GRAPHS: Readonly<Record<string, { make: () => Graph; npu: number }>> = {
  "two inputs, four outputs, operands shared by three additions": {
    npu: 5,
    make: () =>
      graph(
        [
          activation(0.05),
          activation(0.031, 90),
          weights("a"),
          weights("b"),
          activation(0.2, 0),
          activation(0.3, 0),
          activation(0.4, 10),
          activation(0.5, 20),
          activation(0.6, 30),
        ],
        [conv(0, 2, 4), conv(1, 3, 5), add(4, 5, 6), add(4, 1, 7), add(4, 4, 8)],
        [0, 1],
        [6, 4, 8, 7],
      ),
  },
  "a tensor that is read inside and by the CPU, and is an output": {
    npu: 2,
    make: () =>
      graph(
        [
          activation(),
          weights("a"),
          activation(0.2, 0),
          activation(0.2, 0),
          weights("b"),
          activation(0.4, 60),
          activation(0.6, 80),
        ],
        [
          conv(0, 1, 2),
          op("MAX_POOL_2D", [2], [3], { ...POOL, ...NONE }),
          conv(2, 4, 5, "none"),
          // Between CPU and NPU, and an output: on the NPU it would not save a switch.
          add(3, 5, 6),
        ],
        [0],
        [2, 6],
      ),
  },
  "no operator for the NPU": {
    npu: 0,
    make: () =>
      graph(
        [activation(), activation(), activation()],
        [op("MAX_POOL_2D", [0], [1], { ...POOL, ...NONE }), op("MAXIMUM", [0, 1], [2])],
        [0],
        [2, 1],
      ),
  },
  "no operator": { npu: 0, make: () => graph([activation()], [], [0], [0]) },
};

for (const target of ["a311d", "imx8mp"]) {
  const test = suite(`graphs of unusual form ${target}`);
  for (const [name, { make, npu }] of Object.entries(GRAPHS))
    test(name, async () => {
      const made = make();
      const bytes = writeModel({
        description: name,
        schemaVersion: 3,
        otherSubgraphs: [],
        graph: made,
      });
      const { executable } = compileCase(core, bytes, { mode: "optimised", target });
      assert.is(executable.placements.filter(({ place }) => place === "npu").length, npu);
      const random = rng(name);
      const inputs = made.inputs.map(() =>
        Uint8Array.from({ length: 6 * 7 * 8 }, () => random.next() >>> 24),
      );
      const got = await simulate(executable, inputs);
      const want = runGraph(core, made, inputs);
      made.outputs.forEach((id, i) =>
        assert.ok(maxDifference("uint8", got[i]!, want.get(id)!) <= 2, `output ${i}`),
      );
    });
  test.run();
}
