// What networks that read pictures are seen to compute.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  observeValues,
  type Observations,
} from "../../core-as/compile/optimised/per-channel/observed.ts";
import { SCENES } from "../../core-as/compile/optimised/per-channel/figures.ts";
import {
  scenePicture,
  syntheticPicture,
} from "../../core-as/compile/optimised/per-channel/pictures.ts";
import { finish } from "../../core-as/compile/steps.ts";
import type { Graph, Tensor } from "../../core-as/ir/graph.ts";
import { coreOf } from "../helpers/cores.ts";
import { graph, op, PLAIN_CONV, tensor } from "../helpers/make-graph.ts";

const PLAIN_LOOKS = { together: false, apart: false };
const core = await coreOf("release");
const observe = (g: Graph, ...wanted: number[]): Observations | null =>
  finish(observeValues(core, g, new Map(wanted.map((id) => [id, PLAIN_LOOKS]))));

/** A 1x1 convolution that leaves its three channels as they are, and one of 3x3 behind it, as often as wanted. */
function network(side: number, convolutions = 1): Graph {
  const constant = (made: Tensor, bytes: number[]): Tensor => ({
    ...made,
    constant: Uint8Array.from(bytes),
  });
  const identity = constant(tensor([3, 1, 1, 3]), [1, 0, 0, 0, 1, 0, 0, 0, 1]);
  const wide = constant(tensor([3, 3, 3, 3]), new Array(81).fill(0));
  const bias = tensor([3], { value: [0, 0, 0], scales: [1] });
  const images = Array.from({ length: convolutions + 1 }, () => tensor([1, side, side, 3]));
  const ops = images
    .slice(1)
    .map((_, i) => op("CONV_2D", [3 + i, i === 0 ? 0 : 1, 2], [4 + i], PLAIN_CONV));
  return graph([identity, wide, bias, ...images], ops, [3], [3 + convolutions]);
}

const FIRST_SEED = 239_000;
const pictures = [
  syntheticPicture([64, 64, 3], FIRST_SEED),
  ...SCENES.map((scene, i) => scenePicture([64, 64, 3], scene, FIRST_SEED + i + 1)),
];

test("mean is that of the pictures, deviation that of the one with the largest, through an operator that changes nothing", () => {
  const found = observe(network(64), 3, 4)!;
  for (let c = 0; c < 3; c++) {
    const each = pictures.map((bytes) => [...bytes].filter((_, i) => i % 3 === c));
    const mean = each.flat().reduce((a, b) => a + b, 0) / each.flat().length;
    const about = (values: number[]): number =>
      values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length;
    const inside = (values: number[]): number =>
      values.filter((v) => v > 0 && v < 255).length / values.length;
    for (const id of [3, 4]) {
      const seen = found.get(id)!;
      assert.ok(Math.abs(seen.mean[c]! - mean) < 1e-6);
      assert.ok(Math.abs(seen.deviation[c]! - Math.sqrt(Math.max(...each.map(about)))) < 1e-6);
      assert.ok(Math.abs(seen.inside[c]! - Math.max(...each.map(inside))) < 1e-9);
    }
    assert.ok(found.get(3)!.correlation[c]! > 0.7);
  }
  assert.is(found.get(3)!.directions, null, "three channels are few");
});

test("graphs that read anything but pictures are not looked at", () => {
  assert.is(observe(network(32), 4), null);
  const floats = network(64);
  floats.tensors[3] = { ...floats.tensors[3]!, type: "float32" };
  assert.is(observe(floats, 4), null);
});

test("an operator that the CPU does not compute ends it without an error", () => {
  const g = network(64, 2);
  g.ops[1] = { ...g.ops[1]!, kind: "NO_SUCH_OPERATOR" };
  assert.is(observe(g, 5), null);
  assert.ok(observe(g, 4) !== null, "what does not depend on it is seen");
});

test.run();
