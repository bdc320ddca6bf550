// Which taps of kernels lie outside of the image.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { borderCases } from "../../../core-as/compile/optimised/per-channel/border.ts";
import { chipByName } from "../../../core-as/hw/chips.ts";
import { convGeometry } from "../../../core-as/legalise/conv-geometry.ts";
import { PLAIN_CONV, single, tensor } from "../../helpers/make-graph.ts";

function casesOf(side: number, kernel: number, stride: number): Map<string, number> {
  const out = Math.ceil(side / stride);
  const graph = single(
    "CONV_2D",
    [tensor([1, side, side, 4]), tensor([8, kernel, kernel, 4], { value: "zeros" })],
    [tensor([1, out, out, 8])],
    { ...PLAIN_CONV, strideH: stride, strideW: stride },
  );
  const op = graph.ops[0]!;
  const cases = borderCases(graph, op, convGeometry(graph, op, chipByName("a311d")!));
  return new Map(cases.map(({ present, share }) => [present.join(""), share]));
}

const near = (got: number | undefined, want: number): void =>
  assert.ok(Math.abs((got ?? NaN) - want) < 1e-9, `${got} instead of ${want}`);

test("a padded image has an interior, four edges and four corners", () => {
  const cases = casesOf(8, 3, 1);
  assert.is(cases.size, 9);
  near(cases.get("111111111"), 36 / 64);
  near(cases.get("000111111"), 6 / 64);
  near(cases.get("011011011"), 6 / 64);
  near(cases.get("110110000"), 1 / 64);
});

test("an even stride pads behind the image only", () => {
  const cases = casesOf(8, 3, 2);
  assert.equal([...cases.keys()].sort(), ["110110000", "110110110", "111111000", "111111111"]);
  near(cases.get("111111111"), 9 / 16);
});

test("kernels of one weight, and images smaller than the kernel", () => {
  assert.equal([...casesOf(8, 1, 1)], [["1", 1]]);
  assert.equal([...casesOf(1, 3, 1)], [["000010000", 1]]);
});

test.run();
