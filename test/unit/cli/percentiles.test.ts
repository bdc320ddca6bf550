// Percentiles by nearest rank.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { spreadOf } from "../../../cli/percentiles.ts";

test("one sample is every percentile", () => {
  assert.equal(spreadOf([7]), { median: 7, p90: 7, p99: 7, min: 7, max: 7, mean: 7 });
});

test("percentiles are samples, whatever their order", () => {
  const samples = Array.from({ length: 100 }, (_, i) => ((i * 37) % 100) + 1);
  assert.equal(spreadOf(samples), {
    median: 50,
    p90: 90,
    p99: 99,
    min: 1,
    max: 100,
    mean: 50.5,
  });
  assert.is(spreadOf([4, 1, 3, 2]).median, 2);
  assert.is(spreadOf([10, 9, 100]).p90, 100);
});

test("numbers are compared as numbers", () => {
  assert.is(spreadOf([9, 10, 100]).median, 10);
});

test("no samples are refused", () => {
  assert.throws(() => spreadOf([]), RangeError);
});

test.run();
