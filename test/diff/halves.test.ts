// Convolutions without a ReLU: in two halves they give the integer reference's bytes on NN core version 8, and nearly on 7.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runGraph } from "../../core-as/runtime/cpu/index.ts";
import { compileCase } from "../helpers/compile-case.ts";
import { coreOf } from "../helpers/cores.ts";
import { inputsOfCase, simulate } from "../helpers/simulate.ts";
import { synthModel } from "../helpers/synth-model.mjs";
import { convModel, type ConvCase } from "../helpers/window-model.ts";

const core = await coreOf("release");

type Shape = Omit<ConvCase, "type">;
const CONV = { kind: "CONV_2D", stride: [1, 1] } as const;
const SHAPES: readonly Shape[] = [
  { ...CONV, size: [12, 13], channels: 8, outputs: 20, kernel: [3, 3] },
  { ...CONV, size: [17, 9], channels: 40, outputs: 24, kernel: [1, 1] },
  { ...CONV, size: [14, 15], channels: 5, outputs: 7, kernel: [5, 3], stride: [2, 2] },
  { ...CONV, size: [20, 11], channels: 3, outputs: 16, kernel: [3, 3], stride: [3, 2] },
  { ...CONV, size: [12, 12], channels: 6, outputs: 8, kernel: [3, 3], groups: 2 },
  { ...CONV, size: [12, 12], channels: 4, outputs: 9, kernel: [3, 3], pad: [1, 2, 0, 3] },
  {
    kind: "DEPTHWISE_CONV_2D",
    size: [13, 16],
    channels: 24,
    outputs: 24,
    kernel: [3, 3],
    stride: [2, 2],
  },
  {
    kind: "DEPTHWISE_CONV_2D",
    size: [19, 23],
    channels: 1,
    outputs: 1,
    kernel: [5, 5],
    stride: [1, 1],
  },
];

const MODELS: ReadonlyArray<[name: string, model: Uint8Array]> = [
  ...SHAPES.flatMap((shape) =>
    (["uint8", "int8"] as const).map((type): [string, Uint8Array] => [
      `${type} ${JSON.stringify(shape)}`,
      convModel({ ...shape, type }),
    ]),
  ),
  ["fc-i64-o10-u8", synthModel("fc-i64-o10-u8")],
  ["fc-i120-o16-i8", synthModel("fc-i120-o16-i8")],
];

/** Output bytes that are not the reference's, and jobs. */
async function differing(name: string, model: Uint8Array, target: string, exactRounding: boolean) {
  const result = compileCase(core, model, { mode: "optimised", target, exactRounding });
  const { graph } = result.model;
  const inputs = inputsOfCase(name, graph);
  const [got] = await simulate(result.executable, inputs);
  const want = runGraph(core, graph, inputs).get(graph.outputs[0]!)!;
  const bytes = got!.reduce((count, byte, i) => count + Number(byte !== want[i]), 0);
  const jobs = result.executable.partitions[0]!.jobs.filter(({ kind }) => kind === "NN").length;
  return { bytes, share: bytes / want.length, jobs };
}

for (const target of ["a311d", "imx8mp"]) {
  const test = suite(`halves ${target}`);
  let [halved, whole] = [0, 0];
  for (const [name, model] of MODELS)
    test(name, async () => {
      const once = await differing(name, model, target, false);
      const twice = await differing(name, model, target, true);
      assert.is(once.jobs, 1);
      assert.is(twice.jobs, 3);
      assert.ok(twice.share <= (target === "imx8mp" ? 0 : 0.005), `${twice.bytes} bytes differ`);
      halved += twice.bytes;
      whole += once.bytes;
    });
  test("fewer bytes differ than in one job", () => {
    assert.ok(whole > 0 && halved < whole / 4, `${halved} in halves, ${whole} in one job`);
  });
  test.run();
}
