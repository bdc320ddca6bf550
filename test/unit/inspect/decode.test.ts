// Decoding fields from words: scattered, shifted, signed and versioned ones, and bits that belong to nobody.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  blockTable,
  blockWords,
  decodeBlock,
  fieldOf,
  readFieldValue,
  undeclaredBits,
} from "../../../core-as/inspect/decode.ts";
import { BLOCK_TABLES } from "../../../core-as/inspect/gen/fields.ts";

const NN = blockTable("NN");

function nnWith(...pairs: [word: number, value: number][]): Uint32Array {
  const words = new Uint32Array(NN.words);
  for (const [word, value] of pairs) words[word] = value;
  return words;
}

test("contiguous, shifted and scattered fields", () => {
  assert.is(readFieldValue(NN, nnWith([1, 0xffffffff]), "IN_X_SIZE", 7), 0x1fff);
  assert.is(readFieldValue(NN, nnWith([5, 0xffffffff]), "KERNEL_ADDR", 7), 0xffffffc0);
  assert.is(readFieldValue(NN, nnWith([6, 0xfffff000]), "IN_IMAGE_ADDR", 7), 0xfffff000);
  // One bit, six bits, eight bits, least significant first.
  const words = nnWith([2, 1 << 26], [15, 0b101010 << 22], [17, 0x81000000]);
  assert.is(readFieldValue(NN, words, "POST_MULTIPLIER", 7), 1 | (0b101010 << 1) | (0x81 << 7));
});

test("parts that only newer cores have", () => {
  const words = nnWith([22, 0xff << 18]);
  assert.is(readFieldValue(NN, words, "POST_MULTIPLIER", 7), 0);
  assert.is(readFieldValue(NN, words, "POST_MULTIPLIER", 8), 0xff * 2 ** 15);
});

test("signed fields have the width of their version", () => {
  const minusOne = nnWith([2, 7], [4, 1 << 16]);
  assert.is(readFieldValue(NN, minusOne, "IN_X_OFFSET", 7), -1);
  assert.is(readFieldValue(NN, minusOne, "IN_X_OFFSET", 8), 15);
  assert.is(readFieldValue(NN, nnWith([2, 7], [4, 1 << 16], [18, 1 << 29]), "IN_X_OFFSET", 8), -1);
  assert.is(readFieldValue(NN, nnWith([4, 1 << 16]), "IN_X_OFFSET", 7), -8);
});

test("a whole block, with names and texts", () => {
  const words = nnWith([0, 3 << 27], [6, 0xffff1000], [8, 1], [29, 0x7f800000]);
  const fields = new Map(
    decodeBlock(NN, new Uint8Array(words.buffer), 7).map((field) => [field.name, field]),
  );
  assert.is(fields.size, NN.fields.length);
  assert.equal(fields.get("POOLING"), { name: "POOLING", value: 3, text: "FIRST_PIXEL" });
  assert.is(fields.get("IN_IMAGE_ADDR")!.text, "0xffff1000");
  assert.is(fields.get("IMAGE_CACHING_MODE")!.text, "FULL");
  assert.is(fields.get("UNK_29_31_0")!.text, "0x7f800000");
  assert.is(fields.get("IN_X_SIZE")!.text, "0");
});

test("missing bytes count as zero", () => {
  assert.equal([...blockWords(NN, Uint8Array.of(1, 2))].slice(0, 2), [0x201, 0]);
});

test("undeclared bits are found, declared ones are not", () => {
  assert.equal(undeclaredBits(NN, nnWith()), []);
  assert.equal(undeclaredBits(NN, nnWith([2, 1 << 6], [23, 5])), [
    { word: 2, bits: 64 },
    { word: 23, bits: 5 },
  ]);
  for (const block of BLOCK_TABLES)
    assert.equal(undeclaredBits(block, Uint32Array.from(block.declared)), []);
});

test("all bits of a field, and only these, change its value", () => {
  for (const block of BLOCK_TABLES)
    for (const field of block.fields)
      for (const [word, high, low, since] of field.parts)
        for (let bit = 0; bit < 32; bit++) {
          const words = new Uint32Array(block.words);
          words[word] = (1 << bit) >>> 0;
          const isOwn = field.parts.some(
            ([w, h, l, s]) => w === word && bit >= l && bit <= h && s <= 8,
          );
          assert.is(
            readFieldValue(block, words, field, 8) !== 0,
            isOwn,
            `${field.name} bit ${bit}`,
          );
          assert.ok(since <= 8 && high >= low);
        }
});

test("unknown blocks and fields", () => {
  assert.throws(() => blockTable("XX"), RangeError);
  assert.throws(() => fieldOf(NN, "XX"), RangeError);
});

test.run();
