// Synthetic pictures: the same everywhere, and alike where photographs are.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { SCENES } from "../../../core-as/compile/optimised/per-channel/figures.ts";
import {
  scenePicture,
  syntheticPicture,
} from "../../../core-as/compile/optimised/per-channel/pictures.ts";

const SIDE = 96;

/** Correlation of pixels that are so many columns apart. */
function correlation(bytes: Uint8Array, channels: number, distance: number): number {
  const pairs: [number, number][] = [];
  for (let y = 0; y < SIDE; y++)
    for (let x = 0; x + distance < SIDE; x++) {
      const at = (y * SIDE + x) * channels;
      pairs.push([bytes[at]!, bytes[at + distance * channels]!]);
    }
  const mean = (of: 0 | 1): number => pairs.reduce((sum, pair) => sum + pair[of], 0) / pairs.length;
  const [a, b] = [mean(0), mean(1)];
  const product = (p: number, q: number): number =>
    pairs.reduce((sum, pair) => sum + (pair[p]! - [a, b][p]!) * (pair[q]! - [a, b][q]!), 0);
  return product(0, 1) / Math.sqrt(product(0, 0) * product(1, 1));
}

test("a seed always gives the same picture, another one another", () => {
  const [one, same, other] = [7, 7, 8].map((seed) => syntheticPicture([SIDE, SIDE, 3], seed));
  assert.equal(one, same);
  assert.not.equal(one, other);
  assert.is(one!.length, SIDE * SIDE * 3);
});

test("neighbours are alike, pixels far apart are not", () => {
  for (const seed of [0, 1, 2]) {
    const bytes = syntheticPicture([SIDE, SIDE, 1], seed);
    assert.ok(correlation(bytes, 1, 1) > 0.75, `seed ${seed}`);
    assert.ok(correlation(bytes, 1, 1) > correlation(bytes, 1, 8) + 0.1, `seed ${seed}`);
    assert.ok(correlation(bytes, 1, 40) < 0.5, `seed ${seed}`);
  }
});

test("pictures use the whole range of bytes", () => {
  const bytes = syntheticPicture([SIDE, 2 * SIDE, 3], 3);
  assert.ok(Math.min(...bytes) < 10 && Math.max(...bytes) > 245);
});

test("scenes show a figure in front of a wall or of shapes, at every size", () => {
  for (const [i, scene] of SCENES.entries()) {
    const bytes = scenePicture([SIDE, SIDE, 3], scene, i);
    assert.equal(bytes, scenePicture([SIDE, SIDE, 3], scene, i));
    const empty = scenePicture([SIDE, SIDE, 3], { ...scene, figure: [] }, i);
    const changed = bytes.filter((byte, at) => Math.abs(byte - empty[at]!) > 30).length;
    assert.ok(changed > bytes.length / 50, `scene ${i}: ${changed}`);
    assert.is(scenePicture([64, 200, 1], scene, i).length, 64 * 200);
  }
});

test.run();
