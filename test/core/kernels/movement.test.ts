// CONCATENATION, SPLIT, RESHAPE and PAD: every element lands where it belongs.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runOperator } from "../../../core-as/runtime/cpu/index.ts";
import { BUILDS, coreOf } from "../../helpers/cores.ts";
import { tinyGraph, type TinyTensor } from "../../helpers/tiny-graph.ts";

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

for (const build of BUILDS) {
  const test = suite(`moving kernels (${build})`);

  async function run(
    kind: string,
    options: Record<string, unknown>,
    inputs: TinyTensor[],
    outputs: TinyTensor[],
    values: number[][],
  ): Promise<number[][]> {
    const core = await coreOf(build);
    const { graph, op } = tinyGraph(kind, options, inputs, outputs);
    const given = graph.inputs.map((id, i) => [id, Uint8Array.from(values[i]!)] as const);
    const results = runOperator(core, graph, op, (id) => new Map(given).get(id)!);
    return results.map((bytes) => [...bytes]);
  }

  test("CONCATENATION along an outer, a middle and the last dimension", async () => {
    const a: TinyTensor = { shape: [2, 1, 2] };
    const options = (axis: number) => ({ axis, activation: "none" });
    const values = [upTo(4), [10, 11, 12, 13]];
    const concat = async (axis: number, shape: number[]): Promise<number[]> =>
      (await run("CONCATENATION", options(axis), [a, a], [{ shape }], values))[0]!;
    assert.equal(await concat(0, [4, 1, 2]), [0, 1, 2, 3, 10, 11, 12, 13]);
    assert.equal(await concat(1, [2, 2, 2]), [0, 1, 10, 11, 2, 3, 12, 13]);
    assert.equal(await concat(-1, [2, 1, 4]), [0, 1, 10, 11, 2, 3, 12, 13]);
  });

  test("CONCATENATION rescales uint8 inputs, rounding half away from zero", async () => {
    const inputs: TinyTensor[] = [{ shape: [3] }, { shape: [4], scale: 0.5, zero: 10 }];
    const output: TinyTensor = { shape: [7], zero: 5 };
    const values = [
      [0, 5, 255],
      [10, 11, 9, 255],
    ];
    const options = { axis: 0, activation: "none" };
    // the first only moves its zero point; the second has halves
    assert.equal(await run("CONCATENATION", options, inputs, [output], values), [
      [5, 10, 255, 5, 6, 4, 128],
    ]);
  });

  test("CONCATENATION of 32-bit elements", async () => {
    const tensor = (n: number): TinyTensor => ({ type: "float32", shape: [2, n], scale: null });
    const options = { axis: 1, activation: "none" };
    const values = [upTo(8), upTo(16).map((i) => 100 + i)];
    const [output] = await run(
      "CONCATENATION",
      options,
      [tensor(1), tensor(2)],
      [tensor(3)],
      values,
    );
    const second = values[1]!;
    assert.equal(output, [0, 1, 2, 3, ...second.slice(0, 8), 4, 5, 6, 7, ...second.slice(8)]);
  });

  test("SPLIT is the inverse of CONCATENATION", async () => {
    const axis = (value: number): TinyTensor => ({
      type: "int32",
      shape: [],
      scale: null,
      values: [value],
    });
    const input: TinyTensor = { shape: [2, 4] };
    const half: TinyTensor = { shape: [2, 2] };
    const options = { numSplits: 2 };
    assert.equal(await run("SPLIT", options, [axis(-1), input], [half, half], [upTo(8)]), [
      [0, 1, 4, 5],
      [2, 3, 6, 7],
    ]);
    const row: TinyTensor = { shape: [1, 4] };
    assert.equal(await run("SPLIT", options, [axis(0), input], [row, row], [upTo(8)]), [
      [0, 1, 2, 3],
      [4, 5, 6, 7],
    ]);
  });

  test("RESHAPE copies", async () => {
    const outputs = await run("RESHAPE", {}, [{ shape: [2, 3] }], [{ shape: [6] }], [upTo(6)]);
    assert.equal(outputs, [upTo(6)]);
  });

  test("PAD fills with the zero point in every dimension", async () => {
    const paddings: TinyTensor = {
      type: "int32",
      shape: [3, 2],
      scale: null,
      values: [0, 1, 1, 0, 2, 1],
    };
    const input: TinyTensor = { shape: [1, 2, 1], zero: 9 };
    const output: TinyTensor = { shape: [2, 3, 4], zero: 9 };
    const nine = (count: number): number[] => Array<number>(count).fill(9);
    assert.equal(await run("PAD", {}, [input, paddings], [output], [[1, 2]]), [
      [...nine(4), 9, 9, 1, 9, 9, 9, 2, 9, ...nine(12)],
    ]);
  });

  test("PADV2 fills with its own value", async () => {
    const paddings: TinyTensor = { type: "int32", shape: [1, 2], scale: null, values: [1, 2] };
    const inputs: TinyTensor[] = [{ shape: [2] }, paddings, { shape: [], values: [77] }];
    assert.equal(await run("PADV2", {}, inputs, [{ shape: [5] }], [[1, 2]]), [[77, 1, 2, 77, 77]]);
  });

  test.run();
}
