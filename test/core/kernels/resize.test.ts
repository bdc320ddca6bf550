// RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR: pixels worked out by hand, all alignments, and sizes that round badly.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { canRunOnCpu } from "../../../core-as/runtime/cpu/index.ts";
import { BUILDS, coreOf } from "../../helpers/cores.ts";
import { ints, runTiny, tinyGraph, type TinyTensor } from "../../helpers/tiny-graph.ts";

const PLAIN = { alignCorners: false, halfPixelCenters: false };
const ALIGNED = { alignCorners: true, halfPixelCenters: false };
const CENTRED = { alignCorners: false, halfPixelCenters: true };

for (const build of BUILDS) {
  const test = suite(`resizing kernels (${build})`);

  async function resize(
    kind: string,
    options: typeof PLAIN,
    type: TinyTensor["type"],
    [from, to]: [number[], number[]],
    values: number[],
  ): Promise<number[]> {
    const inputs = [{ type, shape: from }, ints(to[1]!, to[2]!)];
    const tiny = tinyGraph(kind, options, inputs, [{ type, shape: to }]);
    assert.equal(canRunOnCpu(tiny.graph, tiny.op), { ok: true });
    return runTiny(await coreOf(build), tiny, [values])[0]!;
  }

  const row = (options: typeof PLAIN, type: TinyTensor["type"], values: number[], width: number) =>
    resize(
      "RESIZE_BILINEAR",
      options,
      type,
      [
        [1, 1, values.length, 1],
        [1, 1, width, 1],
      ],
      values,
    );

  test("bilinear rows in all three alignments", async () => {
    for (const type of ["uint8", "int8"] as const) {
      assert.equal(await row(PLAIN, type, [0, 100], 4), [0, 50, 100, 100]);
      assert.equal(await row(ALIGNED, type, [0, 90], 4), [0, 30, 60, 90]);
      assert.equal(await row(CENTRED, type, [0, 100], 4), [0, 25, 75, 100]);
      assert.equal(await row(CENTRED, type, [0, 100, 50, 20], 2), [50, 35]);
    }
    assert.equal(await row(PLAIN, "float32", [0, 1], 4), [0, 0.5, 1, 1]);
  });

  test("bilinear rounds halves up for uint8, away from zero for int8", async () => {
    assert.equal(await row(PLAIN, "uint8", [1, 2], 4), [1, 2, 2, 2]);
    assert.equal(await row(PLAIN, "int8", [-1, -2], 4), [-1, -2, -2, -2]);
  });

  test("bilinear planes with any number of channels", async () => {
    for (const channels of [1, 3, 4, 5, 8, 21])
      for (const type of ["uint8", "int8", "float32"] as const) {
        const pixel = (value: number) => Array.from({ length: channels }, (_, c) => value + c);
        const input = [0, 20, 40, 60].flatMap(pixel);
        const expected = [0, 10, 20, 20, 30, 40, 40, 50, 60].flatMap(pixel);
        const sizes: [number[], number[]] = [
          [1, 2, 2, channels],
          [1, 3, 3, channels],
        ];
        assert.equal(await resize("RESIZE_BILINEAR", ALIGNED, type, sizes, input), expected);
      }
  });

  test("nearest in all alignments, for several batches", async () => {
    const nearest = (options: typeof PLAIN, values: number[], width: number) =>
      resize(
        "RESIZE_NEAREST_NEIGHBOR",
        options,
        "uint8",
        [
          [1, 1, values.length, 1],
          [1, 1, width, 1],
        ],
        values,
      );
    assert.equal(await nearest(PLAIN, [1, 2, 3], 6), [1, 1, 2, 2, 3, 3]);
    assert.equal(await nearest(PLAIN, [1, 2, 3], 2), [1, 2]);
    assert.equal(await nearest(ALIGNED, [1, 2, 3], 2), [1, 3]);
    assert.equal(await nearest(CENTRED, [1, 2, 3, 4], 2), [2, 4]);
    const sizes: [number[], number[]] = [
      [2, 1, 1, 2],
      [2, 2, 1, 2],
    ];
    assert.equal(
      await resize("RESIZE_NEAREST_NEIGHBOR", PLAIN, "int8", sizes, [1, 2, 3, 4]),
      [1, 2, 1, 2, 3, 4, 3, 4],
    );
  });

  test("sizes whose fixed-point scale rounds over the end stay inside of the input", async () => {
    for (const type of ["int8", "uint8"] as const)
      for (const options of [PLAIN, ALIGNED, CENTRED])
        for (const [from, to] of [
          [2, 1300],
          [3, 2000],
          [1, 30000],
          [7, 1],
        ]) {
          const values = Array<number>(from!).fill(100);
          const result = await row(options, type, values, to!);
          assert.ok(result.every((value) => value === 100));
        }
  });

  test.run();
}
