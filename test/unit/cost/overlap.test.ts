// The predicted time line of jobs that overlap.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { JobCost } from "../../../core-as/cost/job-cost.ts";
import { overlappedMs, placeJobs } from "../../../core-as/cost/overlap.ts";
import { tpCost } from "../../../core-as/cost/tp-cost.ts";
import { systemOf } from "../../../core-as/hw/systems.ts";

/** A gigahertz and a gigabyte a second: a million cycles or bytes take a millisecond; starting is free. */
const system = { ...systemOf("a311d"), clockMHz: 1000, bandwidthGBs: 1, overheadUs: 0 };
const job = (ms: number, bytes = 0): JobCost => ({
  ...tpCost([], { tpElementsPerCycle: 1 }),
  cycles: ms * 1e6,
  inputBytes: bytes,
});
const starts = (costs: JobCost[], until?: number[]): number[] =>
  placeJobs(costs, system, until).map(({ startMs }) => startMs);

test("without overlap jobs follow each other, and nothing is hidden", () => {
  const costs = [job(1), job(2), job(3)];
  assert.equal(starts(costs), [0, 1, 3]);
  assert.ok(placeJobs(costs, system).every(({ hiddenMs }) => hiddenMs === 0));
  assert.is(overlappedMs(costs, system), 6);
});

test("a stretch takes as long as the longer side", () => {
  // Job 1 runs on while 2 and 3 do.
  const costs = [job(1), job(4), job(2), job(1), job(1)];
  const until = [0, 3, 2, 3, 4];
  assert.equal(starts(costs, until), [0, 1, 1, 3, 5]);
  assert.ok(Math.abs(overlappedMs(costs, system, until) - 6) < 1e-12);
  const hidden = placeJobs(costs, system, until).map(({ hiddenMs }) => hiddenMs);
  assert.equal([hidden[0], hidden[4]], [0, 0]);
  assert.ok(Math.abs(hidden.reduce((a, b) => a + b, 0) - 3) < 1e-12);
});

test("a wait for one job holds up the next one although the other side is free", () => {
  // Job 2 has to wait for job 1, job 0 runs on; then job 3 waits for both.
  const costs = [job(5), job(1), job(1), job(1)];
  const until = [2, 1, 2, 3];
  assert.equal(starts(costs, until), [0, 0, 1, 5]);
});

test("all bytes of a stretch share the DRAM", () => {
  const costs = [job(0, 3e6), job(1, 2e6)];
  assert.ok(Math.abs(overlappedMs(costs, system, [1, 1]) - 5) < 1e-12);
  const light = [job(3, 1e6), job(2, 1e6)];
  assert.ok(Math.abs(overlappedMs(light, system, [1, 1]) - 3) < 1e-12);
});

test("never longer than one after the other", () => {
  const slow = { ...system, overheadUs: 100 };
  const costs = [job(0, 3e6), job(0, 2e6)];
  assert.ok(overlappedMs(costs, slow, [1, 1]) <= overlappedMs(costs, slow));
});

test.run();
