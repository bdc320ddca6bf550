// Streams that are longer than the kernel takes in one submit: cut into several, with the endings that one submit has.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SubmitCheckError } from "../../core-as/errors.ts";
import { createSession } from "../../core-as/runtime/session.ts";
import { openDrmAmong } from "../../transport-node/drm.ts";
import { FakeDrm, type Fate } from "../helpers/fake-drm.ts";
import { longNetwork, type LongNetwork } from "../helpers/long-network.ts";
import { runUnderMock } from "../helpers/run-under-mock.ts";
import { expectCode } from "./cts-rig.ts";

const test = suite("long streams");
const LIMIT = 128 * 1024;

let network: LongNetwork;
test.before(async () => {
  network = await longNetwork();
});

async function opened(fate: (submit: number) => Fate = () => "run") {
  const drm = Object.assign(new FakeDrm(), { fate });
  const transport = await openDrmAmong(drm, { hangMs: 10_000, closeMs: 100 });
  return { drm, transport, session: await createSession(network.executable, transport) };
}

test("two submits a run, each within the limit, one behind the other", async () => {
  const { drm, transport, session } = await opened();
  for (let run = 0; run < 2; run++)
    assert.equal([...(await session.run(network.inputs)).outputs], network.answer);
  const parts = drm.submits.slice(1);
  assert.is(parts.length, 4);
  for (const { stream } of parts) assert.ok(4 * stream.length <= LIMIT, `${4 * stream.length}`);
  await transport.close();
});

test("a watchdog in either part is a hang, and the next run is right", async () => {
  // Submit 0 is the init stream.
  for (const killed of [1, 2]) {
    const { drm, transport, session } = await opened((n) => (n === killed ? "watchdog" : "run"));
    const { message } = await expectCode(session.run(network.inputs), "TW_IO_HANG");
    assert.match(message, `submit ${killed} of the 2 of partition 0`);
    assert.is(drm.submits.length, 1 + killed);
    assert.equal([...(await session.run(network.inputs)).outputs], network.answer);
    await transport.close();
  }
});

test("a run that is given up between its parts goes on to its end; the next one waits for that", async () => {
  const { drm, transport, session } = await opened((n) => (n === 1 ? { lateMs: 1500 } : "run"));
  await expectCode(session.run(network.inputs, { timeoutMs: 700 }), "TW_IO_TIMEOUT");
  assert.equal([...(await session.run(network.inputs)).outputs], network.answer);
  assert.is(drm.submits.length, 1 + 4);
  await transport.close();
});

test("each part is checked; what is wrong names its jobs", async () => {
  const executable = structuredClone(network.executable);
  const { buffers, stream } = executable.partitions[0]!;
  const words = buffers[stream]!.contents!;
  // The NN configuration of the last job.
  words[words.length - 24 - 20] = 0x14;
  const transport = await openDrmAmong(new FakeDrm());
  try {
    await transport.load(executable);
    assert.unreachable();
  } catch (error) {
    assert.instance(error, SubmitCheckError);
    assert.match((error as Error).message, /^partition 0: submit of jobs \d+ to 3299: /);
  }
  await transport.close();
});
test.run();

await runUnderMock("long streams on the mock kernel", "test/transport/long-streams-child.ts", {
  nodes: [{ cores: ["a311d"] }],
});
