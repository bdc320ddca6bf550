// Models through the DRM transport and the kernel inside the process: checked before the submit, outputs marked, whole and job by
// job; every answer is the simulator's.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { compile } from "../../core-as/compile/compile.ts";
import { NpuError } from "../../core-as/errors.ts";
import type { Executable } from "../../core-as/executable/executable.ts";
import { chipByName } from "../../core-as/hw/chips.ts";
import { createSession } from "../../core-as/runtime/session.ts";
import { createSimTransport } from "../../core-as/runtime/sim-transport.ts";
import { openDrmAmong } from "../../transport-node/drm.ts";
import { coreOf } from "../helpers/cores.ts";
import { FakeDrm, npu } from "../helpers/fake-drm.ts";
import { inputBytes, synthModel } from "../helpers/synth-model.mjs";
import cases from "../helpers/visible-cases.mjs";

const core = await coreOf("release");

/** Larger ones take too long here. */
const MAX_BYTES = 1_000_000;
/** Every third case, begun elsewhere for each chip and mode. */
const STEP = 3;

/** The executable, or null where the mode refuses the case or nothing is for the NPU. */
async function compiled(
  name: string,
  target: string,
  mode: "optimised" | "compatible",
): Promise<Executable | null> {
  try {
    const { executable } = await compile(synthModel(name), { mode, target, core });
    const buffers = executable.partitions.flatMap((partition) => partition.buffers);
    const bytes = buffers.reduce((sum, buffer) => sum + buffer.bytes, 0);
    return buffers.length > 0 && bytes <= MAX_BYTES ? executable : null;
  } catch (error) {
    assert.instance(error, NpuError);
    return null;
  }
}

async function expectSame(name: string, executable: Executable, target: string): Promise<void> {
  const simulator = createSimTransport(chipByName(target)!);
  const session = await createSession(executable, simulator);
  const inputs = session.inputs.map(({ bytes }, i) => inputBytes(name, i, bytes));
  const right = await session.run(inputs);
  const profiled = await session.run(inputs, { profile: true });
  const drm = await openDrmAmong(new FakeDrm([{ cores: [npu(target)] }]));
  const loaded = await createSession(executable, drm);
  const results = [profiled, await loaded.run(inputs), await loaded.run(inputs, { profile: true })];
  for (const [i, { outputs }] of results.entries())
    for (const [o, bytes] of outputs.entries())
      assert.ok(Buffer.compare(bytes, right.outputs[o]!) === 0, `${name}: run ${i}, output ${o}`);
  const jobs = executable.partitions.flatMap((partition) => partition.jobs);
  for (const { jobs: reported } of [results[0]!, results[2]!])
    assert.is(reported!.length, jobs.length, name);
  await drm.close();
  await simulator.close();
}

for (const [t, target] of ["a311d", "imx8mp"].entries())
  for (const [m, mode] of (["optimised", "compatible"] as const).entries())
    test(`${target}, ${mode}`, async () => {
      let ran = 0;
      for (let i = (2 * t + m) % STEP; i < cases.length; i += STEP) {
        const executable = await compiled(cases[i]!, target, mode);
        if (executable === null) continue;
        await expectSame(cases[i]!, executable, target);
        ran++;
      }
      assert.ok(ran > 15, `only ${ran} cases ran`);
    });

test.run();
