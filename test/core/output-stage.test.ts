// Output stages fitted to TFLite: the steps that are asked for are TFLite's, and what is found gives its bytes.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  averageSteps,
  pairTerms,
  requantisedSteps,
  tabledSteps,
} from "../../core-as/compile/optimised/numerics.ts";
import {
  encodable,
  fitOutputStage,
  levelStarts,
  shareOf,
  stageLimits,
  type OutputStage,
  type Steps,
} from "../../core-as/compile/optimised/output-stage.ts";
import { chipByName } from "../../core-as/hw/chips.ts";
import { quantiseMultiplier, requantise } from "../../core-as/ir/fixed-point.ts";
import type { Graph, Op, Tensor } from "../../core-as/ir/graph.ts";
import { runOperator } from "../../core-as/runtime/cpu/index.ts";
import { coreOf } from "../helpers/cores.ts";
import { hardwareByte } from "../helpers/hardware-byte.ts";
import { rng } from "../helpers/prng.mjs";
import { tinyGraph } from "../helpers/tiny-graph.ts";

const core = await coreOf("release");
const V7 = chipByName("a311d")!;
const V8 = chipByName("imx8mp")!;

/** Byte that the steps give an accumulator; undefined between two steps' limits. */
function byteOf({ lower, upper, lowest }: Steps, accumulator: number): number | undefined {
  for (let i = 0; i < upper.length; i++) {
    if (accumulator <= lower[i]!) return lowest + i;
    if (accumulator < upper[i]!) return undefined;
  }
  return 255;
}

/** Numbers that are likely to tell two functions apart: around every step. */
const around = (steps: Steps): number[] =>
  [...steps.lower, ...steps.upper]
    .filter(Number.isFinite)
    .flatMap((at) => [at - 1, at, at + 1, at + 2]);

const test = suite("output stage");

test("steps of a requantisation are those of the kernels", () => {
  for (const [factor, zeroPoint, lowest] of [
    [0.0021, 0, 0],
    [0.0077, 128, 0],
    [0.3, 17, 17],
    [0.4999999, 255, 0],
    [0.5, 100, 0],
    [0.75, 3, 0],
    [1, 128, 0],
    [2.6, 90, 0],
    [2 ** -18, 40, 0],
  ] as const) {
    const steps = requantisedSteps(factor, zeroPoint, lowest)!;
    const { multiplier, shift } = quantiseMultiplier(factor);
    for (const accumulator of around(steps)) {
      const value = core.invoke("requantise", accumulator, multiplier, shift);
      assert.is(requantise(accumulator, { multiplier, shift }), value, `${factor}: ${accumulator}`);
      const want = Math.min(Math.max(value + zeroPoint, lowest), 255);
      assert.is(byteOf(steps, accumulator), want, `${factor}: ${accumulator}`);
    }
  }
  assert.is(requantisedSteps(2 ** -20, 0, 0), null);
});

test("behind a ReLU, version 8 gives TFLite's bytes for nearly every factor", () => {
  const random = rng("output stage");
  let [exact, wrong] = [0, 0];
  const factors = Array.from({ length: 100 }, () => 2 ** (-3 - (7 * random.next()) / 2 ** 32));
  for (const factor of factors) {
    const steps = requantisedSteps(factor, 0, 0)!;
    const stage = fitOutputStage(steps, stageLimits(V8, 0, 2 ** 26))!;
    assert.is(encodable(stage.factor, 24), stage.factor);
    const starts = levelStarts(stage, 0);
    const off = steps.upper.filter((want, i) => starts[i] !== want).length;
    exact += Number(off === 0);
    wrong += off;
    for (const at of [-1000, 0, 1, ...starts.slice(0, 20)]) {
      const want = starts.filter((start) => start <= at).length;
      assert.is(hardwareByte(stage, at, 0), want, `${factor}: accumulator ${at}`);
    }
  }
  assert.ok(exact >= 95, `${exact} of 100 exact`);
  assert.ok(wrong <= 30, `${wrong} of 25500 steps are off`);
});

test("a fitted stage is nearer than one rounding, on both chips and on both sides of zero", () => {
  const random = rng("linear");
  for (const chip of [V7, V8])
    for (let i = 0; i < 20; i++) {
      const factor = 2 ** (-4 - (6 * random.next()) / 2 ** 32);
      const zeroPoint = random.next() & 0xff;
      const steps = requantisedSteps(factor, zeroPoint, 0)!;
      const limits = stageLimits(chip, 0, 2 ** 26);
      const plain = { factor: encodable(factor, limits.multiplierBits), offset: 0, zeroPoint };
      const stage = fitOutputStage(steps, limits) ?? plain;
      // Rare outputs count less.
      const off = (one: OutputStage): number =>
        levelStarts(one, 0).reduce(
          (sum, start, k) => sum + shareOf(k + 1 - zeroPoint) * Math.abs(start - steps.upper[k]!),
          0,
        );
      assert.ok(off(stage) <= off(plain), `${factor}: ${off(stage)}, plain ${off(plain)}`);
      assert.ok(stage.zeroPoint >= 0 && stage.zeroPoint <= 255);
    }
});

test("limits: a zero point that something clamps at, and room in the accumulator", () => {
  const steps = requantisedSteps(0.00317, 40, 40)!;
  assert.is(fitOutputStage(steps, stageLimits(V8, 40, 2 ** 26))!.zeroPoint, 40);
  const free = requantisedSteps(0.003, 0, 0)!;
  const tight = fitOutputStage(free, { ...stageLimits(V8, 0, 0), maxOffset: 3 });
  assert.ok(Math.abs(tight?.offset ?? 0) <= 3);
  // One output for every accumulator: nothing to fit, nothing to hang on.
  const none = {
    lower: new Float64Array(255).fill(-Infinity),
    upper: new Float64Array(255).fill(Infinity),
  };
  assert.is(fitOutputStage({ ...free, ...none }, stageLimits(V8, 0, 0)), null);
});

test("factors beyond reason: no stage, and no time lost", () => {
  for (const factor of [2 ** -90, 2 ** -40, 2 ** 20])
    for (const chip of [V7, V8]) {
      const one = { accumulator: 1000, byte: 3 };
      const steps = tabledSteps([{ accumulator: 0, byte: 2 }, one], 2, 0, factor);
      assert.is(fitOutputStage(steps, stageLimits(chip, 0, 2 ** 20)), null);
    }
  const of = (scale: number): Tensor => ({
    id: 0,
    name: "t",
    type: "uint8",
    shape: [1, 1, 7, 1],
    quant: { scales: Float32Array.of(scale), zeroPoints: Int32Array.of(5), axis: 0 },
    constant: null,
  });
  // TFLite multiplies by 0 here, so no sum leaves the zero point.
  const terms = pairTerms([of(1e-12), of(1e-12)], of(1), 1, 0);
  assert.equal([...new Set(terms.first)], [-Infinity, Infinity]);
  const mean = { kind: "MEAN", options: {} } as Op;
  assert.is(averageSteps(mean, of(1e12), of(1), 7, 1), null);
});

/** Output bytes of an operator of the CPU kernels. */
function outputsOf(graph: Graph, op: Op, inputs: Uint8Array[]): Uint8Array {
  return runOperator(core, graph, op, (id) => inputs[op.inputs.indexOf(id)]!)[0]!;
}

test("terms of a sum are those of the kernels, for all pairs of bytes", () => {
  for (const [kind, sa, za, sb, zb, so, zo] of [
    ["ADD", 0.05, 117, 0.05, 117, 0.1, 128],
    ["ADD", 0.2034, 115, 0.2442, 132, 0.2834, 129],
    ["SUB", 0.011, 0, 0.31, 255, 0.4, 60],
  ] as const) {
    const all = [65536];
    const { graph, op } = tinyGraph(
      kind,
      { activation: "none" },
      [
        { shape: all, scale: sa, zero: za },
        { shape: all, scale: sb, zero: zb },
      ],
      [{ shape: all, scale: so, zero: zo }],
    );
    const [a, b] = [
      Uint8Array.from({ length: 65536 }, (_, i) => i >> 8),
      Uint8Array.from({ length: 65536 }, (_, i) => i),
    ];
    const want = outputsOf(graph, op, [a, b]);
    const tensors = [...op.inputs, ...op.outputs].map((id) => graph.tensors[id]!);
    const [ta, tb, to] = tensors as [Tensor, Tensor, Tensor];
    const terms = pairTerms([ta, tb], to, kind === "SUB" ? -1 : 1, 0);
    for (let i = 0; i < 65536; i++) {
      const sum = terms.a[a[i]!]! + terms.b[b[i]!]!;
      assert.is(terms.first.filter((first) => first <= sum).length, want[i], `${kind} ${i}`);
      // All pairs take long; an odd stride meets every first operand.
      i += 6;
    }
  }
});

test("steps of averages are those of the kernels", () => {
  for (const [kind, type, count, so, zo] of [
    ["AVERAGE_POOL_2D", "uint8", 9, 0.05, 117],
    ["AVERAGE_POOL_2D", "int8", 4, 0.05, -11],
    ["MEAN", "uint8", 49, 0.031, 3],
    ["MEAN", "int8", 6, 0.05, -11],
  ] as const) {
    const zero = type === "int8" ? -11 : 117;
    const input = { type, shape: [1, 1, count, 1], scale: 0.05, zero };
    const output = { type, shape: [1, 1, 1, 1], scale: so, zero: zo };
    const window = { filterH: 1, filterW: count, strideH: 1, strideW: 1, padding: "valid" };
    const { graph, op } =
      kind === "MEAN"
        ? tinyGraph(
            kind,
            { keepDims: true },
            [input, { type: "int32", shape: [2], scale: null, values: [1, 2] }],
            [output],
          )
        : tinyGraph(kind, { ...window, activation: "none" }, [input], [output]);
    const [from, to] = [graph.tensors[op.inputs[0]!]!, graph.tensors[op.outputs[0]!]!];
    const steps = averageSteps(op, from, to, count, 3)!;
    const random = rng(`${kind}/${type}`);
    for (let i = 0; i < 2000; i++) {
      const middle = random.next() & 0xff;
      const bytes = Uint8Array.from(
        { length: count },
        () => (middle + (random.next() % 23)) & 0xff,
      );
      const signed = Array.from(bytes, (byte) => (type === "int8" ? (byte << 24) >> 24 : byte));
      const sum = signed.reduce((total, value) => total + value - zero, 0);
      const got = outputsOf(graph, op, [bytes])[0]!;
      assert.is(
        byteOf(steps, 3 * sum),
        type === "int8" ? got ^ 0x80 : got,
        `${kind} ${type} ${sum}`,
      );
    }
  }
});

test.run();
