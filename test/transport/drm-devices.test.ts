// Discovery through the addon on mock kernels: every device that there may be, and what is said about it.
// SPDX-License-Identifier: MIT
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { needMockKernel, startMockKernel, type MockKernelOptions } from "../helpers/mock-kernel.ts";

const SUITE = "drm devices on the mock kernel";
const test = suite(SUITE);

interface Outcome {
  opened?: string;
  chip?: string;
  core?: number;
  evidence?: string;
  driver?: { name: string; desc: string; version: string };
  code?: string;
  message?: string;
  devices: string | { path: string; core: number; chip: string | null; problem: string | null }[];
}

/** What a process under such a kernel finds. */
async function outcomeOf(
  options: MockKernelOptions,
  args: string[] = [],
  env: Record<string, string> = {},
): Promise<Outcome> {
  const kernel = await startMockKernel(options);
  try {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--import", "tsx", "test/transport/drm-devices-child.ts", ...args],
      { env: { ...process.env, ...kernel.env, ...env }, encoding: "utf8" },
    );
    assert.equal(kernel.control.log("warning"), []);
    const { files, buffers, jobs } = kernel.control.stats().live;
    assert.equal({ files, buffers, jobs }, { files: 0, buffers: 0, jobs: 0 });
    return JSON.parse(stdout) as Outcome;
  } finally {
    kernel.stop();
  }
}

function expectProblem(
  name: string,
  options: MockKernelOptions,
  code: string,
  text: string | RegExp,
  devices: number,
): void {
  test(`${name}: ${code}`, async () => {
    const outcome = await outcomeOf(options);
    assert.is(outcome.code, code, outcome.message);
    assert.match(outcome.message!, text);
    assert.is(outcome.devices.length, devices);
  });
}

const D128 = "/dev/dri/renderD128";

test("an NPU alone", async () => {
  const { devices, driver, ...rest } = await outcomeOf({});
  assert.equal(rest, { opened: D128, chip: "a311d", core: 0, evidence: "simulated" });
  assert.is(driver!.name, "etnaviv");
  assert.equal(devices, [{ path: D128, core: 0, chip: "a311d", problem: null }]);
});

test("an NPU beside a GPU, behind nodes of others", async () => {
  const path = "/dev/dri/renderD131";
  const nodes = [
    { number: 128, driver: "panfrost" },
    { number: 129, cores: ["gpu"] },
    { number: 131, cores: ["gpu", "imx8mp"] },
  ];
  const { devices, opened, chip, core } = await outcomeOf({ nodes });
  assert.equal({ opened, chip, core }, { opened: path, chip: "imx8mp", core: 1 });
  assert.equal(devices, [
    { path: "/dev/dri/renderD129", core: 0, chip: null, problem: "TW_IO_NOT_NPU" },
    { path, core: 0, chip: null, problem: "TW_IO_NOT_NPU" },
    { path, core: 1, chip: "imx8mp", problem: null },
  ]);
});

expectProblem("no /dev/dri", { nodes: "none" }, "TW_IO_NO_DEVICE", "CONFIG_DRM_ETNAVIV", 0);
expectProblem("no render nodes", { nodes: [] }, "TW_IO_NO_DEVICE", "no render node", 0);
expectProblem("another driver", { nodes: [{ driver: "i915" }] }, "TW_IO_NO_DEVICE", "etnaviv", 0);
expectProblem("no permission", { nodes: [{ denied: true }] }, "TW_IO_PERMISSION", "usermod", 0);
expectProblem("a GPU alone", { nodes: [{ cores: ["gpu"] }] }, "TW_IO_NOT_NPU", "model 7000", 1);
expectProblem(
  "an unknown chip",
  { nodes: [{ cores: ["8000:7120:45080009:0:99"] }] },
  "TW_IO_UNKNOWN_CHIP",
  "model 8000, revision 7120, product 45080009, eco 0, customer 99",
  1,
);
expectProblem("an old kernel", { nodes: [{ version: "1.3.0" }] }, "TW_IO_KERNEL", "1.3.0", 1);
expectProblem("no softpin", { nodes: [{ softpin: null }] }, "TW_IO_KERNEL", "softpin", 1);

test("a path that does not exist, and one that is no device", async () => {
  const missing = await outcomeOf({}, ["transport-node/index.ts", "/dev/dri/renderD140"]);
  assert.is(missing.code, "TW_IO_NO_DEVICE");
  assert.match(missing.message!, "/dev/dri/renderD140 does not exist");
  const file = await outcomeOf({}, ["transport-node/index.ts", "package.json"]);
  assert.is(file.code, "TW_IO_NO_DEVICE");
  assert.match(file.message!, "not a render node of etnaviv");
});

test("a system without an addon for it: TW_IO_ADDON, with what to do", async () => {
  const env = { npm_config_arch: "riscv64", PREBUILDS_ONLY: "1" };
  const { code, message, devices } = await outcomeOf({}, [], env);
  assert.is(code, "TW_IO_ADDON");
  assert.is(devices, "TW_IO_ADDON");
  assert.match(message!, "prebuilt are linux-x64 and linux-arm64 with glibc");
  assert.match(message!, "node-gyp rebuild");
});

test("the bundle finds the addon, too", async () => {
  assert.ok(existsSync("dist/node.js"), "run npm run build");
  const { opened, chip } = await outcomeOf({}, ["dist/node.js"]);
  assert.equal({ opened, chip }, { opened: D128, chip: "a311d" });
});

if (needMockKernel(SUITE)) test.run();
