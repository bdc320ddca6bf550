// Streams of jobs that overlap: what the simulator and the pre-submit check make of their tags (spec/hardware.md 4).
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { SubmitCheckError, type SimFault } from "../../core-as/errors.ts";
import { splitJobs } from "../../core-as/executable/split-jobs.ts";
import { streamJobs } from "../../core-as/executable/stream-jobs.ts";
import { Simulator } from "../../core-as/runtime/simulator.ts";
import {
  ADDRESS,
  checkerOf,
  INPUT,
  nnCase,
  nnSubmit,
  OUTPUT,
  wasmOf,
  type Submit,
} from "../helpers/check-rig.ts";
import { BUILDS } from "../helpers/cores.ts";
import { nnFields } from "../helpers/nn-rig.ts";
import { bytesOf, descriptor, FLUSH } from "../helpers/sim-rig.ts";

/** A second job of the same kind, and a TP job from the second job's output to a place of its own. */
const SECOND = { nn: 0x50000000, tp: 0x50001000, output: 0x50002000, moved: 0x50003000 };

const CASE = nnCase();
const OUT_BYTES = CASE.outX * CASE.outY * CASE.outZ;

/** Copies the output of the second job. */
const COPY = {
  IN_X_SIZE: OUT_BYTES,
  IN_Y_SIZE: 1,
  IN_Z_SIZE: 1,
  IN_STRIDE: OUT_BYTES,
  IN_SLICE: OUT_BYTES,
  WINDOW_X_END: OUT_BYTES - 1,
  TILE_X_SIZE: OUT_BYTES,
  TILE_Y_SIZE: 1,
  TILE_X_INC: OUT_BYTES,
  TILE_Y_INC: 1,
  OUT_LOOP_0_COUNT: OUT_BYTES,
  OUT_LOOP_0_INC: 1,
  OUT_LOOP_1_COUNT: 1,
  OUT_LOOP_2_COUNT: 1,
  OUT_LOOP_3_COUNT: 1,
  IN_BASE_ADDR: SECOND.output,
  OUT_BASE_ADDR: SECOND.moved,
};

/** Starts a job; tag in the low bits. */
const nn = (address: number, tag: number): number[] => [
  0x08010e4f, 0, 0x08010e50, 0, 0x08010e4c, tag === 0 ? 0x10 : 0, 0x08010428, (address | tag) >>> 0,
]; // prettier-ignore
const tp = (address: number, tag: number): number[] => [
  0x08010e4f, 0, 0x08010e50, 0, 0x08010e53, 0, 0x08010e54, 0, 0x0801042e, (address | tag) >>> 0,
]; // prettier-ignore
const wait = (tag: number): number[] => [0x08010429, tag];
const first = (tag: number): number[] => nn(ADDRESS.nn, tag);
const second = (tag: number): number[] => nn(SECOND.nn, tag);
const copy = (tag: number): number[] => tp(SECOND.tp, tag);

function submitOf(words: number[]): Submit {
  const base = nnSubmit();
  const other = descriptor("NN", { ...nnFields(CASE), OUT_IMAGE_ADDR: SECOND.output });
  const moving = descriptor("TP", COPY);
  const tensor = (address: number, access: number) => ({
    address,
    bytes: OUT_BYTES,
    access,
    contents: null,
  });
  const constant = (address: number, contents: Uint8Array) => ({
    address,
    bytes: contents.length,
    access: 1,
    contents,
  });
  return {
    ...base,
    stream: Uint32Array.from([...words, ...FLUSH]),
    buffers: [
      ...base.buffers,
      constant(SECOND.nn, bytesOf(other)),
      constant(SECOND.tp, bytesOf(moving)),
      tensor(SECOND.output, 3),
      tensor(SECOND.moved, 2),
    ],
  };
}

/** What each of the two says: nothing, or a code. */
interface Outcome {
  simulator: string;
  check: string;
}

const GOOD: Record<string, number[]> = {
  "one after the other": [...first(0), ...wait(0), ...second(0), ...wait(0), ...copy(0), ...wait(0)],
  "each with a tag, waited for at once, as in the parallel debug mode": [
    ...first(1), ...wait(1), ...second(2), ...wait(2), ...copy(3), ...wait(3),
  ],
  "two at a time": [...second(0), ...wait(0), ...first(5), ...copy(6), ...wait(5), ...wait(6)],
  "waits in another order": [...second(0), ...wait(0), ...first(5), ...copy(6), ...wait(6), ...wait(5)],
  "a tag again, after it was waited for": [
    ...first(5), ...second(6), ...wait(6), ...copy(7), ...wait(5), ...wait(7), ...second(5), ...wait(5),
  ],
}; // prettier-ignore

const BAD: Record<string, [words: number[], outcome: Outcome]> = {
  "an input that is still being written": [
    [...second(5), ...copy(6), ...wait(5), ...wait(6)],
    { simulator: "TW_SIM_OVERLAP", check: "" },
  ],
  "an output that is still being read": [
    [...second(0), ...wait(0), ...copy(5), ...second(6), ...wait(5), ...wait(6)],
    { simulator: "TW_SIM_OVERLAP", check: "" },
  ],
  "two that write the same": [
    [...first(5), ...first(6), ...wait(5), ...wait(6)],
    { simulator: "TW_SIM_OVERLAP", check: "" },
  ],
  "one that nothing waits for": [
    [...first(5), ...second(6), ...wait(6)],
    { simulator: "TW_SIM_BAD_COMMAND", check: "TW_CHECK_STREAM" },
  ],
  "a wait for nobody": [
    [...first(5), ...wait(6), ...wait(5)],
    { simulator: "TW_SIM_BAD_COMMAND", check: "TW_CHECK_STREAM" },
  ],
  "a wait for one that has ended": [
    [...first(5), ...wait(5), ...wait(5)],
    { simulator: "TW_SIM_BAD_COMMAND", check: "TW_CHECK_STREAM" },
  ],
  "one tag for two": [
    [...first(5), ...second(5), ...wait(5)],
    { simulator: "TW_SIM_BAD_COMMAND", check: "TW_CHECK_STREAM" },
  ],
  "a job without a tag while another one runs": [
    [...first(5), ...second(0), ...wait(0), ...wait(5)],
    { simulator: "TW_SIM_BAD_COMMAND", check: "TW_CHECK_STREAM" },
  ],
  "a job without a tag that is not waited for": [
    [...first(0), ...second(5), ...wait(5), ...wait(0)],
    { simulator: "TW_SIM_BAD_COMMAND", check: "TW_CHECK_STREAM" },
  ],
};

async function outcomeOf(build: (typeof BUILDS)[number], submit: Submit): Promise<Outcome> {
  const simulator = await Simulator.create({ chip: submit.chip, wasm: wasmOf(build) });
  for (const { address, bytes, access, contents } of submit.buffers)
    simulator.mapBuffer({ address, bytes, access, ...(contents && { contents }) });
  const checker = await checkerOf(build, { parallel: true });
  const codeOf = (run: () => void): string => {
    try {
      run();
    } catch (error) {
      return (error as SimFault | SubmitCheckError).code;
    }
    return "";
  };
  return {
    simulator: codeOf(() => simulator.submit(submit.stream)),
    check: codeOf(() => checker.check(submit.stream, submit.buffers)),
  };
}

for (const build of BUILDS) {
  test(`${build}: streams that are right`, async () => {
    for (const [name, words] of Object.entries(GOOD))
      assert.equal(await outcomeOf(build, submitOf(words)), { simulator: "", check: "" }, name);
  });

  test(`${build}: streams that are wrong`, async () => {
    for (const [name, [words, outcome]] of Object.entries(BAD))
      assert.equal(await outcomeOf(build, submitOf(words)), outcome, name);
  });
}

test("the fault names the job, the first byte that is shared, and the other job", async () => {
  const submit = submitOf([...second(5), ...copy(6), ...wait(5), ...wait(6)]);
  const simulator = await Simulator.create({ chip: submit.chip });
  for (const { address, bytes, access, contents } of submit.buffers)
    simulator.mapBuffer({ address, bytes, access, ...(contents && { contents }) });
  try {
    simulator.submit(submit.stream);
    assert.unreachable();
  } catch (error) {
    const { where, message } = error as SimFault;
    assert.equal([where.job, where.addrGpu], [1, SECOND.output]);
    assert.match(message, /value 0x0$/);
  }
  assert.ok(submit.buffers[INPUT] && submit.buffers[OUTPUT]);
});

test("until when each job may run, and each as a submit of its own", () => {
  const words = Uint32Array.from([
    ...[0, 0, 0, 0], ...second(0), ...wait(0), ...first(5), ...tp(0x100, 0x1f), ...tp(0x200, 6), ...wait(5), ...nn(0x300, 7),
    ...wait(7), ...wait(6), ...FLUSH,
  ]); // prettier-ignore
  assert.equal(
    streamJobs(words).jobs.map(({ tag, wait: waited, until }) => [tag, waited, until]),
    [
      [0, 0, 0],
      [5, 5, 2],
      [6, 6, 3],
      [7, 7, 3],
    ],
  );
  assert.equal(
    splitJobs(words, 4).map((piece) => [...piece]),
    [
      [...second(0), ...wait(0)],
      [...first(5), ...wait(5)],
      [...tp(0x100, 0x1f), ...tp(0x200, 6), ...wait(6)],
      [...nn(0x300, 7), ...wait(7)],
    ].map((job) => [0, 0, 0, 0, ...job, ...FLUSH]),
  );
});

test.run();
