// Slices, transpositions, rearranged pixels, packing, gathering and searches: every element lands where it belongs.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TransportError } from "../../../core-as/errors.ts";
import { canRunOnCpu } from "../../../core-as/runtime/cpu/index.ts";
import { BUILDS, coreOf } from "../../helpers/cores.ts";
import { floats, ints, runTiny, tinyGraph, type TinyTensor } from "../../helpers/tiny-graph.ts";

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const MASKS = {
  beginMask: 0,
  endMask: 0,
  ellipsisMask: 0,
  newAxisMask: 0,
  shrinkAxisMask: 0,
  offset: false,
};
const KEEP = { keepDims: true };

for (const build of BUILDS) {
  const test = suite(`slicing and searching kernels (${build})`);

  async function run(
    kind: string,
    options: Record<string, unknown>,
    inputs: TinyTensor[],
    outputs: TinyTensor[],
    ...values: number[][]
  ): Promise<number[][]> {
    const tiny = tinyGraph(kind, options, inputs, outputs);
    assert.equal(canRunOnCpu(tiny.graph, tiny.op), { ok: true });
    return runTiny(await coreOf(build), tiny, values);
  }

  /** STRIDED_SLICE of 0, 1, 2, ... in a shape. */
  async function strided(
    shape: number[],
    [begin, end, strides]: [number[], number[], number[]],
    output: number[],
    masks: Partial<typeof MASKS> = {},
    type: TinyTensor["type"] = "uint8",
  ): Promise<number[]> {
    const tensor = (sizes: number[]): TinyTensor => ({ type, shape: sizes });
    const count = shape.reduce((a, b) => a * b);
    const [result] = await run(
      "STRIDED_SLICE",
      { ...MASKS, ...masks },
      [tensor(shape), ints(...begin), ints(...end), ints(...strides)],
      [tensor(output)],
      upTo(count),
    );
    return result!;
  }

  test("STRIDED_SLICE: steps, negative indices, backwards", async () => {
    assert.equal(await strided([7], [[1], [6], [2]], [3]), [1, 3, 5]);
    assert.equal(await strided([7], [[-3], [100], [1]], [3]), [4, 5, 6]);
    assert.equal(await strided([7], [[-1], [-8], [-3]], [3]), [6, 3, 0]);
    assert.equal(await strided([7], [[5], [1], [-2]], [2], {}, "int32"), [5, 3]);
  });

  test("STRIDED_SLICE: masks", async () => {
    const ends = { beginMask: 1, endMask: 1 };
    assert.equal(await strided([4], [[3], [1], [1]], [4], ends), [0, 1, 2, 3]);
    assert.equal(await strided([4], [[3], [1], [-1]], [4], ends), [3, 2, 1, 0]);
    const second = { shrinkAxisMask: 2 };
    assert.equal(
      await strided(
        [2, 3],
        [
          [0, -1],
          [2, 0],
          [1, 1],
        ],
        [2],
        second,
      ),
      [2, 5],
    );
    assert.equal(await strided([6], [[2], [3], [1]], [3], { offset: true }), [2, 3, 4]);
    // dimensions that are not named are taken whole
    assert.equal(await strided([2, 3], [[1], [2], [1]], [1, 3]), [3, 4, 5]);
  });

  test("STRIDED_SLICE: every second pixel of an image, as YOLO models focus", async () => {
    const begin = [0, 1, 0, 0];
    const end = [0, 4, 4, 0];
    const options = { beginMask: 9, endMask: 9 };
    assert.equal(
      await strided([1, 4, 4, 2], [begin, end, [1, 2, 2, 1]], [1, 2, 2, 2], options),
      [8, 9, 12, 13, 24, 25, 28, 29],
    );
  });

  test("SLICE", async () => {
    const inputs = (begin: number[], size: number[]) => [
      { shape: [3, 4] } as TinyTensor,
      ints(...begin),
      ints(...size),
    ];
    const slice = async (begin: number[], size: number[], shape: number[]) =>
      (await run("SLICE", {}, inputs(begin, size), [{ shape }], upTo(12)))[0];
    assert.equal(await slice([1, 1], [2, 2], [2, 2]), [5, 6, 9, 10]);
    assert.equal(await slice([0, 2], [-1, -1], [3, 2]), [2, 3, 6, 7, 10, 11]);
  });

  test("TRANSPOSE of bytes and of int32, up to six dimensions", async () => {
    const shape = [2, 3, 2];
    const [bytes] = await run(
      "TRANSPOSE",
      {},
      [{ shape }, ints(2, 0, 1)],
      [{ shape: [2, 2, 3] }],
      upTo(12),
    );
    assert.equal(bytes, [0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11]);
    const six = [1, 2, 1, 2, 1, 3];
    const wide = (sizes: number[]): TinyTensor => ({ type: "int32", shape: sizes, scale: null });
    const [words] = await run(
      "TRANSPOSE",
      {},
      [wide(six), ints(5, 4, 3, 2, 1, 0)],
      [wide([...six].reverse())],
      upTo(12),
    );
    assert.equal(words, [0, 6, 3, 9, 1, 7, 4, 10, 2, 8, 5, 11]);
  });

  test("SPACE_TO_DEPTH and DEPTH_TO_SPACE are inverse", async () => {
    const space: TinyTensor = { shape: [1, 2, 4, 1] };
    const depth: TinyTensor = { shape: [1, 1, 2, 4] };
    const rearranged = [0, 1, 4, 5, 2, 3, 6, 7];
    const options = { blockSize: 2 };
    assert.equal(await run("SPACE_TO_DEPTH", options, [space], [depth], upTo(8)), [rearranged]);
    assert.equal(await run("DEPTH_TO_SPACE", options, [depth], [space], rearranged), [upTo(8)]);
  });

  test("PACK and UNPACK along an outer and the last dimension", async () => {
    const part: TinyTensor = { shape: [2, 2] };
    const values = [upTo(4), [10, 11, 12, 13]];
    const pack = async (axis: number, shape: number[]) =>
      (await run("PACK", { axis, valuesCount: 2 }, [part, part], [{ shape }], ...values))[0];
    assert.equal(await pack(0, [2, 2, 2]), [0, 1, 2, 3, 10, 11, 12, 13]);
    assert.equal(await pack(-1, [2, 2, 2]), [0, 10, 1, 11, 2, 12, 3, 13]);
    const whole: TinyTensor = { shape: [2, 3] };
    const column: TinyTensor = { shape: [2] };
    assert.equal(
      await run("UNPACK", { axis: 1, num: 3 }, [whole], [column, column, column], upTo(6)),
      [
        [0, 3],
        [1, 4],
        [2, 5],
      ],
    );
  });

  test("SQUEEZE and EXPAND_DIMS copy", async () => {
    const squeezeDims = { squeezeDims: [0, -1] };
    const one: TinyTensor = { shape: [1, 3, 1] };
    const flat: TinyTensor = { shape: [3] };
    assert.equal(await run("SQUEEZE", squeezeDims, [one], [flat], [4, 5, 6]), [[4, 5, 6]]);
    assert.equal(await run("SQUEEZE", { squeezeDims: null }, [one], [flat], [4, 5, 6]), [
      [4, 5, 6],
    ]);
    const wide: TinyTensor = { shape: [3, 1] };
    assert.equal(await run("EXPAND_DIMS", {}, [flat, ints(-1)], [wide], [4, 5, 6]), [[4, 5, 6]]);
  });

  test("GATHER_ND takes slices and single elements", async () => {
    const input: TinyTensor = { shape: [2, 3, 2] };
    const pairs: TinyTensor = { type: "int32", shape: [2, 2], scale: null };
    assert.equal(
      await run("GATHER_ND", {}, [input, pairs], [{ shape: [2, 2] }], upTo(12), [1, 2, 0, 1]),
      [[10, 11, 2, 3]],
    );
    const all: TinyTensor = { type: "int64", shape: [1, 3], scale: null };
    assert.equal(await run("GATHER_ND", {}, [input, all], [{ shape: [1] }], upTo(12), [1, 0, 1]), [
      [7],
    ]);
  });

  test("GATHER_ND refuses computed indices outside of the input", async () => {
    const core = await coreOf(build);
    for (const type of ["int32", "int64"] as const)
      for (const index of [-1, 3, 2 ** 31 - 1, -(2 ** 31)]) {
        const indices: TinyTensor = { type, shape: [1, 1], scale: null };
        const tiny = tinyGraph("GATHER_ND", {}, [{ shape: [3] }, indices], [{ shape: [1] }]);
        assert.throws(
          () => runTiny(core, tiny, [[0, 0, 0], [index]]),
          (error: unknown) =>
            error instanceof TransportError &&
            error.where.op === 0 &&
            error.message.includes(`value ${index}, limit 3`),
        );
      }
  });

  test("ARG_MAX and ARG_MIN along any dimension; the first of equals", async () => {
    const input: TinyTensor = { type: "int8", shape: [2, 3] };
    const values = [1, -5, 1, 7, 7, -128];
    const arg = async (kind: string, axis: number, shape: number[], type: "int32" | "int64") => {
      const output: TinyTensor = { type, shape, scale: null };
      return (await run(kind, {}, [input, ints(axis)], [output], values))[0];
    };
    assert.equal(await arg("ARG_MAX", 1, [2], "int32"), [0, 0]);
    assert.equal(await arg("ARG_MIN", -1, [2], "int64"), [1, 2]);
    assert.equal(await arg("ARG_MAX", 0, [3], "int64"), [1, 1, 0]);
    const output: TinyTensor = { type: "int32", shape: [], scale: null };
    const [float] = await run("ARG_MAX", {}, [floats([3]), ints(0)], [output], [-3, 2.5, 2.25]);
    assert.equal(float, [1]);
  });

  test("REDUCE_MAX and REDUCE_MIN over any dimensions", async () => {
    const input: TinyTensor = { type: "int8", shape: [2, 2, 2] };
    const values = [1, -2, 3, -4, -5, 6, -7, 8];
    const reduce = async (kind: string, axes: number[], shape: number[], options = KEEP) =>
      (await run(kind, options, [input, ints(...axes)], [{ type: "int8", shape }], values))[0];
    assert.equal(await reduce("REDUCE_MAX", [0], [1, 2, 2]), [1, 6, 3, 8]);
    assert.equal(await reduce("REDUCE_MIN", [1, -1], [2], { keepDims: false }), [-4, -7]);
    assert.equal(await reduce("REDUCE_MAX", [0, 1, 2], [1, 1, 1]), [8]);
    const [float] = await run(
      "REDUCE_MIN",
      KEEP,
      [floats([3]), ints(0)],
      [floats([1])],
      [2, -1.5, 0],
    );
    assert.equal(float, [-1.5]);
  });

  test.run();
}
