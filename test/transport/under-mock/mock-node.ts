// Run under the mock kernel by mock-node.test.ts: what Node's own functions and the DRM transport see of it.
// SPDX-License-Identifier: MIT
import { accessSync, constants, existsSync, readdirSync, readFileSync, realpathSync, statSync } from "node:fs"; // prettier-ignore
import { opendir, stat } from "node:fs/promises";
import { spawnSync } from "node:child_process";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { compile } from "../../../core-as/compile/compile.ts";
import { chipByName } from "../../../core-as/hw/chips.ts";
import { createSimTransport } from "../../../core-as/runtime/sim-transport.ts";
import { listDevices, openDrm } from "../../../transport-node/index.ts";
import { MockControl } from "../../helpers/mock-kernel.ts";
import { inputBytes, synthModel } from "../../helpers/synth-model.mjs";

const control = MockControl.fromEnvironment();
const NODE = "/dev/dri/renderD128";

function nothingLeft(): void {
  const { files, buffers, mappings, jobs } = control.stats().live;
  assert.equal([files, buffers, mappings, jobs], [0, 0, 0, 0]);
}

test("Node sees the nodes as character devices", async () => {
  assert.equal(readdirSync("/dev/dri"), ["renderD128", "renderD129"]);
  const entries = readdirSync("/dev/dri", { withFileTypes: true });
  assert.ok(entries.every((entry) => entry.isCharacterDevice()));
  const opened = [];
  for await (const { name } of await opendir("/dev/dri")) opened.push(name);
  assert.equal(opened, ["renderD128", "renderD129"]);
  assert.ok(statSync(NODE).isCharacterDevice());
  assert.is((await stat(NODE)).rdev, 226 * 256 + 128);
  assert.not(existsSync("/dev/dri/renderD130"));
  assert.is(realpathSync.native(NODE), NODE);
  accessSync(NODE, constants.R_OK | constants.W_OK);
  assert.throws(() => accessSync("/dev/dri/renderD129", constants.R_OK), /EACCES/);
  assert.throws(() => readFileSync("/dev/dri/renderD129"), /EACCES/);
});

test("a node that Node itself opened is closed again", () => {
  assert.throws(() => readFileSync("/dev/dri"), /ENOSYS/);
  readFileSync(NODE);
  nothingLeft();
});

test("processes that Node starts live", () => {
  const { status, stdout } = spawnSync("ls", ["/dev/dri"], { encoding: "utf8" });
  assert.equal([status, stdout], [0, "renderD128\nrenderD129\n"]);
});

test("the DRM transport finds the NPU beside the GPU and gives the simulator's answer", async () => {
  const devices = await listDevices();
  assert.equal(
    devices.map(({ path, core, chip }) => [path, core, chip?.name]),
    [
      [NODE, 0, undefined],
      [NODE, 1, "a311d"],
    ],
  );
  const CASE = "chain-tap-i10x10x8-o16-k3-u8";
  const { executable } = await compile(synthModel(CASE));
  const inputs = executable.graph.inputs.map((id, i) => {
    const bytes = executable.graph.tensors[id]!.shape.reduce((a, b) => a * b, 1);
    return inputBytes(CASE, i, bytes);
  });
  const simulator = createSimTransport(chipByName("a311d")!);
  const { outputs } = await (await simulator.load(executable)).submit(inputs);
  const transport = await openDrm();
  const loaded = await transport.load(executable);
  for (const profile of [false, true, false]) {
    const result = await loaded.submit(inputs, { profile });
    assert.is(result.evidence, "simulated");
    assert.equal(result.outputs, outputs);
  }
  assert.is(control.stats().simFaults, 0);
  await loaded.release();
  await transport.close();
  nothingLeft();
});

test.run();
