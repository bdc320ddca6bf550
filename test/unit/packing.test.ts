// The packer of tensor memory on random bodies: the rules hold, whatever the lifetimes.
// SPDX-License-Identifier: MIT
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { lowerBound, packBodies, type Body } from "../../core-as/compile/optimised/packing.ts";
import { propSettings } from "../helpers/prop.ts";

const JOBS = 12;

const life = fc
  .tuple(fc.integer({ min: -1, max: JOBS }), fc.nat(4))
  .map(([from, length]) => ({ from, to: Math.min(from + length, JOBS) }));

/** Up to three pieces behind each other, some with a gap before them. */
const bodies: fc.Arbitrary<Body[]> = fc.array(
  fc
    .array(fc.tuple(fc.integer({ min: 1, max: 700 }), fc.constantFrom(0, 0, 33), life), {
      minLength: 1,
      maxLength: 3,
    })
    .map((parts) => {
      let end = 0;
      const pieces = parts.map(([bytes, gap, when]) => {
        const start = end + gap;
        end = start + bytes;
        return { start, end, ...when };
      });
      return { bytes: end, pieces };
    }),
  { maxLength: 20 },
);

test("no two pieces share a byte at the same time; all are aligned, inside and repeatable", () =>
  fc.assert(
    fc.property(bodies, (list) => {
      const { offsets, total } = packBodies(list);
      assert.equal(packBodies(list), { offsets, total });
      assert.ok(total >= lowerBound(list) && total < Infinity);
      const placed = list.flatMap(({ bytes, pieces }, i) => {
        assert.is(offsets[i]! % 64, 0);
        assert.ok(offsets[i]! >= 0 && offsets[i]! + bytes <= total);
        return pieces.map((piece) => ({
          ...piece,
          body: i,
          start: piece.start + offsets[i]!,
          end: piece.end + offsets[i]!,
        }));
      });
      for (const a of placed)
        for (const b of placed)
          if (a.body < b.body && a.from <= b.to && b.from <= a.to)
            assert.ok(a.end <= b.start || b.end <= a.start);
    }),
    propSettings(60),
  ));

test("a chain of tensors needs its largest neighbours", () => {
  const sizes = [640, 1280, 64, 960, 320];
  const chain = sizes.map((bytes, i) => ({
    bytes,
    pieces: [{ start: 0, end: bytes, from: i - 1, to: i }],
  }));
  assert.is(packBodies(chain).total, 640 + 1280);
});

test("of very many bodies none is shared, but all have a place", () => {
  const piece = { start: 0, end: 10, from: 0, to: 0 };
  const list = Array.from({ length: 20_001 }, () => ({ bytes: 10, pieces: [piece] }));
  const { offsets, total } = packBodies(list);
  assert.is(total, 20_000 * 64 + 10);
  assert.is(offsets.at(-1), 20_000 * 64);
});

test("nothing needs nothing", () => assert.is(packBodies([]).total, 0));

test.run();
