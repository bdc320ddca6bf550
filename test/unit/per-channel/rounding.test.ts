// Weights at another scale: what rounding leaves is what is said of it, and less than that of the nearest numbers.
// SPDX-License-Identifier: MIT
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  bestParts,
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
  { present: Uint8Array.of(1, 1, 1, 1, 1, 1, 1, 1, 1), share: 0.8 },
  { present: Uint8Array.of(0, 0, 0, 1, 1, 1, 1, 1, 1), share: 0.15 },
  { present: Uint8Array.of(0, 0, 0, 0, 1, 1, 0, 1, 1), share: 0.05 },
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
    },
  }));

/** Errors of whole weights. */
const errorsOf = ({ row, ratio }: Kernel, weights: ArrayLike<number>): Float64Array =>
  Float64Array.from(row, (weight, k) => weights[k]! - weight * ratio);

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
      assert.ok(made.extreme <= sumError(nearest, shape, inputs).extreme * (1 + 1e-9));
      const again = sumError(errorsOf(kernel, weights), shape, inputs);
      for (const member of ["centre", "deviation", "extreme", "largest"] as const)
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
      const { extreme } = sumError(errors, kernel.shape, kernel.inputs);
      assert.ok(Math.abs(running.extreme - extreme) <= 1e-6 * Math.max(1, extreme));
    }),
    propSettings(200),
  );
});

test("whole numbers and fractions together are within half a part of what is wanted", () => {
  fc.assert(
    fc.property(kernels, fc.constantFrom(4, 8, 16), ({ row, ratio, shape, inputs }, parts) => {
      const [whole, fractions] = [new Int16Array(row.length), new Int16Array(row.length)];
      const supply = { parts, largest: 0.5 };
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

test("parts of a step are those that cost least: few for inputs that hardly vary", () => {
  assert.equal(
    [2, 30, 80].map((deviation) => bestParts(deviation ** 2)),
    [4, 8, 16],
  );
  for (const parts of [4, 8, 16])
    assert.ok(partsVariance(bestParts(900), 900) <= partsVariance(parts, 900));
});

test.run();
