// Marks in outputs: where they may lie, and what they find.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { ExecutablePartition, Port } from "../../../core-as/executable/executable.ts";
import { intactMark, markOutputs } from "../../../transport-node/completion.ts";

const port = (buffer: number, offset: number, bytes: number): Port => ({
  tensor: 0,
  buffer,
  offset,
  bytes,
});

function partition(
  inputs: Port[],
  outputs: Port[],
  contents: (Uint8Array | null)[] = [null, null],
): ExecutablePartition {
  const buffers = contents.map((contents) => ({
    role: "tensor" as const,
    bytes: 4096,
    contents,
    access: 3,
  }));
  return { buffers, jobs: [], relocations: [], stream: 0, inputs, outputs };
}

const places = (p: ExecutablePartition): [number, number, number, number][] =>
  markOutputs(p).map(({ output, offset, at, bytes }) => [output, offset, at, bytes.length]);

test("an output has marks at its start, middle and end", () => {
  assert.equal(places(partition([port(0, 0, 100)], [port(1, 64, 100)])), [
    [0, 64, 0, 8],
    [0, 110, 46, 8],
    [0, 156, 92, 8],
  ]);
});

test("bytes of inputs stay free of marks", () => {
  const p = partition([port(0, 0, 50)], [port(0, 20, 100), port(0, 10, 30)]);
  assert.equal(places(p), [
    [0, 50, 30, 8],
    [0, 81, 61, 8],
    [0, 112, 92, 8],
  ]);
  const inside = partition([port(0, 40, 20)], [port(0, 0, 100)]);
  for (const [, offset, , bytes] of places(inside))
    assert.ok(offset + bytes <= 40 || offset >= 60, String(offset));
  assert.is(places(inside).length, 6);
});

test("outputs in buffers with initial bytes, and very short ones, have none", () => {
  assert.equal(places(partition([], [port(1, 0, 100)], [null, new Uint8Array(1)])), []);
  assert.equal(places(partition([], [port(0, 0, 4)])), []);
  assert.equal(places(partition([], [port(0, 0, 5)])), [[0, 0, 0, 5]]);
});

test("marks are random, so that no answer is taken for one", () => {
  const p = partition([], [port(0, 0, 8)]);
  const texts = Array.from({ length: 100 }, () => String(markOutputs(p)[0]!.bytes));
  assert.is(new Set(texts).size, 100);
});

test("a mark is found as long as it is whole", () => {
  const p = partition([], [port(0, 0, 3), port(1, 100, 40)]);
  const marks = markOutputs(p);
  const outputs = [new Uint8Array(3), new Uint8Array(40)];
  for (const { output, at, bytes } of marks) outputs[output]!.set(bytes, at);
  assert.is(intactMark(marks, outputs), marks[0]!);
  for (const mark of marks) {
    assert.is(intactMark(marks, outputs), mark);
    outputs[1]![mark.at + 3]! ^= 1;
  }
  assert.is(intactMark(marks, outputs), null);
});

test.run();
