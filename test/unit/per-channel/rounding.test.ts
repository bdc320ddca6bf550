// Weights at another scale: what rounding leaves is what is said of it, and less than that of the nearest numbers.
// SPDX-License-Identifier: MIT
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  bestSupply,
  partsVariance,
  requantiseChannel,
  requantiseInParts,
} from "../../../core-as/compile/optimised/per-channel/requantise.ts";
import {
  KernelErrors,
  sumError,
  type KernelShape,
  type PlaneMoments,
} from "../../../core-as/compile/optimised/per-channel/sum-error.ts";
import { propSettings } from "../../helpers/prop.ts";

interface Kernel {
  row: number[];
  ratio: number;
  shape: KernelShape;
  inputs: PlaneMoments;
}

/** Cases of a 3x3 window: the interior, an edge, a corner. */
const WINDOW = [
  { present: Uint8Array.of(1, 1, 1, 1, 1, 1, 1, 1, 1), share: 0.8, sigmas: 5 },
  { present: Uint8Array.of(0, 0, 0, 1, 1, 1, 1, 1, 1), share: 0.15, sigmas: 4.5 },
  { present: Uint8Array.of(0, 0, 0, 0, 1, 1, 0, 1, 1), share: 0.05, sigmas: 4 },
];

const kernels: fc.Arbitrary<Kernel> = fc
  .record({
    planes: fc.integer({ min: 1, max: 3 }),
    weights: fc.array(fc.integer({ min: -127, max: 127 }), { minLength: 27, maxLength: 27 }),
    ratio: fc.double({ min: 0.05, max: 0.99, noNaN: true }),
    mean: fc.double({ min: 0, max: 200, noNaN: true }),
    deviation: fc.double({ min: 1, max: 80, noNaN: true }),
    correlation: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
  })
  .map(({ planes, weights, ratio, mean, deviation, correlation }) => ({
    row: weights.slice(0, 9 * planes),
    ratio,
    shape: { planes, taps: 9, border: WINDOW },
    inputs: {
      mean: new Float64Array(planes).fill(mean),
      deviation: new Float64Array(planes).fill(deviation),
      least: 0,
      most: 255,
      correlation: correlation === null ? null : new Float64Array(planes).fill(correlation),
      directions: null,
    },
  }));

/** Errors of whole weights. */
const errorsOf = (
  { row, ratio }: Pick<Kernel, "row" | "ratio">,
  weights: ArrayLike<number>,
): Float64Array => Float64Array.from(row, (weight, k) => weights[k]! - weight * ratio);

test("chosen roundings are never worse than the nearest, and the stated error is theirs", () => {
  fc.assert(
    fc.property(kernels, (kernel) => {
      const { row, ratio, shape, inputs } = kernel;
      const weights = new Int16Array(row.length);
      const made = requantiseChannel(row, ratio, shape, inputs, weights);
      const nearest = errorsOf(
        kernel,
        row.map((weight) => Math.round(weight * ratio)),
      );
      assert.ok(made.reach <= sumError(nearest, shape, inputs).reach * (1 + 1e-9));
      const again = sumError(errorsOf(kernel, weights), shape, inputs);
      for (const member of ["centre", "deviation", "reach", "largest"] as const)
        assert.ok(Math.abs(made[member] - again[member]) <= 1e-6 * (1 + Math.abs(again[member])));
      for (const error of errorsOf(kernel, weights)) assert.ok(Math.abs(error) < 1);
    }),
    propSettings(200),
  );
});

test("changing errors one by one leads to the same as computing all of them anew", () => {
  const changes = fc.array(fc.tuple(fc.nat(26), fc.double({ min: -1, max: 1, noNaN: true })), {
    maxLength: 12,
  });
  fc.assert(
    fc.property(kernels, changes, (kernel, list) => {
      const errors = errorsOf(
        kernel,
        kernel.row.map((weight) => Math.round(weight * kernel.ratio)),
      );
      const running = new KernelErrors(errors, kernel.shape, kernel.inputs);
      for (const [at, by] of list) running.change(at % errors.length, by);
      const { reach } = sumError(errors, kernel.shape, kernel.inputs);
      assert.ok(Math.abs(running.reach - reach) <= 1e-6 * Math.max(1, reach));
    }),
    propSettings(200),
  );
});

test("whole numbers and fractions together are within half a part of what is wanted", () => {
  fc.assert(
    fc.property(kernels, fc.constantFrom(4, 8, 16), ({ row, ratio, shape, inputs }, parts) => {
      const [whole, fractions] = [new Int16Array(row.length), new Int16Array(row.length)];
      const supply = { parts, variance: 1 / 12, largest: 0.5 };
      const made = requantiseInParts(row, ratio, supply, shape, inputs, whole, fractions);
      row.forEach((weight, k) => {
        const got = whole[k]! + fractions[k]! / parts;
        assert.ok(Math.abs(got - weight * ratio) <= 0.5 / parts + 1e-9);
        assert.ok(Math.abs(fractions[k]!) <= parts / 2);
      });
      const plain = requantiseChannel(row, ratio, shape, inputs, whole);
      assert.ok(made.largest <= plain.largest + 0.25 * parts * row.length);
    }),
    propSettings(200),
  );
});

const supplyOf = (parts: number) => ({ parts, variance: 1 / 12, largest: 0.5 });

test("parts of a step are those that cost least: few for inputs that hardly vary", () => {
  assert.equal(
    [2, 30, 80].map((deviation) => bestSupply(deviation ** 2, supplyOf).parts),
    [4, 8, 16],
  );
  for (const parts of [4, 8, 16])
    assert.ok(partsVariance(bestSupply(900, supplyOf), 900) <= partsVariance(supplyOf(parts), 900));
});

test("a supply that is less precise is divided into fewer parts", () => {
  const coarse = bestSupply(80 ** 2, (parts) => ({ ...supplyOf(parts), variance: 1 }));
  assert.ok(coarse.parts < bestSupply(80 ** 2, supplyOf).parts);
});

/** A pointwise kernel whose inputs are large along one direction. */
const pointwise = fc
  .record({
    row: fc.array(fc.integer({ min: -127, max: 127 }), { minLength: 24, maxLength: 24 }),
    ratio: fc.double({ min: 0.05, max: 0.9, noNaN: true }),
    direction: fc.array(fc.constantFrom(-4, -3, -2, -1, 1, 2, 3, 4), {
      minLength: 24,
      maxLength: 24,
    }),
  })
  .map(({ row, ratio, direction }) => {
    const length = Math.hypot(...direction) || 1;
    const vector = Float64Array.from(direction, (value) => value / length);
    return {
      row,
      ratio,
      shape: {
        planes: 24,
        taps: 1,
        border: [{ present: Uint8Array.of(1), share: 1, sigmas: 5 }],
      },
      inputs: {
        mean: new Float64Array(24).fill(20),
        deviation: new Float64Array(24).fill(20),
        least: 0,
        most: 255,
        correlation: null,
        directions: {
          vectors: [vector],
          squares: [90 ** 2],
          largest: [600],
          residual: new Float64Array(24).fill(5),
        },
      },
    };
  });

test("errors of pointwise kernels add up to little where inputs are large together", () => {
  let [plain, along] = [0, 0];
  fc.assert(
    fc.property(pointwise, (kernel) => {
      const { row, ratio, shape, inputs } = kernel;
      const weights = new Int16Array(24);
      const made = requantiseChannel(row, ratio, shape, inputs, weights);
      const blind = new Int16Array(24);
      requantiseChannel(row, ratio, shape, { ...inputs, directions: null }, blind);
      const without = sumError(errorsOf(kernel, blind), shape, inputs);
      const again = sumError(errorsOf(kernel, weights), shape, inputs);
      for (const error of errorsOf(kernel, weights)) assert.ok(Math.abs(error) <= 1.5);
      assert.ok(Math.abs(made.reach - again.reach) <= 1e-6 * (1 + again.reach));
      [plain, along] = [plain + without.reach, along + made.reach];
    }),
    propSettings(200),
  );
  assert.ok(along < 0.5 * plain, `${along} against ${plain}`);
});

test.run();
