// ADD, SOFTMAX, LOGISTIC, QUANTIZE, MEAN and pooling: values worked out by hand, and bounds against real arithmetic.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runOperator } from "../../../core-as/runtime/cpu/index.ts";
import { BUILDS, coreOf } from "../../helpers/cores.ts";
import {
  bytesOf,
  randomNumbers,
  tinyGraph,
  valuesOf,
  type TinyTensor,
} from "../../helpers/tiny-graph.ts";

const NO_ACTIVATION = { activation: "none" };
const POOL = {
  padding: "valid",
  strideW: 1,
  strideH: 1,
  filterW: 2,
  filterH: 2,
  activation: "none",
};

for (const build of BUILDS) {
  const test = suite(`arithmetic and pooling kernels (${build})`);

  async function run(
    kind: string,
    options: Record<string, unknown>,
    inputs: TinyTensor[],
    output: TinyTensor,
    values: number[][],
  ): Promise<number[]> {
    const core = await coreOf(build);
    const { graph, op } = tinyGraph(kind, options, inputs, [output]);
    const bytes = values.map((list, i) => bytesOf(inputs[i]!.type ?? "uint8", list));
    const [result] = runOperator(core, graph, op, (id) => bytes[id]!);
    return valuesOf(output.type ?? "uint8", result!);
  }

  test("ADD rounds half away from zero and clamps", async () => {
    const shape = [4];
    const operand: TinyTensor = { type: "int8", shape };
    const output: TinyTensor = { type: "int8", shape, scale: 2 };
    const values = [
      [1, -1, 3, 100],
      [2, -2, -8, 127],
    ];
    assert.equal(
      await run("ADD", NO_ACTIVATION, [operand, operand], output, values),
      [2, -2, -3, 114],
    );
    const narrow: TinyTensor = { type: "int8", shape, scale: 1 };
    assert.equal(
      await run("ADD", { activation: "relu6" }, [operand, operand], narrow, values),
      [3, 0, 0, 6],
    );
  });

  test("ADD rescales operands of different scale and zero point", async () => {
    // 0.5 * (a - 10) + 2 * (b - 20) = 1 * (y - 30)
    const shape = [3];
    const inputs: TinyTensor[] = [
      { shape, scale: 0.5, zero: 10 },
      { shape, scale: 2, zero: 20 },
    ];
    const values = [
      [10, 20, 0],
      [20, 25, 10],
    ];
    assert.equal(await run("ADD", NO_ACTIVATION, inputs, { shape, zero: 30 }, values), [30, 45, 5]);
  });

  test("ADD broadcasts from the last dimension, both ways, up to six dimensions", async () => {
    const a: TinyTensor = { shape: [2, 1, 3] };
    const b: TinyTensor = { shape: [2, 1] };
    const values = [
      [1, 2, 3, 4, 5, 6],
      [10, 20],
    ];
    assert.equal(
      await run("ADD", NO_ACTIVATION, [a, b], { shape: [2, 2, 3] }, values),
      [11, 12, 13, 21, 22, 23, 14, 15, 16, 24, 25, 26],
    );
    const six: TinyTensor = { shape: [1, 2, 1, 1, 2, 1] };
    const scalar: TinyTensor = { shape: [] };
    assert.equal(
      await run("ADD", NO_ACTIVATION, [six, scalar], six, [[1, 2, 3, 4], [5]]),
      [6, 7, 8, 9],
    );
  });

  test("AVERAGE_POOL_2D rounds half away from zero and leaves padding out", async () => {
    const input: TinyTensor = { type: "int8", shape: [1, 2, 2, 2] };
    const values = [[1, -1, 2, -2, 1, -1, 2, -2]];
    const one: TinyTensor = { type: "int8", shape: [1, 1, 1, 2] };
    assert.equal(await run("AVERAGE_POOL_2D", POOL, [input], one, values), [2, -2]);
    const same = { ...POOL, padding: "same" };
    assert.equal(
      await run("AVERAGE_POOL_2D", same, [input], input, values),
      [2, -2, 2, -2, 2, -2, 2, -2],
    );
  });

  test("MAX_POOL_2D takes whole vectors and the rest, signed and unsigned", async () => {
    const random = randomNumbers(3);
    for (const type of ["uint8", "int8"] as const) {
      const channels = 37;
      const low = type === "int8" ? -128 : 0;
      const pixels = Array.from({ length: 4 }, () =>
        Array.from({ length: channels }, () => random(low, low + 255)),
      );
      const input: TinyTensor = { type, shape: [1, 2, 2, channels] };
      const output: TinyTensor = { type, shape: [1, 1, 1, channels] };
      const expected = pixels[0]!.map((_, c) => Math.max(...pixels.map((pixel) => pixel[c]!)));
      assert.equal(await run("MAX_POOL_2D", POOL, [input], output, [pixels.flat()]), expected);
    }
  });

  test("MAX_POOL_2D clamps to the fused activation", async () => {
    const input: TinyTensor = { shape: [1, 1, 2, 1], zero: 100 };
    const options = { ...POOL, filterH: 1, filterW: 1, activation: "relu" };
    assert.equal(await run("MAX_POOL_2D", options, [input], input, [[90, 110]]), [100, 110]);
  });

  test("SOFTMAX of equal values, of one value, and of a clear winner", async () => {
    const output = (shape: number[]): TinyTensor => ({ shape, scale: 1 / 256 });
    const softmax = (values: number[], scale = 1): Promise<number[]> => {
      const shape = [1, values.length];
      return run("SOFTMAX", { beta: 1 }, [{ shape, scale }], output(shape), [values]);
    };
    assert.equal(await softmax([9, 9, 9, 9]), [64, 64, 64, 64]);
    assert.equal(await softmax([200]), [255]); // 256 does not fit
    assert.equal(await softmax([0, 255, 0]), [0, 255, 0]);
  });

  test("SOFTMAX stays within 1 of real arithmetic", async () => {
    const random = randomNumbers(11);
    for (const type of ["uint8", "int8"] as const) {
      const low = type === "int8" ? -128 : 0;
      const scale = 0.07;
      const rows = Array.from({ length: 20 }, () =>
        Array.from({ length: 50 }, () => random(low, low + 255)),
      );
      const shape = [20, 50];
      const input: TinyTensor = { type, shape, scale };
      const output: TinyTensor = { type, shape, scale: 1 / 256, zero: low };
      const result = await run("SOFTMAX", { beta: 1 }, [input], output, [rows.flat()]);
      const expected = rows.flatMap((row) => {
        const largest = Math.max(...row);
        const powers = row.map((value) => Math.exp((value - largest) * scale));
        const sum = powers.reduce((a, b) => a + b);
        return powers.map((power) => Math.min((256 * power) / sum, 255) + low);
      });
      for (const [i, value] of result.entries())
        assert.ok(Math.abs(value - expected[i]!) <= 1, `${type} ${i}: ${value}, ${expected[i]}`);
    }
  });

  test("LOGISTIC is 1/2 at zero and saturates", async () => {
    const shape = [4];
    const input: TinyTensor = { type: "int8", shape, scale: 0.5, zero: 3 };
    const output: TinyTensor = { type: "int8", shape, scale: 1 / 256, zero: -128 };
    // 256 / (1 + e^-1) = 187.15
    assert.equal(
      await run("LOGISTIC", {}, [input], output, [[3, -128, 127, 5]]),
      [0, -128, 127, 59],
    );
  });

  test("QUANTIZE changes signedness, scale and zero point", async () => {
    const shape = [4];
    const unsigned: TinyTensor = { shape, scale: 0.5, zero: 128 };
    const signed: TinyTensor = { type: "int8", shape, scale: 0.5 };
    const values = [[0, 127, 129, 255]];
    assert.equal(await run("QUANTIZE", {}, [unsigned], signed, values), [-128, -1, 1, 127]);
    // halves: -64, -0.5 -> 0 (ties upwards), 0.5 -> 1, 63.5 -> 64
    const coarse: TinyTensor = { type: "int8", shape, scale: 1, zero: 3 };
    assert.equal(await run("QUANTIZE", {}, [unsigned], coarse, values), [-61, 3, 4, 67]);
  });

  test("MEAN over the middle, over the ends, and with another zero point", async () => {
    const axes = (...values: number[]): TinyTensor => ({
      type: "int32",
      shape: [values.length],
      scale: null,
      values,
    });
    const input: TinyTensor = { type: "int8", shape: [1, 2, 2, 2] };
    const values = [[1, -1, 3, -3, 5, -5, 7, -7]];
    const kept: TinyTensor = { type: "int8", shape: [1, 1, 1, 2], zero: 10 };
    const keepDims = { keepDims: true };
    assert.equal(await run("MEAN", keepDims, [input, axes(1, 2)], kept, values), [14, 6]);
    const rows: TinyTensor = { type: "int8", shape: [1, 2, 2] };
    assert.equal(
      await run("MEAN", { keepDims: false }, [input, axes(-1)], rows, values),
      [0, 0, 0, 0],
    );
    const columns: TinyTensor = { type: "int8", shape: [2, 2] };
    assert.equal(
      await run("MEAN", { keepDims: false }, [input, axes(0, -2)], columns, values),
      [2, -2, 6, -6],
    );
  });

  test.run();
}
