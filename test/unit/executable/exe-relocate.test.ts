// Addresses and relocations: what is patched, what is left alone, what is refused.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { EncodeError } from "../../../core-as/errors.ts";
import { addressSpan, assignAddresses } from "../../../core-as/executable/addresses.ts";
import type { ExecutablePartition } from "../../../core-as/executable/executable.ts";
import { relocate } from "../../../core-as/executable/relocate.ts";
import { submitOrder } from "../../../core-as/executable/submit-order.ts";
import { wordAt } from "../../../core-as/inspect/words.ts";
import { tinyExecutable } from "../../helpers/tiny-executable.ts";

const tiny = (): ExecutablePartition => tinyExecutable().partitions[0]!;

function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    assert.instance(error, EncodeError);
    assert.is((error as EncodeError).code, "TW_ENC_RELOC");
    return (error as EncodeError).message;
  }
  throw new Error("nothing was thrown");
}

test("addresses go down in whole pages from the top; the stream has none", () => {
  assert.equal(assignAddresses(tiny()), [0xfffff000, 0xffffe000, 0xffffd000, 0xffffc000, null]);
  assert.equal(assignAddresses(tiny(), 0x10000).slice(0, 2), [0xf000, 0xe000]);
  assert.match(
    refusal(() => assignAddresses(tiny(), 0x4000)),
    "does not fit",
  );
  for (const top of [0x10001, -4096, 2 ** 32 + 4096, NaN])
    assert.match(
      refusal(() => assignAddresses(tiny(), top)),
      "cannot end",
    );
  assert.is(addressSpan(tiny()), 0x4000);
});

test("each kind of relocation changes its word and no other", () => {
  const partition = tiny();
  const addresses = assignAddresses(partition);
  const bytes = relocate(partition, addresses);
  const before = partition.buffers[3]!.contents!;
  const after = bytes[3]!;
  const expected = new Map([
    [20, ((wordAt(before, 20) & 0xfc000000) | (0xffffd000 / 64)) >>> 0],
    [24, 0xfffff000],
    [28, 0xffffe010],
  ]);
  for (let at = 0; at < before.length; at += 4)
    assert.is(wordAt(after, at), expected.get(at) ?? wordAt(before, at), `byte ${at}`);
  assert.is(wordAt(bytes[4]!, 12), 0xffffc000);
});

test("a descriptor's address keeps the tag of its word", () => {
  const partition = tiny();
  partition.buffers[4]!.contents![12] = 3;
  assert.is(wordAt(relocate(partition, assignAddresses(partition))[4]!, 12), 0xffffc003);
});

test("the executable itself is not changed; buffers without relocations are not copied", () => {
  const partition = tiny();
  const bytes = relocate(partition, assignAddresses(partition));
  assert.equal(partition, tiny());
  assert.is(bytes[2], partition.buffers[2]!.contents);
  assert.is(bytes[0], null);
});

test("refuses relocations and addresses that cannot be", () => {
  const good = assignAddresses(tiny());
  const cases: [RegExp | string, (partition: ExecutablePartition) => (number | null)[]][] = [
    ["no word", (p) => ((p.relocations[0]!.byteOffset = 136), good)],
    ["no word", (p) => ((p.relocations[0]!.byteOffset = 2), good)],
    ["no contents", (p) => ((p.relocations[0]!.buffer = 0), good)],
    ["no contents", (p) => ((p.relocations[0]!.buffer = 99), good)],
    ["no address", (p) => ((p.relocations[0]!.target = 4), good)],
    ["no address", (p) => ((p.relocations[0]!.target = 77), good)],
    ["outside buffer", (p) => ((p.relocations[1]!.addend = 17), good)],
    ["outside buffer", (p) => ((p.relocations[1]!.addend = -4), good)],
    ["unknown", (p) => ((p.relocations[1]!.kind = "other" as never), good)],
    ["no multiple of 64", () => good.with(2, 0xffffd020)],
    ["does not fit the low bits", () => good.with(3, 0xffffc080)],
    ["does not fit the low bits", (p) => (p.buffers[4]!.contents!.set([0, 1], 12), good)],
    ["outside the address space", () => good.with(0, 2 ** 32)],
    ["outside the address space", () => good.with(0, 0.5)],
  ];
  for (const [message, change] of cases) {
    const partition = tiny();
    const addresses = change(partition);
    assert.match(
      refusal(() => relocate(partition, addresses)),
      message,
    );
  }
});

test("the buffer list follows the jobs", () => {
  assert.equal(submitOrder(tiny()), [3, 2, 0, 1]);
});

test.run();
