// What a report says of layers with a scale for each channel, in a comparison's words.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { methodsOf } from "../../../core-as/accuracy/methods.ts";

test("groups, copies and order, with the bound in whole steps", () => {
  const layer = { groups: 1, fractions: 0, remainders: 0, reorders: false, bound: 0.7 };
  const accuracies = [
    { op: 3, ...layer },
    { op: 5, ...layer, groups: 4, fractions: 2, remainders: 1, reorders: true, bound: 2 },
  ];
  assert.equal(
    [...methodsOf({ accuracies })],
    [
      [3, { method: "1 group", bound: 1 }],
      [5, { method: "4 groups, 2 with fractions, 1 remainder, reordered", bound: 2 }],
    ],
  );
});

test("a report without such layers", () => assert.is(methodsOf({ accuracies: [] }).size, 0));

test.run();
