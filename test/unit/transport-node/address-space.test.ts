// GPU addresses: whole pages, from the top, each once, and never 0.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { TransportError } from "../../../core-as/errors.ts";
import { AddressSpace } from "../../../transport-node/address-space.ts";
import { rng } from "../../helpers/prng.mjs";

const END = 2 ** 32;

test("addresses go down from the end of the space, in whole pages", () => {
  const space = new AddressSpace(0x400000);
  assert.is(space.allocate(1), END - 4096);
  assert.is(space.allocate(4097), END - 3 * 4096);
  assert.is(space.allocate(4096), END - 4 * 4096);
  assert.is(space.usedBytes, 4 * 4096);
});

test("freed ranges are used again, joined with their neighbours", () => {
  const space = new AddressSpace(0x400000);
  const [a, b, c, d] = [1, 2, 3, 4].map(() => space.allocate(4096)) as [
    number,
    number,
    number,
    number,
  ];
  for (const order of [
    [b, c],
    [c, b],
  ]) {
    for (const address of order) space.free(address);
    assert.is(space.allocate(8192), c, "both pages as one");
    space.free(c);
    assert.is(space.allocate(4096), b);
    assert.is(space.allocate(4096), c);
  }
  for (const address of [a, d, c, b]) space.free(address);
  assert.is(space.usedBytes, 0);
  assert.is(space.allocate(END - 0x400000), 0x400000, "one hole again");
});

test("nothing lies below the start, and nothing at 0", () => {
  const space = new AddressSpace(END - 8192);
  assert.is(space.allocate(4096), END - 4096);
  assert.is(space.allocate(4096), END - 8192);
  assert.throws(
    () => space.allocate(1),
    (error: unknown) => error instanceof TransportError && error.code === "TW_IO_MEMORY",
  );
  assert.is(new AddressSpace(0).allocate(END - 4096), 4096);
  assert.is(new AddressSpace(5).allocate(END - 4096), 4096);
});

test("a full space names what was wanted and what is left", () => {
  const space = new AddressSpace(END - 3 * 4096);
  const middle = [1, 2, 3].map(() => space.allocate(1))[1]!;
  space.free(middle);
  assert.throws(() => space.allocate(8192), /8192 bytes.*8192 bytes in use.*largest hole 4096/);
});

test("sizes and addresses that make no sense are refused", () => {
  const space = new AddressSpace(0x400000);
  for (const bytes of [0, -1, 1.5, NaN])
    assert.throws(() => space.allocate(bytes), RangeError as never);
  assert.throws(() => space.free(0x1000), /not in use/);
  const address = space.allocate(1);
  space.free(address);
  assert.throws(() => space.free(address), /not in use/);
  for (const start of [-1, END, 0.5]) assert.throws(() => new AddressSpace(start), /cannot start/);
});

test("random use never hands a page out twice and loses none", () => {
  const random = rng("address-space");
  const space = new AddressSpace(END - 64 * 4096);
  const live = new Map<number, number>();
  let refused = 0;
  for (let round = 0; round < 3000; round++) {
    const pages = 1 + (random.byte() % 6);
    if (random.byte() < 140) {
      let address: number;
      try {
        address = space.allocate(pages * 4096 - (random.byte() % 4096));
      } catch (error) {
        assert.instance(error, TransportError);
        refused++;
        continue;
      }
      for (const [other, size] of live)
        assert.ok(address + pages * 4096 <= other || other + size <= address, "overlap");
      assert.ok(address >= END - 64 * 4096 && address + pages * 4096 <= END);
      live.set(address, pages * 4096);
    } else if (live.size > 0) {
      const address = [...live.keys()][random.byte() % live.size]!;
      live.delete(address);
      space.free(address);
    }
  }
  assert.ok(refused > 0, "the space was never full");
  for (const address of live.keys()) space.free(address);
  assert.is(space.allocate(64 * 4096), END - 64 * 4096);
});

test.run();
