// Streams that are too long for one submit.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { splitSubmits } from "../../../core-as/executable/split-submits.ts";

const OPENING = [0, 0, 0, 0, 0, 0, 0, 0];
const CLOSING = [0x08010e03, 0xc23, 0x08010e03, 0xc23, 0, 0];
const nn = (address: number, tag = 0): number[] => [
  0x08010e4f, 0, 0x08010e50, 0, 0x08010e4c, 0x10, 0x08010428, address | tag, ...(tag === 0 ? [0x08010429, 0] : []),
]; // prettier-ignore
const wait = (tag: number): number[] => [0x08010429, tag];

const streamOf = (...jobs: number[][]): Uint32Array =>
  Uint32Array.from([...OPENING, ...jobs.flat(), ...CLOSING]);
/** Bytes of a stream with so many words of jobs. */
const bytesFor = (words: number): number => 4 * (OPENING.length + words + CLOSING.length);
const split = (stream: Uint32Array, jobs: number, limit: number) =>
  splitSubmits(stream, jobs, limit, 0).map(({ stream: part, first, last }) => ({
    words: [...part],
    jobs: [first, last],
  }));
const part = (jobs: number[][], first: number, last: number) => ({
  words: [...OPENING, ...jobs.flat(), ...CLOSING],
  jobs: [first, last],
});

test("what fits is one part, whatever it is", () => {
  const stream = streamOf(nn(0x100), nn(0x200));
  assert.equal(split(stream, 2, bytesFor(20)), [part([nn(0x100), nn(0x200)], 0, 2)]);
  assert.is(splitSubmits(Uint32Array.of(1, 2, 3), 7)[0]!.last, 7);
});

test("as few parts as fit, each a complete submit", () => {
  const jobs = [0x100, 0x200, 0x300, 0x400, 0x500].map((address) => nn(address));
  assert.equal(split(streamOf(...jobs), 5, bytesFor(20)), [
    part(jobs.slice(0, 2), 0, 2),
    part(jobs.slice(2, 4), 2, 4),
    part(jobs.slice(4), 4, 5),
  ]);
  assert.is(split(streamOf(...jobs), 5, bytesFor(29)).length, 3);
  assert.is(split(streamOf(...jobs), 5, bytesFor(30)).length, 2);
  assert.is(split(streamOf(...jobs), 5, bytesFor(10)).length, 5);
});

test("no cut while a job runs on", () => {
  const first = [...nn(0x100, 5), ...nn(0x200, 6), ...wait(6), ...wait(5)];
  const second = nn(0x300);
  assert.equal(split(streamOf(first, second), 3, bytesFor(22)), [
    part([first], 0, 2),
    part([second], 2, 3),
  ]);
});

test("what cannot be cut stays too long: the submit is refused with its size", () => {
  const both = [...nn(0x100, 5), ...nn(0x200, 6), ...wait(6), ...wait(5)];
  assert.equal(split(streamOf(both), 2, bytesFor(10)), [part([both], 0, 2)]);
  assert.is(splitSubmits(new Uint32Array(40_000), 0).length, 1);
});

test.run();
