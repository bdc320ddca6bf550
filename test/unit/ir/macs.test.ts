// Multiply-accumulates by shape.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { countMacs } from "../../../core-as/ir/macs.ts";
import { tinyGraph } from "../../helpers/tiny-graph.ts";

function macsOf(kind: string, inputs: number[][], output: number[]): number {
  const { graph, op } = tinyGraph(
    kind,
    {},
    inputs.map((shape) => ({ shape })),
    [{ shape: output }],
  );
  return countMacs(graph, op);
}

test("each weight meets each output position once", () => {
  const conv = [
    [1, 8, 10, 3],
    [16, 3, 5, 3],
  ];
  assert.is(macsOf("CONV_2D", conv, [1, 4, 5, 16]), 4 * 5 * 16 * 3 * 5 * 3);
  const depthwise = [
    [1, 8, 8, 6],
    [1, 3, 3, 12],
  ];
  assert.is(macsOf("DEPTHWISE_CONV_2D", depthwise, [1, 8, 8, 12]), 8 * 8 * 12 * 9);
  const dense = [
    [2, 40],
    [7, 40],
  ];
  assert.is(macsOf("FULLY_CONNECTED", dense, [2, 7]), 2 * 7 * 40);
});

test("transposed convolutions count by input", () => {
  const inputs = [[4], [6, 3, 3, 2], [1, 5, 5, 2]];
  assert.is(macsOf("TRANSPOSE_CONV", inputs, [1, 10, 10, 6]), 5 * 5 * 2 * 6 * 9);
});

test("operators without weights count nothing", () => {
  for (const kind of ["ADD", "MAX_POOL_2D", "CONCATENATION", "RESHAPE", "SOFTMAX"])
    assert.is(macsOf(kind, [[1, 4, 4, 8]], [1, 4, 4, 8]), 0);
});

test.run();
