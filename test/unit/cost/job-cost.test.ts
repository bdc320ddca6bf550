// The cost model's arithmetic, against sums done by hand.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  asDriverState,
  errorOf,
  fitBandwidth,
  leaveOneOut,
  type CalibrationPoint,
} from "../../../core-as/cost/calibration.ts";
import { dramBytes, jobTime, totalMs, type JobCost } from "../../../core-as/cost/job-cost.ts";
import { nnCost, superblocksOf, type NnShape } from "../../../core-as/cost/nn-cost.ts";
import { tpCost } from "../../../core-as/cost/tp-cost.ts";
import { CHIPS } from "../../../core-as/hw/chips.ts";
import { overrideSystem, systemOf } from "../../../core-as/hw/systems.ts";

const test = suite("cost model");

/** 3x3, 16 to 20 channels, 70x30 pixels, tiles of 64x10. */
const V7: NnShape = {
  nnCoreVersion: 7,
  nnCores: 8,
  madPerCore: 64,
  inX: 70,
  inY: 30,
  inZ: 16,
  outX: 70,
  outY: 30,
  outZ: 20,
  kept: 1,
  kernelX: 3,
  kernelY: 3,
  tileX: 64,
  tileY: 10,
  kernelsPerCore: 2,
  depthwise: false,
  imageCached: false,
  kernelsCached: true,
  coefficientBytes: 1000,
};

test("version 7: blocks of two rows and three columns", () => {
  const cost = nnCost(V7);
  const tiles = 2 * 3;
  assert.is(cost.cycles, tiles * 3 * (16 * 2 * 1) * 10);
  assert.is(superblocksOf(V7), 2);
  assert.is(cost.inputBytes, tiles * 66 * 12 * 16 * 2);
  assert.is(cost.coefficientBytes, 1000);
  assert.is(cost.outputBytes, 70 * 30 * 20);
  assert.is(cost.cachedBytes, 5 * 1000);
  assert.is(cost.macs, 70 * 30 * 20 * 16 * 9);
  assert.is(cost.utilisation, cost.macs / (cost.cycles * 3072));
});

test("version 7: six channels of a 1x1 kernel", () =>
  assert.is(nnCost({ ...V7, kernelX: 1, kernelY: 1, tileX: 4, tileY: 4 }).cycles, 18 * 8 * 3 * 3));

test("caches: image tiles once, coefficients once for each tile", () => {
  const cost = nnCost({ ...V7, imageCached: true, kernelsCached: false });
  assert.is(cost.inputBytes, 6 * 66 * 12 * 16);
  assert.is(cost.coefficientBytes, 6000);
  assert.is(cost.cachedBytes, 6 * 66 * 12 * 16);
});

test("first-pixel pooling computes every pixel and writes a quarter", () => {
  const cost = nnCost({ ...V7, kept: 2 });
  assert.is(cost.outputBytes, 35 * 15 * 20);
  assert.is(cost.cycles, nnCost(V7).cycles);
});

test("version 8: blocks of nine weights in three steps, one plane in depthwise mode", () => {
  const v8 = { ...V7, nnCoreVersion: 8, nnCores: 6, tileY: 4, outZ: 12 };
  assert.is(nnCost(v8).cycles, 2 * 8 * 2 * (3 * 16) * 4);
  assert.is(nnCost({ ...v8, depthwise: true }).cycles, 2 * 8 * 2 * 3 * 4);
  assert.is(nnCost({ ...v8, kernelX: 1, kernelY: 1 }).cycles, 2 * 8 * 2 * 6 * 4);
  assert.throws(() => nnCost({ ...V7, nnCoreVersion: 6 }), RangeError);
});

test("the multiply-accumulates a second are those of the data sheets", () => {
  const full: NnShape = {
    ...V7,
    inZ: 18,
    kernelX: 1,
    kernelY: 1,
    outX: 64,
    outY: 1,
    outZ: 48,
    tileY: 1,
  };
  for (const [version, cores, each] of [
    [7, 8, 3072],
    [8, 6, 1152],
  ] as const) {
    const { macs, cycles, utilisation } = nnCost({
      ...full,
      nnCoreVersion: version,
      nnCores: cores,
    });
    assert.is(macs / cycles, each);
    assert.is(utilisation, 1);
  }
});

test("TP cores work at the same time", () => {
  const core = { elements: 1000, read: 600, table: 10 };
  const cost = tpCost([core, { ...core, elements: 1500 }], { tpElementsPerCycle: 2 });
  assert.is(cost.cycles, 750);
  assert.is(dramBytes(cost), 2500 + 1200 + 20);
  assert.is(tpCost([], { tpElementsPerCycle: 2 }).cycles, 0);
});

const cost = (cycles: number, bytes: number): JobCost => ({
  ...tpCost([], { tpElementsPerCycle: 1 }),
  cycles,
  inputBytes: bytes,
});

test("the longer of computing and moving bounds a job, overhead comes on top", () => {
  const system = { ...systemOf("a311d"), clockMHz: 1000, bandwidthGBs: 2, overheadUs: 10 };
  const compute = jobTime(cost(3e6, 2e6), system);
  assert.equal(compute, { computeMs: 3, memoryMs: 1, ms: 3.01, bound: "compute" });
  const memory = jobTime(cost(1e6, 4e6), system);
  assert.equal(memory, { computeMs: 1, memoryMs: 2, ms: 2.01, bound: "memory" });
  assert.is(totalMs([cost(3e6, 2e6), cost(1e6, 4e6)], system), 3.01 + 2.01);
});

test("every chip has a system; overrides are checked and drop the error", () => {
  for (const { name } of CHIPS) assert.is(systemOf(name).chip, name);
  assert.is(systemOf("stm32mp2").error, null);
  const system = systemOf("a311d");
  const given = overrideSystem(system, { bandwidthGBs: 5, overheadUs: 0 });
  assert.equal(
    [given.bandwidthGBs, given.overheadUs, given.clockMHz, given.error],
    [5, 0, 800, null],
  );
  assert.is(overrideSystem(system, { error: 0.2, evidence: "mine" }).error, 0.2);
  for (const wrong of [
    null,
    3,
    [],
    { bandwidth: 3 },
    { clockMHz: 0 },
    { clockMHz: "800" },
    { overheadUs: -1 },
    { bandwidthGBs: Infinity },
    { chip: "imx8mp" },
  ])
    assert.throws(() => overrideSystem(system, wrong), RangeError, JSON.stringify(wrong));
});

test("earlier states of the driver", () => {
  const shape = { ...V7, imageCached: true, coefficientBytes: 500 };
  assert.equal(asDriverState(shape, "image cache", 0x80000), shape);
  const runs = asDriverState(shape, "zero runs", 0x80000);
  assert.equal([runs.imageCached, runs.kernelsCached, runs.coefficientBytes], [false, true, 500]);
  const plain = asDriverState(shape, "plain", 0x800 + 4000);
  // Header, and for each of 8 cores 3 kernels of 144 weights, bias and offset, rounded up to 64.
  assert.is(plain.coefficientBytes, 64 + 8 * 512);
  assert.is(plain.kernelsCached, false);
});

test("the fit finds the bandwidth that made the times", () => {
  const system = { ...systemOf("a311d"), bandwidthGBs: 3 };
  const points = [1e6, 5e6, 9e6].map((bytes, i): CalibrationPoint => {
    const costs = [cost(1e5 * i, bytes)];
    return {
      published: { model: String(i), state: "plain", milliseconds: totalMs(costs, system) },
      costs,
    };
  });
  const fit = fitBandwidth(points, { ...system, bandwidthGBs: 1 });
  assert.ok(Math.abs(fit.bandwidthGBs - 3) < 1e-3, String(fit.bandwidthGBs));
  assert.ok(errorOf(points, system) < 1e-12);
  // A point that is off by a factor of two is predicted by the others as if it were not.
  points[1]!.published.milliseconds *= 2;
  const left = leaveOneOut(points, system)[1]!;
  assert.ok(Math.abs(left.residual + Math.log(2)) < 1e-3, String(left.residual));
});

test.run();
