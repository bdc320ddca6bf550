// What tensors are seen to hold: how unevenly their values are spread, and the directions in which they are large.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  dot,
  principalDirections,
} from "../../../core-as/compile/optimised/per-channel/directions.ts";
import { ErrorTail, EVEN } from "../../../core-as/compile/optimised/per-channel/tail.ts";
import { Tally } from "../../../core-as/compile/optimised/per-channel/tally.ts";
import { tensor } from "../../helpers/make-graph.ts";

const CHANNELS = 20;
const SIDE = 32;

/** Bytes that are near 100, but in one corner large along a pattern of the channels. */
function picture(corner: number): Uint8Array {
  const bytes = new Uint8Array(SIDE * SIDE * CHANNELS);
  let state = 1;
  for (let i = 0; i < bytes.length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    const pixel = Math.floor(i / CHANNELS);
    const isLarge = Math.floor(pixel / SIDE) < corner && pixel % SIDE < corner;
    const pattern = (i % CHANNELS) % 2 === 0 ? 80 : -60;
    bytes[i] = 100 + ((state >>> 16) % 9) - 4 + (isLarge ? pattern : 0);
  }
  return bytes;
}

function seen(...corners: number[]) {
  const tally = new Tally(tensor([1, SIDE, SIDE, CHANNELS]), { together: true, apart: false });
  for (const corner of corners) tally.add(picture(corner));
  return tally.result();
}

test("values that are large together are found as a direction, and what is left is even", () => {
  const { directions, unevenness, residualUnevenness } = seen(4);
  const { vectors, largest, residual } = directions!;
  const first = vectors[0]!;
  const pattern = Float64Array.from({ length: CHANNELS }, (_, c) => (c % 2 === 0 ? 80 : -60));
  assert.ok(Math.abs(dot(first, pattern)) > 0.98 * Math.sqrt(dot(pattern, pattern)));
  assert.ok(largest[0]! > 300);
  for (const value of residual) assert.ok(value < 4, `${value} is left of a channel`);
  assert.ok(unevenness.variances[0]! > 20);
  assert.ok(residualUnevenness.variances[0]! < 5);
  const total = unevenness.shares.reduce((sum, share) => sum + share, 0);
  assert.ok(Math.abs(total - 1) < 1e-9);
});

test("the picture that has most of it counts, however many have nothing", () => {
  const [alone, others] = [seen(4), seen(0, 0, 4, 0)];
  assert.ok(others.deviation[0]! > 0.9 * alone.deviation[0]!);
  assert.ok(others.directions!.largest[0]! > 0.9 * alone.directions!.largest[0]!);
});

test("few channels, and those that nobody asks for, have no directions", () => {
  const tally = new Tally(tensor([1, SIDE, SIDE, CHANNELS]), { together: false, apart: false });
  tally.add(picture(4));
  assert.is(tally.result().directions, null);
  assert.equal(tally.result().unevenness, EVEN);
});

test("values are kept plane by plane where somebody asks for them, but not of very large tensors", () => {
  const kept = (side: number, apart: boolean): number => {
    const tally = new Tally(tensor([1, side, side, 2]), { together: false, apart });
    tally.add(new Uint8Array(side * side * 2).fill(7));
    return tally.result().planes.length;
  };
  assert.equal([kept(8, true), kept(8, false)], [1, 0]);
  assert.equal([kept(1024, true), kept(1025, true)], [1, 0]);
});

test("directions are of length 1 and orthogonal, and rows of zeros have none", () => {
  const rows = [
    Float64Array.of(9, 1, 0, 2),
    Float64Array.of(-1, 7, 3, 0),
    Float64Array.of(0, 2, 8, 1),
  ];
  const found = principalDirections(rows);
  assert.ok(found.length >= 2);
  for (const [i, a] of found.entries())
    for (const [j, b] of found.entries()) assert.ok(Math.abs(dot(a, b) - (i === j ? 1 : 0)) < 1e-6);
  assert.equal(principalDirections([new Float64Array(4)]), []);
});

test("bounds cover more deviations for more outputs, and for errors that are large in few places", () => {
  const even = new ErrorTail(EVEN);
  const uneven = new ErrorTail({ shares: [0.01, 0.99], variances: [30, 0.7] });
  // Two-sided normal distribution: 4.06 deviations for one of 20,000, 5 for one of 1.7 million.
  assert.ok(Math.abs(even.sigmas(1 / 20_000) - 4.056) < 0.01);
  assert.ok(Math.abs(even.sigmas(1 / 1_744_278) - 5) < 0.01);
  assert.ok(uneven.sigmas(1 / 20_000) > 2 * even.sigmas(1 / 20_000));
  assert.is(even.shareBeyondOne(0), 0);
  assert.ok(even.shareBeyondOne(0.5) < even.shareBeyondOne(0.6));
  const most = even.deviationFor(0.02);
  assert.ok(even.shareBeyondOne(most) <= 0.02 && even.shareBeyondOne(most + 1 / 64) > 0.02);
  assert.is(even.deviationFor(1), Infinity);
});

test.run();
