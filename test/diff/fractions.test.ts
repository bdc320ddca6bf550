// Weights with fractions of a step: the addition or the convolution that computes their input supplies them by its own job, and tensors
// that are added again still lie where they are added.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Graph, Tensor } from "../../core-as/ir/graph.ts";
import { runOperator } from "../../core-as/runtime/cpu/index.ts";
import { compileCase } from "../helpers/compile-case.ts";
import { coreOf } from "../helpers/cores.ts";
import { graph, op, PLAIN_CONV, tensor } from "../helpers/make-graph.ts";
import { rng } from "../helpers/prng.mjs";
import { inputsOfCase, maxDifference, simulate } from "../helpers/simulate.ts";
import { modelBytes } from "../helpers/window-model.ts";

const core = await coreOf("release");
const CHANNELS = 16;
const OUTPUTS = 32;

const image = (channels: number, scale: number): Tensor =>
  tensor([1, 12, 12, channels], { type: "int8", scales: [scale] });

/**
 * Two additions, one on either side of what a 1x1 convolution with scales from 1 to 100 reads.
 * @param first the sum is the first operand of the second addition
 */
function network(first: boolean): Graph {
  const { u } = rng(`fractions ${first}`);
  const weights = Int8Array.from({ length: CHANNELS * OUTPUTS }, (_, i) =>
    i % CHANNELS === 0 ? 127 : Math.round(u() * 254 - 127),
  );
  const scales = Float32Array.from({ length: OUTPUTS }, () => 0.02 * 100 ** -u());
  const perChannel = (made: Tensor, constant: Uint8Array, by: number): Tensor => ({
    ...made,
    constant,
    quant: {
      scales: scales.map((scale) => scale * by),
      zeroPoints: new Int32Array(OUTPUTS),
      axis: 0,
    },
  });
  const tensors = [
    image(CHANNELS, 0.05),
    image(CHANNELS, 0.031),
    image(CHANNELS, 0.062),
    perChannel(
      tensor([OUTPUTS, 1, 1, CHANNELS], { type: "int8" }),
      new Uint8Array(weights.buffer),
      1,
    ),
    perChannel(
      tensor([OUTPUTS], { type: "int32", scales: [1] }),
      new Uint8Array(4 * OUTPUTS),
      tensorScale,
    ),
    image(OUTPUTS, 0.15),
    image(CHANNELS, 0.09),
  ];
  return graph(
    tensors,
    [
      op("ADD", [0, 1], [2], { activation: "none" }),
      op("CONV_2D", [2, 3, 4], [5], PLAIN_CONV),
      op("ADD", first ? [2, 0] : [0, 2], [6], { activation: "none" }),
    ],
    [0, 1],
    [2, 5, 6],
  );
}
const tensorScale = Math.fround(0.062);

const fractions = suite("fractions of a step");
for (const target of ["a311d", "imx8mp"])
  for (const first of [true, false])
    fractions(`${target}: the sum is the ${first ? "first" : "second"} operand again`, async () => {
      const made = network(first);
      const bytes = modelBytes(made);
      const { executable, model } = compileCase(core, bytes, {
        target,
        mode: "optimised",
        accuracy: "exact",
      });
      const [layer] = executable.accuracies;
      assert.ok(layer!.fractions > 0, "the convolution has fractions");
      const jobs = executable.partitions.flatMap((partition) => partition.jobs);
      assert.is(jobs.filter((job) => job.op === "rescale").length, 0, "no job of its own");
      assert.is(jobs.filter(({ op: name }) => name === "add").length, 2);
      const inputs = inputsOfCase("fractions", model.graph);
      const [sum, convolved, again] = await simulate(executable, inputs);
      const given = new Map([0, 1].map((id) => [model.graph.inputs[id]!, inputs[id]!]));
      given.set(model.graph.outputs[0]!, sum!);
      const outputs = [sum!, convolved!, again!];
      for (const [i, operator] of model.graph.ops.entries()) {
        const [want] = runOperator(core, model.graph, operator, (id) => given.get(id)!);
        const most = maxDifference("int8", outputs[i]!, want!);
        assert.ok(most <= 1, `${operator.kind} ${i} is off by ${most}`);
      }
    });
for (const target of ["a311d", "imx8mp"])
  fractions(
    `${target}: a sum far beyond its range stays inside what the report says for any inputs`,
    async () => {
      const made = network(true);
      made.tensors[2] = { ...image(CHANNELS, 0.02), id: 2 };
      made.tensors[5] = { ...image(OUTPUTS, 0.05), id: 5 };
      const { executable, model } = compileCase(core, modelBytes(made), {
        target,
        mode: "optimised",
        accuracy: "exact",
      });
      const [layer] = executable.accuracies;
      assert.ok(layer!.fractions > 0, "the convolution has fractions");
      for (const byte of [0x7f, 0x80]) {
        const inputs = inputsOfCase("fractions", model.graph).map((bytes) => bytes.fill(byte));
        const [sum, convolved] = await simulate(executable, inputs);
        assert.ok(
          sum!.every((value) => value === byte),
          "the sum saturates",
        );
        const [want] = runOperator(core, model.graph, model.graph.ops[1]!, () => sum!);
        assert.ok(maxDifference("int8", convolved!, want!) <= Math.ceil(layer!.worst));
      }
    },
  );
/** The network with a convolution of one job in place of the first addition. */
function behindConvolution(): Graph {
  const made = network(true);
  const { u } = rng("fractions of a convolution");
  const weights = Int8Array.from({ length: CHANNELS * CHANNELS }, (_, i) =>
    i % CHANNELS === 0 ? 127 : Math.round(u() * 100 - 50),
  );
  // Scales so near each other that one multiplier does for all.
  const scales = Float32Array.from({ length: CHANNELS }, (_, c) => 0.003 * (1 + c / 200));
  const quant = (by: number) => ({
    scales: scales.map((scale) => scale * by),
    zeroPoints: new Int32Array(CHANNELS),
    axis: 0,
  });
  const first = made.tensors.length;
  // On large images a second kernel costs less than a job that reads them again.
  const large = made.tensors.map((one) =>
    one.shape[1] === 12 ? { ...one, shape: [1, 40, 40, one.shape[3]!] } : one,
  );
  const added = [
    {
      ...tensor([CHANNELS, 1, 1, CHANNELS], { type: "int8" }),
      constant: new Uint8Array(weights.buffer),
      quant: quant(1),
    },
    {
      ...tensor([CHANNELS], { type: "int32", scales: [1] }),
      constant: new Uint8Array(4 * CHANNELS),
      quant: quant(Math.fround(0.05)),
    },
  ] as Tensor[];
  return graph(
    [...large, ...added],
    [
      op("CONV_2D", [0, first, first + 1], [2], PLAIN_CONV),
      op("CONV_2D", [2, 3, 4], [5], PLAIN_CONV),
      op("ADD", [2, 1], [6], { activation: "none" }),
    ],
    [0, 1],
    [2, 5, 6],
  );
}

for (const target of ["a311d", "imx8mp"])
  fractions(`${target}: a convolution supplies what the next one reads`, async () => {
    const { executable, model } = compileCase(core, modelBytes(behindConvolution()), {
      target,
      mode: "optimised",
      accuracy: "exact",
    });
    const [first, second] = executable.accuracies;
    assert.is(first!.groups, 1);
    assert.ok(second!.fractions > 0, "the second convolution has fractions");
    const jobs = executable.partitions.flatMap((partition) => partition.jobs);
    assert.is(jobs.filter((job) => job.op === "rescale").length, 0, "no job of its own");
    const inputs = inputsOfCase("fractions", model.graph);
    const outputs = await simulate(executable, inputs);
    const given = new Map([0, 1].map((id) => [model.graph.inputs[id]!, inputs[id]!]));
    given.set(model.graph.outputs[0]!, outputs[0]!);
    for (const [i, operator] of model.graph.ops.entries()) {
      const [want] = runOperator(core, model.graph, operator, (id) => given.get(id)!);
      const most = maxDifference("int8", outputs[i]!, want!);
      assert.ok(most <= 1, `${operator.kind} ${i} is off by ${most}`);
    }
  });

fractions.run();
