// Operators of one and two operands and conversions: values worked out by hand.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TransportError } from "../../../core-as/errors.ts";
import type { ElementType } from "../../../core-as/ir/graph.ts";
import { canRunOnCpu } from "../../../core-as/runtime/cpu/index.ts";
import { BUILDS, coreOf } from "../../helpers/cores.ts";
import { floats, ints, runTiny, tinyGraph, type TinyTensor } from "../../helpers/tiny-graph.ts";

const NONE = { activation: "none" };
const FLOAT32_MAX = 3.4028234663852886e38;

const int32 = (shape: number[]): TinyTensor => ({ type: "int32", shape, scale: null });
const int8 = (shape: number[], scale = 1, zero = 0): TinyTensor => ({
  type: "int8",
  shape,
  scale,
  zero,
});

for (const build of BUILDS) {
  const test = suite(`element-wise kernels (${build})`);

  async function run(
    kind: string,
    options: Record<string, unknown>,
    inputs: TinyTensor[],
    output: TinyTensor,
    ...values: number[][]
  ): Promise<number[]> {
    const tiny = tinyGraph(kind, options, inputs, [output]);
    assert.equal(canRunOnCpu(tiny.graph, tiny.op), { ok: true });
    return runTiny(await coreOf(build), tiny, values)[0]!;
  }

  test("SUB of bytes keeps the order of its operands and broadcasts", async () => {
    const one: TinyTensor = { shape: [3], scale: 0.5, zero: 10 };
    const other: TinyTensor = { shape: [1], scale: 2, zero: 20 };
    // 0.5 * (a - 10) - 2 * (b - 20) = y - 30
    const output: TinyTensor = { shape: [3], zero: 30 };
    assert.equal(await run("SUB", NONE, [one, other], output, [10, 20, 0], [21]), [28, 33, 23]);
    assert.equal(await run("SUB", NONE, [other, one], output, [21], [10, 20, 0]), [32, 27, 37]);
  });

  test("MUL of bytes rescales products and clamps", async () => {
    // 0.5 (a - 1) * 0.25 (b + 2) = 0.5 (y - 5), so y = 5 + (a - 1)(b + 2) / 4; halves away from zero
    const a = int8([4], 0.5, 1);
    const b = int8([4], 0.25, -2);
    const output = int8([4], 0.5, 5);
    const values = [
      [1, 3, -5, 127],
      [100, 1, 1, 127],
    ];
    assert.equal(await run("MUL", NONE, [a, b], output, ...values), [5, 7, 0, 127]);
    const relu = { activation: "relu" };
    assert.equal(await run("MUL", relu, [a, b], output, ...values), [5, 7, 5, 127]);
  });

  test("MINIMUM and MAXIMUM compare bytes as they are", async () => {
    const values = [
      [1, 200, 7],
      [2, 100, 7],
    ];
    const a: TinyTensor = { shape: [3] };
    assert.equal(await run("MINIMUM", {}, [a, a], a, ...values), [1, 100, 7]);
    assert.equal(await run("MAXIMUM", {}, [a, a], a, ...values), [2, 200, 7]);
    const signed = [
      [-1, -128, 7],
      [-2, 127, 7],
    ];
    assert.equal(
      await run("MAXIMUM", {}, [int8([3]), int8([3])], int8([3]), ...signed),
      [-1, 127, 7],
    );
  });

  test("float32 operands: every operation, activations, broadcasting", async () => {
    const a = floats([2, 2]);
    const b = floats([2]);
    const values = [
      [1.5, -2, 7, -7],
      [2, -4],
    ];
    const of = (kind: string, options = NONE as Record<string, unknown>) =>
      run(kind, options, [a, b], a, ...values);
    assert.equal(await of("ADD"), [3.5, -6, 9, -11]);
    assert.equal(await of("SUB"), [-0.5, 2, 5, -3]);
    assert.equal(await of("MUL"), [3, 8, 14, 28]);
    assert.equal(await of("DIV"), [0.75, 0.5, 3.5, 1.75]);
    assert.equal(await of("MINIMUM", {}), [1.5, -4, 2, -7]);
    assert.equal(await of("MAXIMUM", {}), [2, -2, 7, -4]);
    assert.equal(await of("FLOOR_DIV", {}), [0, 0, 3, 1]);
    assert.equal(await of("PRELU", {}), [1.5, 8, 7, 28]);
    assert.equal(await of("SUB", { activation: "relu6" }), [0, 2, 5, 0]);
    assert.equal(await of("SUB", { activation: "relu_n1_to_1" }), [-0.5, 1, 1, -1]);
  });

  test("DIV by zero ends at the largest finite number, as TFLite clamps it", async () => {
    const a = floats([2]);
    assert.equal(await run("DIV", NONE, [a, a], a, [1, -1], [0, 0]), [FLOAT32_MAX, -FLOAT32_MAX]);
  });

  test("int32 operands wrap, and FLOOR_DIV rounds down", async () => {
    const a = int32([4]);
    const least = -(2 ** 31);
    const values = [
      [7, -7, least, 2 ** 31 - 1],
      [2, 2, -1, 2],
    ];
    const of = (kind: string, options = {}) => run(kind, options, [a, a], a, ...values);
    assert.equal(await of("FLOOR_DIV"), [3, -4, least, 2 ** 30 - 1]);
    assert.equal(await of("ADD", NONE), [9, -5, 2 ** 31 - 1, -(2 ** 31) + 1]);
    assert.equal(await of("SUB", NONE), [5, -9, least + 1, 2 ** 31 - 3]);
    assert.equal(await of("MUL", NONE), [14, -14, least, -2]);
    assert.equal(await of("MUL", { activation: "relu6" }), [6, 0, 0, 0]);
    assert.equal(await of("MINIMUM"), [2, -7, least, 2]);
  });

  test("FLOOR_DIV by a computed zero is an error of the input", async () => {
    const core = await coreOf(build);
    const tiny = tinyGraph("FLOOR_DIV", {}, [int32([1]), int32([1])], [int32([1])]);
    assert.throws(
      () => runTiny(core, tiny, [[1], [0]]),
      (error: unknown) => error instanceof TransportError && error.where.op === 0,
    );
    const constant = tinyGraph("FLOOR_DIV", {}, [int32([1]), ints(0)], [int32([1])]);
    const support = canRunOnCpu(constant.graph, constant.op);
    assert.is(support.ok ? "" : support.constraint, "cpu-divisor");
  });

  test("PRELU of bytes has one slope a channel", async () => {
    const input: TinyTensor = { shape: [1, 2, 2], zero: 100 };
    const slopes: TinyTensor = { shape: [2], scale: 0.25, zero: 10, values: [12, 8] };
    const output: TinyTensor = { shape: [1, 2, 2], scale: 0.5, zero: 20 };
    // slopes 0.5 and -0.5; y = 20 + 2 * real
    assert.equal(
      await run("PRELU", {}, [input, slopes], output, [110, 110, 90, 90]),
      [40, 40, 10, 30],
    );
  });

  test("RELU and its kin on bytes rescale and clamp", async () => {
    const input: TinyTensor = { shape: [4], scale: 0.5, zero: 10 };
    const output: TinyTensor = { shape: [4], scale: 0.25, zero: 4 };
    const values = [0, 10, 13, 255];
    assert.equal(await run("RELU", {}, [input], output, values), [4, 4, 10, 255]);
    assert.equal(await run("RELU6", {}, [input], output, values), [4, 4, 10, 28]);
    assert.equal(await run("RELU_N1_TO_1", {}, [input], output, values), [0, 4, 8, 8]);
  });

  test("LEAKY_RELU, ABS and TANH on bytes", async () => {
    const values = [-8, -1, 0, 7];
    // slope 0.25: -2, -0.25, 0, 7
    assert.equal(
      await run("LEAKY_RELU", { alpha: 0.25 }, [int8([4])], int8([4]), values),
      [-2, 0, 0, 7],
    );
    assert.equal(await run("ABS", {}, [int8([4], 1, -1)], int8([4], 1, 3), values), [10, 3, 4, 11]);
    assert.equal(await run("ABS", {}, [int8([4])], int8([4], 0.5), values), [16, 2, 0, 14]);
    // tanh(1) * 128 = 97.5 -> 97; saturates at 127
    assert.equal(
      await run("TANH", {}, [int8([4], 0.5)], int8([4], 1 / 128), [2, -2, 0, 127]),
      [97, -97, 0, 127],
    );
  });

  test("HARD_SWISH stays within 1 of real arithmetic and meets its ends", async () => {
    for (const type of ["uint8", "int8"] as const) {
      const zero = type === "int8" ? -20 : 100;
      const scale = 0.05;
      const all = Array.from({ length: 256 }, (_, i) => (type === "int8" ? i - 128 : i));
      const input: TinyTensor = { type, shape: [256], scale, zero };
      const output: TinyTensor = { type, shape: [256], scale: 0.04, zero: all[10]! };
      const result = await run("HARD_SWISH", {}, [input], output, all);
      for (const [i, value] of all.entries()) {
        const x = (value - zero) * scale;
        const real = (x * Math.min(Math.max(x + 3, 0), 6)) / 6 / 0.04 + all[10]!;
        const expected = Math.min(Math.max(real, all[0]!), all[255]!);
        assert.ok(Math.abs(result[i]! - expected) <= 1, `${type} ${value}: ${result[i]}`);
        if (x <= -3) assert.is(result[i], all[10]!);
      }
    }
  });

  test("float32 and int32 functions of one element", async () => {
    const values = [-4, -0.5, 2.25, 9];
    const f = floats([4]);
    assert.equal(await run("ABS", {}, [f], f, values), [4, 0.5, 2.25, 9]);
    assert.equal(await run("NEG", {}, [f], f, values), [4, 0.5, -2.25, -9]);
    assert.equal(await run("SQRT", {}, [floats([2])], floats([2]), [2.25, 9]), [1.5, 3]);
    assert.equal(await run("RELU", {}, [f], f, values), [0, 0, 2.25, 9]);
    assert.equal(await run("RELU6", {}, [f], f, values), [0, 0, 2.25, 6]);
    assert.equal(await run("RELU_N1_TO_1", {}, [f], f, values), [-1, -0.5, 1, 1]);
    assert.equal(await run("LEAKY_RELU", { alpha: 0.5 }, [f], f, values), [-2, -0.25, 2.25, 9]);
    const i = int32([2]);
    assert.equal(await run("ABS", {}, [i], i, [-5, 5]), [5, 5]);
    assert.equal(await run("NEG", {}, [i], i, [-5, -(2 ** 31)]), [5, -(2 ** 31)]);
  });

  test("CAST between all types: towards zero, low bits, saturated where C leaves it open", async () => {
    const cast = (from: ElementType, to: ElementType, values: number[]) => {
      const shape = [values.length];
      const input: TinyTensor = { type: from, shape, scale: null };
      return run("CAST", {}, [input], { type: to, shape, scale: null }, values);
    };
    assert.equal(await cast("float32", "int32", [2.9, -2.9, 1e20, NaN]), [2, -2, 2 ** 31 - 1, 0]);
    assert.equal(await cast("float32", "int64", [2.9, -3e9]), [2, -3e9]);
    assert.equal(await cast("float32", "uint8", [200.7, 256]), [200, 0]);
    assert.equal(await cast("float32", "bool", [0, 0.1, -1]), [0, 1, 1]);
    assert.equal(await cast("int32", "float32", [16777217, -3]), [16777216, -3]);
    assert.equal(await cast("int32", "int8", [300, -1]), [44, -1]);
    assert.equal(await cast("int64", "int32", [2 ** 32 + 5, -1]), [5, -1]);
    assert.equal(await cast("uint8", "int16", [255, 1]), [255, 1]);
    assert.equal(await cast("bool", "float32", [0, 3]), [0, 1]);
    assert.equal(await cast("int8", "int64", [-128, 127]), [-128, 127]);
    assert.equal(await cast("int16", "bool", [256, 0]), [1, 0]);
  });

  test("QUANTIZE from float32 rounds half away from zero and saturates", async () => {
    const values = [0, 0.25, -0.25, 0.24, 1e9, -1e9, NaN];
    assert.equal(
      await run("QUANTIZE", {}, [floats([7])], int8([7], 0.5, 3), values),
      [3, 4, 2, 3, 127, -128, 3],
    );
    // the number below 0.5 must not be rounded up by the addition of a half
    const below = [0.49999997];
    assert.equal(await run("QUANTIZE", {}, [floats([1])], { shape: [1] }, below), [0]);
  });

  test("DEQUANTIZE", async () => {
    assert.equal(
      await run("DEQUANTIZE", {}, [int8([3], 0.5, -3)], floats([3]), [-128, -3, 127]),
      [-62.5, 0, 65],
    );
    const unsigned: TinyTensor = { shape: [2], scale: 0.25, zero: 128 };
    assert.equal(await run("DEQUANTIZE", {}, [unsigned], floats([2]), [0, 255]), [-32, 31.75]);
  });

  test.run();
}
