// Random damage to streams, descriptors, coefficients and buffer lists: the check passes or refuses, in bounded time, and
// is never anything else. What passes does not make the simulator leave its buffers.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Simulator } from "../../../core-as/runtime/simulator.ts";
import type { CheckBuffer, SubmitChecker } from "../../../core-as/runtime/submit-check.ts";
import {
  A311D_CHIP,
  CONSTANTS,
  DESCRIPTOR,
  IMX8MP_CHIP,
  LOOKUP,
  checkerOf,
  nnSubmit,
  nnSubmitV8,
  refusalOf,
  simulatedOutcome,
  tpSubmit,
  wasmOf,
  withBuffer,
  type Submit,
} from "../../helpers/check-rig.ts";
import type { Build } from "../../helpers/cores.ts";
import { rng } from "../../helpers/prng.mjs";

/** Rounds for each of the submits below. */
const ROUNDS: Record<Build, number> = { debug: 1500, release: 8500 };

const SUBMITS: Record<string, () => Submit> = {
  "NN, version 7": () => nnSubmit(),
  "NN, version 7, without runs": () => nnSubmit({}, { zrlBits: 0 }),
  "NN, version 8": () => nnSubmitV8(),
  "NN, version 8, depthwise": () => nnSubmitV8({}, { depthwise: true, kernelZ: 11 }),
  "TP, reshuffle": () => tpSubmit(),
  "TP, look-up": () => tpSubmit({}, LOOKUP),
};

type Random = ReturnType<typeof rng>;

/** Words that find edges more often than evenly distributed ones do. */
function hostileWord(random: Random, old: number): number {
  switch (random.next() % 6) {
    case 0:
      return (old ^ (1 << (random.next() % 32))) >>> 0;
    case 1:
      return [0, 1, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff][random.next() % 7]!;
    case 2:
      return (old + (random.next() % 17) - 8) >>> 0;
    case 3:
      return 2 ** (random.next() % 32);
    case 4:
      return (old & 0xffff0000) + (random.next() & 0xffff);
    default:
      return random.next();
  }
}

function damagedStream(random: Random, stream: Uint32Array): Uint32Array {
  const words = stream.slice();
  const at = random.next() % words.length;
  if (random.next() % 4 !== 0) words[at] = hostileWord(random, words[at]!);
  else if (random.next() % 2 !== 0) return words.slice(0, at);
  else words.copyWithin(at, random.next() % words.length);
  return words;
}

function damagedContents(random: Random, contents: Uint8Array): Uint8Array {
  const copy = contents.slice();
  const view = new DataView(copy.buffer);
  for (let i = 1 + (random.next() % 3); i > 0; i--) {
    // Mostly the header of coefficients.
    const reach = random.next() % 2 === 0 ? Math.min(copy.length, 96) : copy.length;
    const at = (random.next() % (reach >> 2)) * 4;
    view.setUint32(at, hostileWord(random, view.getUint32(at, true)), true);
  }
  return copy;
}

function damagedBuffer(random: Random, buffer: CheckBuffer): CheckBuffer {
  const { bytes, contents } = buffer;
  switch (random.next() % 6) {
    case 0:
      return { ...buffer, address: hostileWord(random, buffer.address) };
    case 1:
      return { ...buffer, bytes: hostileWord(random, bytes) };
    case 2:
      return { ...buffer, access: random.next() % 5 };
    case 3:
      return { ...buffer, contents: contents === null ? new Uint8Array(bytes) : null };
    case 4:
      return { ...buffer, mapped: hostileWord(random, 4096) };
    default:
      return { ...buffer, contents: contents?.subarray(0, random.next() % bytes) ?? null };
  }
}

function damaged(random: Random, submit: Submit): Submit {
  const kind = random.next() % 8;
  if (kind === 0) return { ...submit, stream: damagedStream(random, submit.stream) };
  if (kind === 1) {
    const index = random.next() % submit.buffers.length;
    return withBuffer(submit, index, damagedBuffer(random, submit.buffers[index]!));
  }
  const index = kind < 6 ? DESCRIPTOR : CONSTANTS;
  const { contents } = submit.buffers[index]!;
  // A second damage may find nothing left of the first.
  if (contents === null || contents.length < 4) return submit;
  return withBuffer(submit, index, { contents: damagedContents(random, contents) });
}

/** A simulator with the buffers of a submit, and how to run a damaged copy in it. */
async function simulatorOf(submit: Submit): Promise<(damaged: Submit) => string> {
  const simulator = await Simulator.create({ chip: submit.chip, wasm: wasmOf("release") });
  for (const { address, bytes, access } of submit.buffers)
    simulator.mapBuffer({ address, bytes, access });
  return ({ stream, buffers }) => {
    for (const { address, contents } of buffers)
      if (contents !== null) simulator.write(address, contents);
    return simulatedOutcome(() => simulator.submit(stream, buffers));
  };
}

async function fuzz(build: Build, name: string, make: () => Submit): Promise<void> {
  const submit = make();
  const checker: SubmitChecker = await checkerOf(build, { chip: submit.chip });
  const run = await simulatorOf(submit);
  const random = rng(`check/fuzz/${build}/${name}`);
  const tally: Record<string, number> = {};
  for (let round = 0; round < ROUNDS[build]; round++) {
    let changed = damaged(random, submit);
    if (random.next() % 4 === 0) changed = damaged(random, changed);
    const refusal = refusalOf(checker, changed);
    const key = refusal?.code ?? "passed";
    tally[key] = (tally[key] ?? 0) + 1;
    if (refusal !== null) {
      assert.not.match(refusal.message, /undefined|NaN|reason \d/);
      continue;
    }
    // Buffers of another size or place cannot be mapped into the same simulator.
    const same = changed.buffers.every(
      ({ address, bytes }, i) =>
        address === submit.buffers[i]!.address && bytes === submit.buffers[i]!.bytes,
    );
    if (!same) continue;
    const outcome = run(changed);
    assert.ok(
      ["ok", "TW_SIM_BAD_COEFFICIENTS", "TW_SIM_DOUBLE_WRITE", "TW_SIM_LIMIT"].includes(outcome),
      `${name}, round ${round}: passed, and the simulator says ${outcome}`,
    );
  }
  // The damage must not be of one kind only.
  for (const key of ["passed", "ADDRESS", "DESCRIPTOR", "STATE", "STREAM", "LIMIT"])
    assert.ok((tally[key] ?? 0) > 5, `${key}: ${JSON.stringify(tally)}`);
  assert.is(refusalOf(checker, submit), null);
}

for (const build of ["debug", "release"] as const)
  for (const [name, make] of Object.entries(SUBMITS))
    test(`${build}: ${ROUNDS[build]} times random damage to ${name}`, () =>
      fuzz(build, name, make));

test("streams of random words", async () => {
  const random = rng("check/fuzz/words");
  const checkers = [
    await checkerOf("release", { chip: A311D_CHIP, parallel: true }),
    await checkerOf("release", { chip: IMX8MP_CHIP }),
  ];
  const submit = nnSubmit();
  let refused = 0;
  for (let round = 0; round < 5000; round++) {
    const length = random.next() % 40;
    const stream = Uint32Array.from({ length }, () => {
      // Words of real streams in any order, and others.
      const own = submit.stream[random.next() % submit.stream.length]!;
      return random.next() % 4 === 0 ? random.next() : own;
    });
    refused += Number(refusalOf(checkers[round % 2]!, { ...submit, stream }) !== null);
  }
  assert.ok(refused > 4000, String(refused));
});

test.run();
