// Layers in ranges of output steps: what the found jobs and their sum make of accumulators is what TFLite makes of them.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { requantisedSteps } from "../../core-as/compile/optimised/numerics.ts";
import {
  encodable,
  fitOutputStage,
  plainStage,
  stageLimits,
  type Steps,
} from "../../core-as/compile/optimised/output-stage.ts";
import {
  fitRanges,
  isExact,
  isExactPlan,
  MAX_RANGES,
  type RangePlan,
} from "../../core-as/compile/optimised/ranges.ts";
import { chipByName } from "../../core-as/hw/chips.ts";
import { quantiseMultiplier, requantise } from "../../core-as/ir/fixed-point.ts";
import { hardwareByte } from "../helpers/hardware-byte.ts";
import { rng } from "../helpers/prng.mjs";

const CHIPS = ["a311d", "imx8mp"].map((name) => chipByName(name)!);
const LARGEST = 2 ** 28;
const random = rng("ranges");
const uniform = (): number => (random.next() % 2 ** 24) / 2 ** 24;

/** All sides of all steps, and accumulators beyond and between. */
const interesting = ({ lower, upper, factor }: Steps): number[] => [
  ...[...lower, ...upper].flatMap((at) => [at - 1, at, at + 1]),
  ...Array.from({ length: 400 }, () => Math.round(((uniform() - 0.5) * 600) / factor)),
  -LARGEST,
  LARGEST,
];

function byteOf({ ranges, sum }: RangePlan, accumulator: number): number {
  const total = ranges.reduce(
    (part, { stage, weight }) => part + weight * hardwareByte(stage, accumulator, 0),
    0,
  );
  return hardwareByte(sum, total, 0);
}

/** Below it steps are so many accumulators long that a few factors need too many jobs on version 7. */
const SMALL = 2 ** -10;

/** Checks a factor; returns the number of jobs, 0 for those that one job does or that need too many. */
function checkFactor(index: number, factor: number, zeroPoint: number, lowest: number): number {
  const chip = CHIPS[index]!;
  const limits = stageLimits(chip, lowest, LARGEST);
  const steps = requantisedSteps(factor, zeroPoint, lowest)!;
  if (isExact(steps, fitOutputStage(steps, limits) ?? plainStage(steps, limits))) return 0;
  const free = stageLimits(chip, 0, LARGEST);
  const plan = fitRanges(steps, free);
  const name = `${chip.name}: ${factor}, zero ${zeroPoint}, from ${lowest}`;
  if (plan === null) {
    assert.ok(index === 0 && factor < SMALL, `${name}: no plan`);
    return 0;
  }
  assert.ok(isExactPlan(steps, plan));
  assert.ok(plan.ranges.length >= 1 && plan.ranges.length <= MAX_RANGES);
  for (const { stage, weight } of plan.ranges) {
    assert.is(encodable(stage.factor, limits.multiplierBits), stage.factor);
    assert.ok(stage.factor < limits.maxFactor && Math.abs(stage.offset) <= free.maxOffset);
    assert.ok(Number.isInteger(weight) && weight >= 1 && weight <= 255);
  }
  assert.is(encodable(plan.sum.factor, limits.multiplierBits), plan.sum.factor);
  const fixed = quantiseMultiplier(factor);
  for (const accumulator of interesting(steps)) {
    const want = Math.min(Math.max(requantise(accumulator, fixed) + zeroPoint, lowest), 255);
    assert.is(byteOf(plan, accumulator), want, `${name}: ${accumulator}`);
  }
  return plan.ranges.length;
}

const test = suite("ranges");

for (const index of CHIPS.keys())
  test(`random factors of layers, ${CHIPS[index]!.name}`, () => {
    let jobs = 0;
    for (let i = 0; i < 60; i++) {
      const zeroPoint = [0, 128, random.next() % 256, 255][i % 4]!;
      const lowest = i % 3 === 0 && zeroPoint < 255 ? zeroPoint : 0;
      jobs += checkFactor(index, 0.0002 * 1000 ** uniform(), zeroPoint, lowest);
    }
    assert.ok(jobs > 0);
  });

test("a plan that is off by one accumulator is not exact", () => {
  const steps = requantisedSteps(0.0077, 120, 0)!;
  const plan = fitRanges(steps, stageLimits(CHIPS[0]!, 0, LARGEST))!;
  for (const k of plan.ranges.keys()) {
    const ranges = plan.ranges.map((range, i) =>
      i === k ? { ...range, stage: { ...range.stage, offset: range.stage.offset + 1 } } : range,
    );
    assert.not(isExactPlan(steps, { ...plan, ranges }));
  }
});

test.run();
