// Layers with a scale for each channel: simulated results against the integer reference, which has a multiplier for each channel,
// within the bounds of every accuracy; and against LiteRT where it runs.
// SPDX-License-Identifier: MIT
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ACCURACIES, type Accuracy } from "../../core-as/compile/options.ts";
import { elementCount, type Graph } from "../../core-as/ir/graph.ts";
import { runGraph } from "../../core-as/runtime/cpu/index.ts";
import { compileCase } from "../helpers/compile-case.ts";
import { coreOf } from "../helpers/cores.ts";
import { loadLiteRt } from "../helpers/litert.ts";
import {
  caseName,
  perChannelGrid,
  perChannelModel,
  type PerChannelCase,
} from "../helpers/per-channel-model.ts";
import { propSettings } from "../helpers/prop.ts";
import { inputsOfCase, simulate } from "../helpers/simulate.ts";

const TARGETS = ["a311d", "imx8mp"];
const core = await coreOf("release");

interface Errors {
  most: number;
  /** Share of the outputs that are more than one step off. */
  beyondOne: number;
}

function errorsOf(got: Uint8Array, want: Uint8Array, type: string): Errors {
  const flip = type === "int8" ? 0x80 : 0;
  let [most, beyond] = [0, 0];
  for (const [i, byte] of want.entries()) {
    const error = Math.abs((got[i]! ^ flip) - (byte ^ flip));
    most = Math.max(most, error);
    if (error > 1) beyond++;
  }
  return { most, beyondOne: beyond / want.length };
}

/** Asserts what an accuracy promises. Few outputs may be unlucky together: one of them is not 1 %. */
function checkErrors(
  { most, beyondOne }: Errors,
  accuracy: Accuracy,
  bound: number,
  outputs: number,
): void {
  assert.ok(most <= Math.ceil(bound + 1e-3), `off by ${most}, the report says ${bound}`);
  if (accuracy === "exact") assert.ok(most <= 1, `off by ${most}`);
  if (accuracy !== "balanced") return;
  assert.ok(most <= 3, `off by ${most}`);
  assert.ok(beyondOne <= Math.max(0.01, 2 / outputs), `${beyondOne} beyond 1`);
}

async function check(c: PerChannelCase, accuracy: Accuracy, target: string): Promise<void> {
  const { executable, model } = compileCase(core, perChannelModel(c), {
    mode: "optimised",
    target,
    accuracy,
  });
  const left = executable.placements.filter(({ place }) => place === "cpu");
  assert.equal(
    left.map(({ reason }) => reason),
    [],
  );
  assert.is(executable.accuracies.length, c.outputs === 1 ? 0 : 1);
  const { graph } = model;
  const inputs = inputsOfCase(caseName(c), graph);
  const want = runGraph(core, graph, inputs).get(graph.outputs[0]!)!;
  const [got] = await simulate(executable, inputs);
  const { type, shape } = graph.tensors[graph.outputs[0]!]!;
  const bound = executable.accuracies[0]?.bound ?? 1;
  checkErrors(errorsOf(got!, want, type), accuracy, Math.max(bound, 1), elementCount(shape));
}

for (const target of TARGETS)
  for (const accuracy of ACCURACIES) {
    const test = suite(`per channel, ${accuracy}, ${target}`);
    for (const c of perChannelGrid()) test(caseName(c), () => check(c, accuracy, target));
    test.run();
  }

const cases = fc
  .record({
    kind: fc.constantFrom("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED") as fc.Arbitrary<
      PerChannelCase["kind"]
    >,
    size: fc.tuple(fc.integer({ min: 3, max: 13 }), fc.integer({ min: 3, max: 13 })),
    channels: fc.integer({ min: 1, max: 40 }),
    outputs: fc.integer({ min: 2, max: 70 }),
    kernel: fc.constantFrom([1, 1], [3, 3], [3, 1], [2, 3], [5, 5]) as fc.Arbitrary<
      [number, number]
    >,
    stride: fc.constantFrom(1, 1, 1, 2, 3),
    padding: fc.constantFrom("same", "valid") as fc.Arbitrary<"same" | "valid">,
    activation: fc.constantFrom("none", "relu", "relu6") as fc.Arbitrary<"none" | "relu" | "relu6">,
    spread: fc.constantFrom(1.5, 4, 20, 150),
    inputZero: fc.constantFrom(0, 20, 128, 255),
    largeBias: fc.boolean(),
    deadChannels: fc.boolean(),
    swing: fc.constantFrom(5, 40, 150),
  })
  .map((c): PerChannelCase => {
    const small = Math.min(...c.size);
    const kernel = c.kernel.map((side) => Math.min(side, small)) as [number, number];
    if (c.kind === "FULLY_CONNECTED")
      return { ...c, size: [c.size[0], 1], kernel: [1, 1], stride: 1 };
    const outputs = c.kind === "DEPTHWISE_CONV_2D" ? Math.max(2, c.channels) : c.outputs;
    const channels = c.kind === "DEPTHWISE_CONV_2D" ? outputs : c.channels;
    return { ...c, kernel, outputs, channels };
  });

const random = suite("per channel, random");

random("random layers stay within the bounds of their accuracy on both chips", async () => {
  const property = fc.asyncProperty(
    cases,
    fc.constantFrom(...ACCURACIES),
    fc.constantFrom(...TARGETS),
    (c, accuracy, target) => check(c, accuracy, target),
  );
  await fc.assert(property, propSettings(60));
});

random("the comparison notices a single weight, bias or output that is off", async () => {
  const c: PerChannelCase = {
    kind: "CONV_2D",
    size: [8, 8],
    channels: 8,
    outputs: 16,
    kernel: [3, 3],
    spread: 10,
  };
  const bytes = perChannelModel(c);
  const { executable, model } = compileCase(core, bytes, { mode: "optimised", accuracy: "exact" });
  const inputs = inputsOfCase(caseName(c), model.graph);
  const [got] = await simulate(executable, inputs);
  const reference = (graph: Graph): Uint8Array =>
    runGraph(core, graph, inputs).get(graph.outputs[0]!)!;
  assert.ok(errorsOf(got!, reference(model.graph), "int8").most <= 1);
  for (const changed of [1, 2]) {
    const tensors = model.graph.tensors.map((tensor) =>
      tensor.id === changed
        ? { ...tensor, constant: tensor.constant!.map((byte, i) => (i === 1 ? byte ^ 0x40 : byte)) }
        : tensor,
    );
    assert.ok(
      errorsOf(got!, reference({ ...model.graph, tensors }), "int8").most > 1,
      `tensor ${changed}`,
    );
  }
  const off = got!.map((byte, i) => (i === 100 ? byte ^ 0x02 : byte));
  assert.ok(errorsOf(off, reference(model.graph), "int8").most > 1);
});

random("LiteRT agrees with the integer reference within its own rounding", async () => {
  const runner = await loadLiteRt();
  if ("reason" in runner) return console.log(`skipped: LiteRT (${runner.reason})`);
  for (const c of perChannelGrid().filter((one) => one.unsigned)) {
    const bytes = perChannelModel(c);
    const { executable, model } = compileCase(core, bytes, {
      mode: "optimised",
      accuracy: "exact",
    });
    const { graph } = model;
    const inputs = inputsOfCase(caseName(c), graph);
    const shape = graph.tensors[graph.inputs[0]!]!.shape;
    const [witness] = await runner.run(bytes, [{ bytes: inputs[0]!, shape, type: "uint8" }]);
    const [got] = await simulate(executable, inputs);
    assert.ok(errorsOf(got!, witness!, "uint8").most <= 2, caseName(c));
  }
});

random.run();
