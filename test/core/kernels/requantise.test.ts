// Rounding of the integer rescaling: both roundings, their ties, saturation, and multipliers from real factors.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { quantiseMultiplier, roundHalfAway } from "../../../core-as/ir/fixed-point.ts";
import { BUILDS, coreOf } from "../../helpers/cores.ts";
import { naiveRequantise } from "../../helpers/naive-kernels.ts";
import { randomNumbers } from "../../helpers/tiny-graph.ts";

const HALF = 2 ** 30;

for (const build of BUILDS) {
  const test = suite(`requantise (${build})`);

  test("rounds ties of the multiplication upwards", async () => {
    const core = await coreOf(build);
    const half = (value: number): number => core.invoke("requantise", value, HALF, 0);
    assert.equal([1, -1, 3, -3, 5, -5].map(half), [1, 0, 2, -1, 3, -2]);
  });

  test("rounds ties of the right shift away from zero", async () => {
    const core = await coreOf(build);
    // 2 * value * 1/2 = value, then a quarter of it
    const quarter = (value: number): number => core.invoke("requantise", 2 * value, HALF, -2);
    assert.equal([1, 2, 3, -1, -2, -3, 6, -6].map(quarter), [0, 1, 1, 0, -1, -1, 2, -2]);
  });

  test("rounds twice where once would differ", async () => {
    const core = await coreOf(build);
    // 3 / 8 = 0.375 is 0 when rounded once; 3 / 2 = 1.5 -> 2, then 2 / 4 = 0.5 -> 1
    assert.is(core.invoke("requantise", 3, HALF, -2), 1);
  });

  test("takes the extremes", async () => {
    const core = await coreOf(build);
    assert.is(core.invoke("requantise", 2 ** 31 - 1, 2 ** 31 - 1, 0), 2 ** 31 - 2);
    assert.is(core.invoke("requantise", -(2 ** 31), 2 ** 31 - 1, 0), -(2 ** 31) + 1);
    assert.is(core.invoke("requantise", -(2 ** 31), -(2 ** 31), 0), 2 ** 31 - 1);
    assert.is(core.invoke("requantise", -(2 ** 31), HALF, -31), -1); // -2^30 / 2^31 = -1/2, away from zero
    assert.is(core.invoke("requantise", 2 ** 31 - 1, HALF, -31), 1);
    assert.is(core.invoke("requantise", 12345, 0, 0), 0);
  });

  test("agrees with exact arithmetic", async () => {
    const core = await coreOf(build);
    const random = randomNumbers(7);
    for (let i = 0; i < 5000; i++) {
      const value = random(0, 2 ** 32 - 1) >> random(0, 24);
      const multiplier = random(HALF, 2 ** 31 - 1);
      const shift = random(-31, 12);
      assert.is(
        core.invoke("requantise", value, multiplier, shift),
        naiveRequantise(value, multiplier, shift),
        `${value} * ${multiplier} << ${shift}`,
      );
    }
  });

  test.run();
}

const test = suite("quantiseMultiplier");

test("splits powers of two and others", () => {
  assert.equal(quantiseMultiplier(1), { multiplier: HALF, shift: 1 });
  assert.equal(quantiseMultiplier(0.5), { multiplier: HALF, shift: 0 });
  assert.equal(quantiseMultiplier(0.25), { multiplier: HALF, shift: -1 });
  assert.equal(quantiseMultiplier(0.75), { multiplier: 3 * 2 ** 29, shift: 0 });
  assert.equal(quantiseMultiplier(3), { multiplier: 3 * 2 ** 29, shift: 2 });
  assert.equal(quantiseMultiplier(0), { multiplier: 0, shift: 0 });
});

test("moves a mantissa that rounds to one into the exponent", () => {
  assert.equal(quantiseMultiplier(1 - 2 ** -33), { multiplier: HALF, shift: 1 });
  assert.equal(quantiseMultiplier(1 - 2 ** -32), { multiplier: HALF, shift: 1 });
  assert.equal(quantiseMultiplier(1 - 2 ** -31), { multiplier: 2 ** 31 - 1, shift: 0 });
});

test("flushes factors below the smallest shift to zero", () => {
  assert.equal(quantiseMultiplier(2 ** -32), { multiplier: HALF, shift: -31 });
  assert.equal(quantiseMultiplier(2 ** -33), { multiplier: 0, shift: 0 });
  assert.equal(quantiseMultiplier(1e-300), { multiplier: 0, shift: 0 });
});

test("refuses what is not a factor", () => {
  for (const wrong of [-1, NaN, Infinity, 2 ** 30])
    assert.throws(() => quantiseMultiplier(wrong), /outside 0\.\.2\^30/);
});

test("rounds half away from zero", () => {
  assert.equal([0.5, -0.5, 1.5, -1.5, 0.49, -2.51].map(roundHalfAway), [1, -1, 2, -2, 0, -3]);
});

test.run();
