// Streams cut into one submit a job.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ExecutableError } from "../../../core-as/errors.ts";
import { splitJobs } from "../../../core-as/executable/split-jobs.ts";

const OPENING = [0, 0, 0, 0, 0, 0, 0, 0];
const CLOSING = [0x08010e03, 0xc23, 0x08010e03, 0xc23, 0, 0];
const nn = (address: number): number[] => [
  0x08010e4f, 0, 0x08010e50, 0, 0x08010e4c, 0x10, 0x08010428, address, 0x08010429, 0,
]; // prettier-ignore
const tp = (...addresses: number[]): number[] => [
  ...addresses.flatMap((address) => [
    0x08010e4f, 0, 0x08010e50, 0, 0x08010e53, 0, 0x08010e54, 0, 0x0801042e, address,
  ]),
  0x08010429,
  0,
]; // prettier-ignore

const split = (words: number[], count: number): number[][] =>
  splitJobs(Uint32Array.from(words), count).map((piece) => [...piece]);

test("each job gets the opening and closing words", () => {
  const jobs = [nn(0xfffff000), tp(0x1001, 0x2001, 0x3000), tp(0x5000), nn(0x100)];
  const pieces = split([...OPENING, ...jobs.flat(), ...CLOSING], 4);
  assert.equal(
    pieces,
    jobs.map((job) => [...OPENING, ...job, ...CLOSING]),
  );
});

test("a stream of one job stays as it is", () => {
  const stream = [...OPENING, ...nn(0x100), ...CLOSING];
  assert.equal(split(stream, 1), [stream]);
});

test("nothing to run is nothing to submit", () => assert.equal(split(OPENING, 0), []));

test("words between jobs belong to the job behind them", () => {
  const between = [0, 0, 0x08010e4f, 0];
  const stream = [...OPENING, ...nn(0x100), ...between, ...nn(0x200), ...CLOSING];
  assert.equal(split(stream, 2)[1], [...OPENING, ...between, ...nn(0x200), ...CLOSING]);
});

test("a last job without an end of its own ends with its start", () => {
  const job = nn(0x100).slice(0, 8);
  assert.equal(split([...OPENING, ...job, ...CLOSING], 1), [[...OPENING, ...job, ...CLOSING]]);
});

function expectDamaged(words: number[], count: number, text: RegExp, wordIndex?: number): void {
  try {
    split(words, count);
    assert.unreachable();
  } catch (error) {
    assert.instance(error, ExecutableError);
    assert.is((error as ExecutableError).code, "TW_EXE_DAMAGED");
    assert.match((error as ExecutableError).message, text);
    assert.is((error as ExecutableError).where.wordIndex, wordIndex);
  }
}

test("another number of jobs is refused", () => {
  expectDamaged([...OPENING, ...nn(1)], 2, /starts 1 jobs, its partition has 2/);
  expectDamaged(OPENING, 1, /starts 0 jobs/);
});

test("other commands are refused, with their place", () => {
  expectDamaged([...OPENING, 0x40000008, 0x1000], 1, /word 8 .* 0x40000008/, 8);
  expectDamaged([...OPENING, 0x08020e4f, 0, 0, 0], 1, /word 8/, 8);
  expectDamaged([...OPENING, 0x0c010e4f, 0], 1, /word 8/, 8);
  expectDamaged([...OPENING, 0x08010e4f], 1, /word 8/, 8);
});

test.run();
