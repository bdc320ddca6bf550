// Convolutions: values worked out by hand, and a grid against exact arithmetic.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { windowAxis } from "../../../core-as/runtime/cpu/geometry.ts";
import { canRunOnCpu, runOperator } from "../../../core-as/runtime/cpu/index.ts";
import { quantiseMultiplier } from "../../../core-as/ir/fixed-point.ts";
import { BUILDS, coreOf } from "../../helpers/cores.ts";
import { naiveAccumulators, naiveRequantise, type NaiveConv } from "../../helpers/naive-kernels.ts";
import { bytesOf, randomNumbers, tinyGraph, valuesOf } from "../../helpers/tiny-graph.ts";

const PLAIN = {
  padding: "valid",
  strideW: 1,
  strideH: 1,
  dilationW: 1,
  dilationH: 1,
  activation: "none",
};

interface GridCase {
  kind: "CONV_2D" | "DEPTHWISE_CONV_2D";
  type: "uint8" | "int8";
  input: [number, number, number, number];
  outputC: number;
  kernel: [number, number];
  stride?: [number, number];
  dilation?: [number, number];
  padding?: "same" | "valid";
  groups?: number;
  perChannel?: boolean;
  noBias?: boolean;
}

const GRID: GridCase[] = [
  { kind: "CONV_2D", type: "uint8", input: [1, 5, 6, 3], outputC: 5, kernel: [3, 3] },
  {
    kind: "CONV_2D",
    type: "int8",
    input: [2, 5, 5, 8],
    outputC: 4,
    kernel: [3, 2],
    padding: "same",
  },
  {
    kind: "CONV_2D",
    type: "uint8",
    input: [1, 9, 7, 2],
    outputC: 3,
    kernel: [3, 5],
    stride: [2, 3],
  },
  {
    kind: "CONV_2D",
    type: "uint8",
    input: [1, 9, 9, 3],
    outputC: 6,
    kernel: [3, 3],
    dilation: [2, 3],
    padding: "same",
  },
  { kind: "CONV_2D", type: "int8", input: [1, 4, 4, 12], outputC: 6, kernel: [3, 3], groups: 3 },
  { kind: "CONV_2D", type: "uint8", input: [1, 4, 4, 9], outputC: 9, kernel: [1, 1], groups: 9 },
  {
    kind: "CONV_2D",
    type: "int8",
    input: [1, 3, 11, 17],
    outputC: 9,
    kernel: [1, 1],
    perChannel: true,
    noBias: true,
  },
  {
    kind: "CONV_2D",
    type: "uint8",
    input: [1, 2, 2, 4],
    outputC: 5,
    kernel: [7, 7],
    stride: [2, 2],
    padding: "same",
  },
  { kind: "DEPTHWISE_CONV_2D", type: "uint8", input: [1, 6, 5, 19], outputC: 19, kernel: [3, 3] },
  {
    kind: "DEPTHWISE_CONV_2D",
    type: "int8",
    input: [2, 6, 7, 8],
    outputC: 8,
    kernel: [5, 3],
    stride: [2, 1],
    padding: "same",
    perChannel: true,
  },
  {
    kind: "DEPTHWISE_CONV_2D",
    type: "uint8",
    input: [1, 9, 9, 5],
    outputC: 5,
    kernel: [3, 3],
    dilation: [3, 2],
    padding: "same",
  },
  {
    kind: "DEPTHWISE_CONV_2D",
    type: "int8",
    input: [1, 5, 5, 3],
    outputC: 9,
    kernel: [3, 3],
    padding: "same",
    noBias: true,
  },
];

function nameOf(c: GridCase): string {
  const { kind, type, input, kernel, stride, dilation, padding, outputC, groups = 1 } = c;
  return (
    `${kind} ${type} [${input}] k${kernel} s${stride ?? 1} d${dilation ?? 1} ` +
    `${padding ?? "valid"} o${outputC} g${groups}${c.perChannel ? " per channel" : ""}`
  );
}

/** Geometry of a case for the naive convolution. */
function naiveOf(c: GridCase): NaiveConv {
  const { input, outputC, kernel, stride = [1, 1], dilation = [1, 1], padding = "valid" } = c;
  const y = windowAxis(padding, input[1], kernel[0], stride[0], dilation[0]);
  const x = windowAxis(padding, input[2], kernel[1], stride[1], dilation[1]);
  const isDepthwise = c.kind === "DEPTHWISE_CONV_2D";
  const groups = c.groups ?? 1;
  const count = isDepthwise ? 1 : input[3] / groups;
  return {
    input,
    output: [input[0], y.output, x.output, outputC],
    kernel,
    stride,
    dilation,
    pad: [y.before, x.before],
    channelsOf: (o) =>
      isDepthwise
        ? { first: Math.floor(o / (outputC / input[3])), count }
        : { first: Math.floor(o / (outputC / groups)) * count, count },
    weightAt: (o, ky, kx, i) =>
      isDepthwise
        ? (ky * kernel[1] + kx) * outputC + o
        : ((o * kernel[0] + ky) * kernel[1] + kx) * count + i,
  };
}

/** A case with random operands: its graph, input bytes and the expected output values. */
function buildCase(c: GridCase) {
  const naive = naiveOf(c);
  const random = randomNumbers(c.outputC * 1000 + c.input[2] * 10 + c.kernel[0]);
  const low = c.type === "int8" ? -128 : 0;
  const draw = (count: number): number[] =>
    Array.from({ length: count }, () => random(low, low + 255));
  const isDepthwise = c.kind === "DEPTHWISE_CONV_2D";
  const groupC = c.input[3] / (c.groups ?? 1);
  const weightShape = isDepthwise ? [1, ...c.kernel, c.outputC] : [c.outputC, ...c.kernel, groupC];
  const input = draw(c.input.reduce((a, b) => a * b));
  const weights = draw(weightShape.reduce((a, b) => a * b));
  const bias = Array.from({ length: c.outputC }, () => random(0, 4000) - 2000);
  const inputZero = low + 100;
  const weightZero = c.type === "int8" ? 0 : 131;
  const outputZero = low + 120;
  const scales = Array.from({ length: c.perChannel ? c.outputC : 1 }, () =>
    Math.fround(random(1, 50) / 1000),
  );
  const [inputScale, outputScale] = [Math.fround(0.11), Math.fround(1.7)];
  const { graph, op } = tinyGraph(
    c.kind,
    {
      ...PLAIN,
      padding: c.padding ?? "valid",
      strideH: naive.stride[0],
      strideW: naive.stride[1],
      dilationH: naive.dilation[0],
      dilationW: naive.dilation[1],
      depthMultiplier: 1,
    },
    [
      { type: c.type, shape: c.input, scale: inputScale, zero: inputZero },
      {
        type: c.type,
        shape: weightShape,
        scale: scales,
        zero: weightZero,
        axis: isDepthwise ? 3 : 0,
        values: weights,
      },
      c.noBias ? null : { type: "int32", shape: [c.outputC], scale: null, values: bias },
    ],
    [{ type: c.type, shape: naive.output, scale: outputScale, zero: outputZero }],
  );
  const sums = naiveAccumulators(
    naive,
    input.map((v) => v - inputZero),
    weights.map((v) => v - weightZero),
    c.noBias ? [] : bias,
  );
  const expected = sums.map((sum, i) => {
    const product = inputScale * scales[c.perChannel ? i % c.outputC : 0]!;
    const real = (c.type === "uint8" ? Math.fround(product) : product) / outputScale;
    const { multiplier, shift } = quantiseMultiplier(real);
    const value = naiveRequantise(sum, multiplier, shift) + outputZero;
    return Math.min(Math.max(value, low), low + 255);
  });
  return { graph, op, bytes: bytesOf(c.type, input), expected };
}

for (const build of BUILDS) {
  const test = suite(`convolution kernels (${build})`);

  test("1x1 by hand, with both signs and a tie", async () => {
    const core = await coreOf(build);
    // (x - 10) * (w - 5) + bias, halved
    const { graph, op } = tinyGraph(
      "CONV_2D",
      PLAIN,
      [
        { shape: [1, 1, 4, 1], zero: 10 },
        { shape: [1, 1, 1, 1], scale: 0.5, zero: 5, values: [6] },
        { type: "int32", shape: [1], values: [1] },
      ],
      [{ shape: [1, 1, 4, 1], zero: 100 }],
    );
    const [output] = runOperator(core, graph, op, () => Uint8Array.of(10, 0, 20, 255));
    // sums 1, -9, 11, 246; halves 0.5 -> 1, -4.5 -> -4, 5.5 -> 6, 123: ties upwards
    assert.equal([...output!], [101, 96, 106, 223]);
  });

  test("SAME padding counts as the zero point and lies behind when odd", async () => {
    const core = await coreOf(build);
    const { graph, op } = tinyGraph(
      "CONV_2D",
      { ...PLAIN, padding: "same" },
      [
        { shape: [1, 1, 3, 1], zero: 7 },
        { shape: [1, 1, 2, 1], zero: 0, values: [1, 10] },
      ],
      [{ shape: [1, 1, 3, 1] }],
    );
    const [output] = runOperator(core, graph, op, () => Uint8Array.of(8, 9, 10));
    assert.equal([...output!], [21, 32, 3]);
  });

  test("fully connected by hand: two rows, three outputs, int8 weights with a zero point", async () => {
    const core = await coreOf(build);
    const { graph, op } = tinyGraph(
      "FULLY_CONNECTED",
      { activation: "relu", weightsFormat: 0, keepNumDims: false },
      [
        { type: "int8", shape: [2, 2], zero: -1 },
        { type: "int8", shape: [3, 2], zero: 1, values: [2, 1, 1, 2, -1, -1] },
        { type: "int32", shape: [3], values: [0, 0, 5] },
      ],
      [{ type: "int8", shape: [2, 3], zero: -10 }],
    );
    const [output] = runOperator(core, graph, op, () => bytesOf("int8", [1, 2, -4, 0]));
    // x + 1 = [2, 3], [-3, 1]; w - 1 = [1, 0], [0, 1], [-2, -2]
    assert.equal(valuesOf("int8", output!), [-8, -7, -10, -10, -9, -1]);
  });

  test("depthwise by hand, clamped by relu6", async () => {
    const core = await coreOf(build);
    const { graph, op } = tinyGraph(
      "DEPTHWISE_CONV_2D",
      { ...PLAIN, depthMultiplier: 2, activation: "relu6" },
      [
        { shape: [1, 1, 2, 2], zero: 1 },
        { shape: [1, 1, 2, 4], zero: 2, values: [3, 4, 5, 1, 2, 3, 2, 0] },
        null,
      ],
      [{ shape: [1, 1, 1, 4], scale: 2, zero: 20 }],
    );
    const [output] = runOperator(core, graph, op, () => Uint8Array.of(3, 4, 0, 5));
    // x = [2, 3], [-1, 4]; w = [1, 2, 3, -1], [0, 1, 0, -2]: sums 2, 3, 9, -11; halves 1, 1.5, 4.5, -5.5
    assert.equal([...output!], [21, 22, 23, 20]);
  });

  for (const c of GRID)
    test(nameOf(c), async () => {
      const core = await coreOf(build);
      const { graph, op, bytes, expected } = buildCase(c);
      assert.equal(canRunOnCpu(graph, op), { ok: true });
      const [output] = runOperator(core, graph, op, () => bytes);
      assert.equal(valuesOf(c.type, output!), expected);
    });

  test.run();
}
