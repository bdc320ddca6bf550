// Exact rounding: convolutions in ranges of output steps give the integer reference's bytes on both versions of the NN cores.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runGraph } from "../../core-as/runtime/cpu/index.ts";
import { compileCase } from "../helpers/compile-case.ts";
import { coreOf } from "../helpers/cores.ts";
import { rng } from "../helpers/prng.mjs";
import { inputsOfCase, simulate } from "../helpers/simulate.ts";
import { synthModel } from "../helpers/synth-model.mjs";
import { convModel, everyAccumulatorModel, type ConvCase } from "../helpers/window-model.ts";

const core = await coreOf("release");

const ALL_BYTES = Uint8Array.from({ length: 256 }, (_, byte) => byte);

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
async function differing(
  name: string,
  model: Uint8Array,
  target: string,
  exactRounding: boolean,
  input?: Uint8Array,
) {
  const result = compileCase(core, model, { mode: "optimised", target, exactRounding });
  const { graph } = result.model;
  const inputs = input ? [input] : inputsOfCase(name, graph);
  const [got] = await simulate(result.executable, inputs);
  const want = runGraph(core, graph, inputs).get(graph.outputs[0]!)!;
  const bytes = got!.reduce((count, byte, i) => count + Number(byte !== want[i]), 0);
  const jobs = result.executable.partitions[0]!.jobs.filter(({ kind }) => kind === "NN").length;
  return { bytes, jobs };
}

const below = rng("ranges");
const pick = <T>(values: readonly T[]): T => values[below.next() % values.length]!;
const random = (): number => (below.next() % 2 ** 24) / 2 ** 24;

/** Factors that leave few choices, or are at the end of what multipliers can say. */
const NASTY = [
  1, 1 / 2, 1 / 3, 2 / 3, 1 / 255, 1 / 256, 1 / 7.5, 0.9999999, 0.4999999, 1 / 64.0001, 1 / 99.9999, 3 / 128, 65535 / 2 ** 20,
  65537 / 2 ** 22,
]; // prettier-ignore
const FACTORS = [...NASTY, ...Array.from({ length: 14 }, () => 0.004 * 200 ** random())];

const RANDOM_SHAPES = Array.from({ length: 16 }, (_, i): ConvCase => {
  const channels = pick([3, 8, 24]);
  const depthwise = i % 4 === 3;
  return {
    kind: depthwise ? "DEPTHWISE_CONV_2D" : "CONV_2D",
    type: pick(["uint8", "int8"]),
    size: [7 + (below.next() % 9), 7 + (below.next() % 9)],
    channels,
    outputs: depthwise ? channels : pick([5, 16, 33]),
    kernel: pick([[1, 1] as const, [3, 3] as const, [2, 3] as const]),
    stride: pick([[1, 1] as const, [2, 2] as const]),
    activation: pick(["none", "relu"] as const),
    factor: 0.0007 * 30 ** random(),
    outZero: pick([0, 0, 1, 60, 128, 254, 255]),
  };
});

for (const target of ["a311d", "imx8mp"]) {
  const test = suite(`ranges ${target}`);
  let whole = 0;
  for (const [name, model] of MODELS)
    test(name, async () => {
      const once = await differing(name, model, target, false);
      const exact = await differing(name, model, target, true);
      assert.is(once.jobs, 1);
      assert.ok(exact.jobs === 1 || exact.jobs >= 3, `${exact.jobs} jobs`);
      assert.is(exact.bytes, 0);
      whole += once.bytes;
    });
  test("bytes differ in one job", () => {
    assert.ok(whole > 0);
  });
  for (const shape of RANDOM_SHAPES) {
    const name = JSON.stringify(shape);
    test(name, async () => {
      assert.is((await differing(name, convModel(shape), target, true)).bytes, 0);
    });
  }
  for (const [i, factor] of FACTORS.entries())
    test(`every accumulator, ${factor}`, async () => {
      const zero = [0, 128, 255, 30, 1][i % 5]!;
      const activation = i % 3 === 0 && zero < 255 ? "relu" : "none";
      const model = everyAccumulatorModel(factor, zero, activation);
      const { bytes } = await differing(`every/${factor}`, model, target, true, ALL_BYTES);
      assert.is(bytes, 0);
    });
  test.run();
}
