// A network with a stream of more than 128 KiB on DRM, under the mock kernel, which refuses longer ones as the kernel does.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createSession } from "../../core-as/runtime/session.ts";
import { openDrm } from "../../transport-node/index.ts";
import { longNetwork } from "../helpers/long-network.ts";
import { MockControl } from "../mock-kernel/control.ts";

const test = suite("long streams on the mock kernel");
const control = MockControl.fromEnvironment();

test("a network of 3300 jobs runs in two submits and gives the simulator's bytes", async () => {
  const { executable, inputs, answer } = await longNetwork();
  const { stream, buffers, jobs } = executable.partitions[0]!;
  assert.ok(buffers[stream]!.bytes > 128 * 1024 && jobs.length === 3300);
  const drm = await openDrm();
  const session = await createSession(executable, drm);
  assert.equal([...(await session.run(inputs)).outputs], answer);
  assert.equal([...(await session.run(inputs)).outputs], answer);
  await session.close();
  await drm.close();
  assert.is(control.stats().live.buffers, 0);
});

test.run();
