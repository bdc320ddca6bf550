// The declared kernel interface against the numbers of spec/uapi.md 1.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { fieldBytes, Layout, type Fields } from "../../../transport-node/layout.ts";
import * as uapi from "../../../transport-node/uapi.ts";

/** name, request, size, offsets of the fields in order. */
const TABLE: readonly [uapi.Ioctl, number, number, readonly number[]][] = [
  [uapi.VERSION as uapi.Ioctl, 0xc0406400, 64, [0, 4, 8, 16, 24, 32, 40, 48, 56]],
  [uapi.GET_PARAM as uapi.Ioctl, 0xc0106440, 16, [0, 4, 8]],
  [uapi.GEM_NEW as uapi.Ioctl, 0xc0106442, 16, [0, 8, 12]],
  [uapi.GEM_INFO as uapi.Ioctl, 0xc0106443, 16, [0, 4, 8]],
  [uapi.GEM_CPU_PREP as uapi.Ioctl, 0x40186444, 24, [0, 4, 8, 16]],
  [uapi.GEM_CPU_FINI as uapi.Ioctl, 0x40086445, 8, [0, 4]],
  [uapi.GEM_SUBMIT as uapi.Ioctl, 0xc0486446, 72, [0, 4, 8, 12, 16, 20, 24, 32, 40, 48, 52, 56, 64, 68]],
  [uapi.WAIT_FENCE as uapi.Ioctl, 0x40206447, 32, [0, 4, 8, 12, 16, 24]],
  [uapi.GEM_USERPTR as uapi.Ioctl, 0xc0186448, 24, [0, 8, 16, 20]],
  [uapi.GEM_WAIT as uapi.Ioctl, 0x40206449, 32, [0, 4, 8, 12, 16, 24]],
  [uapi.PM_QUERY_DOM as uapi.Ioctl, 0xc048644a, 72, [0, 4, 5, 6, 8]],
  [uapi.PM_QUERY_SIG as uapi.Ioctl, 0xc04c644b, 76, [0, 4, 5, 6, 8, 10]],
  [uapi.GEM_CLOSE as uapi.Ioctl, 0x40086409, 8, [0, 4]],
]; // prettier-ignore

const offsets = ({ fields }: { fields: Fields }): number[] =>
  Object.values(fields)
    .map(([offset]) => offset)
    .sort((a, b) => a - b);

for (const [ioctl, request, bytes, fields] of TABLE)
  test(`${ioctl.name} has its request number, size and fields`, () => {
    assert.is(ioctl.request.toString(16), request.toString(16));
    assert.is(ioctl.layout.bytes, bytes);
    assert.equal(offsets(ioctl.layout), fields);
    // What the addon compares with the buffer that it is given.
    assert.is((ioctl.request >>> uapi.REQUEST_SIZE_SHIFT) & 0x3fff, bytes);
  });

test("all requests are in the list, once", () => {
  assert.is(uapi.IOCTLS.length, TABLE.length);
  assert.is(new Set(uapi.IOCTLS.map(({ request }) => request)).size, TABLE.length);
});

test("the lists of a submit have their sizes and fields", () => {
  assert.is(uapi.SUBMIT_BO.bytes, 16);
  assert.equal(offsets(uapi.SUBMIT_BO), [0, 4, 8]);
  assert.is(uapi.SUBMIT_RELOC.bytes, 24);
  assert.equal(offsets(uapi.SUBMIT_RELOC), [0, 4, 8, 16, 20]);
  assert.is(uapi.PM_REQUEST.bytes, 20);
  assert.equal(offsets(uapi.PM_REQUEST), [0, 4, 5, 6, 8, 12, 16]);
});

test("every field comes back as it was written, and its neighbours stay", () => {
  for (const { layout } of uapi.IOCTLS)
    for (const [name, [offset, type]] of Object.entries(layout.fields)) {
      const size = fieldBytes(type);
      const text = type.startsWith("char");
      const max = size === 8 ? 2n ** 63n - 1n : type === "i32" ? 2 ** 31 - 1 : 2 ** (8 * size) - 1;
      const value = text ? "x".repeat(size - 1) : max;
      const bytes = layout.create({ [name]: value });
      assert.equal(layout.read(bytes)[name], value, `${layout.name}.${name}`);
      const outside = bytes.filter((_, i) => i < offset || i >= offset + size);
      assert.ok(
        outside.every((byte) => byte === 0),
        `${layout.name}.${name} leaks`,
      );
    }
});

test("negative numbers come back negative", () => {
  const bytes = uapi.GEM_SUBMIT.layout.create({ fenceFd: -1 });
  assert.is(uapi.GEM_SUBMIT.layout.read(bytes).fenceFd, -1);
  const time = uapi.WAIT_FENCE.layout.create({ sec: -5n });
  assert.is(uapi.WAIT_FENCE.layout.read(time).sec, -5n);
});

test("values that do not fit are refused, never cut", () => {
  const { layout } = uapi.GEM_NEW;
  assert.throws(
    () => layout.create({ flags: 2 ** 32 }),
    /GEM_NEW\.flags: 4294967296 does not fit u32/,
  );
  assert.throws(() => layout.create({ flags: -1 }), /does not fit/);
  assert.throws(() => layout.create({ flags: 1.5 }), /not an integer/);
  assert.throws(() => layout.create({ size: 2n ** 64n }), /does not fit u64/);
  assert.throws(() => layout.create({ size: 1 as unknown as bigint }), /not an integer/);
  assert.throws(() => uapi.PM_QUERY_DOM.layout.create({ name: "x".repeat(64) }), /do not fit/);
  assert.throws(() => layout.create({ nothing: 1 } as never), /no field nothing/);
  assert.throws(() => layout.read(new Uint8Array(15)), /16 bytes, not 15/);
});

test("a declaration that contradicts itself is refused", () => {
  assert.throws(() => new Layout("A", 8, { a: [0, "u32"], b: [2, "u16"] }), /A\.b/);
  assert.throws(() => new Layout("A", 8, { a: [6, "u32"] }), /A\.a/);
  assert.throws(() => new Layout("A", 8, { a: [1, "u16"] }), /A\.a/);
});

test("a text ends at its first zero", () => {
  const bytes = uapi.PM_QUERY_DOM.layout.create({ name: "HI" });
  bytes.set(new TextEncoder().encode("X"), 11);
  assert.is(uapi.PM_QUERY_DOM.layout.read(bytes).name, "HI");
});

test.run();
