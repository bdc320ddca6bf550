// Faults that the mock kernel injects, and what jobs do that hang, fault, or meet no executor.
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { chipByName } from "../../core-as/hw/chips.ts";
import { INIT_STREAM } from "../../core-as/runtime/init-stream.ts";
import { buildMockKernel, needMockKernel, startMockKernel, type MockControl, type MockKernelOptions } from "../helpers/mock-kernel.ts"; // prettier-ignore
import { KernelClient } from "../helpers/kernel-client.ts";
import { loadTranspose, RawDevice, TRANSPOSE, well } from "../helpers/raw-device.ts";
import { sameBytes } from "../helpers/sim-rig.ts";

const NAME = "mock kernel: faults";
const test = suite(NAME);
const { stream } = TRANSPOSE;
const INIT = Uint32Array.from(INIT_STREAM);

async function under(
  options: MockKernelOptions,
  body: (client: KernelClient, control: MockControl) => Promise<void>,
): Promise<void> {
  const kernel = await startMockKernel(options);
  const client = KernelClient.start(kernel.env);
  try {
    await body(client, kernel.control);
  } finally {
    await client.kill();
    kernel.stop();
  }
}

/** Errors of `calls` calls in a row. */
async function errors(calls: number, call: () => Promise<{ error: string }>): Promise<string[]> {
  const found: string[] = [];
  for (let i = 0; i < calls; i++) found.push((await call()).error);
  return found;
}

if (needMockKernel(NAME)) {
  test("the n-th call fails, so many times in a row, from the start or at run time", () =>
    under({ faults: [{ on: "gemNew", fault: "ENOMEM", skip: 2 }] }, async (client, control) => {
      const device = await RawDevice.open(client);
      assert.equal(await errors(4, () => device.gemNew(4096)), ["", "", "ENOMEM", ""]);
      control.inject({ on: "gemNew", fault: "EINTR", times: 2 });
      control.inject({ on: "gemNew", fault: "EAGAIN", skip: 1 });
      assert.equal(await errors(5, () => device.gemNew(4096)), ["EINTR", "EINTR", "", "EAGAIN", ""]); // prettier-ignore
      assert.is(control.stats().live.buffers, 5);
      assert.is(control.stats().injected, 4);
      control.inject({ on: "submit", fault: "EINTR", times: "always" });
      const submit = () => device.submit({ stream: INIT });
      assert.equal(await errors(2, submit), ["EINTR", "EINTR"]);
      control.clear();
      assert.equal(await errors(1, submit), [""]);
    }));

  test("every operation can fail", () =>
    under({}, async (client, control) => {
      const device = await RawDevice.open(client);
      const { handle, pointer } = await device.create(4096);
      const offset = await device.mmapOffset(handle);
      const calls = {
        getParam: () => device.ioctl("getParam", [32, 0], [32, 1], [64, 0]),
        gemInfo: () => device.ioctl("gemInfo", [32, handle], [32, 0], [64, 0]),
        cpuPrep: () => device.prep(handle, 3),
        cpuFini: () => device.ioctl("cpuFini", [32, handle], [32, 0]),
        waitFence: () => device.waitFence(0, null),
        gemWait: () => device.ioctl("gemWait", [32, 0], [32, handle], [32, 1], [32, 0], [64, 0], [64, 0]), // prettier-ignore
        queryDomain: () => device.ioctl("queryDomain", [32, 0], [32, 0], ...Array.from({ length: 8 }, () => [64, 0] as const)), // prettier-ignore
        version: () => device.ioctl("version", ...Array.from({ length: 8 }, () => [64, 0] as const)), // prettier-ignore
        mmap: () => client.call("mmap", device.fd, offset, 4096),
        open: () => client.call("open", "/dev/dri/renderD128"),
        gemClose: () => device.closeHandle(handle),
      } as const;
      for (const [on, call] of Object.entries(calls)) {
        control.inject({ on: on as keyof typeof calls, fault: "EIO" });
        assert.equal(await errors(2, call), ["EIO", ""], on);
      }
      well(await client.call("munmap", pointer, 4096));
    }));

  test("a hung job writes nothing; its fence comes with the watchdog", () =>
    under({}, async (client, control) => {
      const device = await RawDevice.open(client);
      const { bos, output } = await loadTranspose(device);
      control.inject({ on: "submit", fault: "hang" });
      well(await device.submit({ bos, stream }));
      well(await device.prep(output.handle, 1));
      sameBytes(await client.read(output.pointer, 24), new Uint8Array(24));
      assert.is(control.stats().jobsHung, 1);
      assert.match(control.log("hang")[0]!.text, /job 1 of core 0/);
      well(await device.submit({ bos, stream }));
      well(await device.prep(output.handle, 1));
      sameBytes(await client.read(output.pointer, 24), TRANSPOSE.expected);
    }));

  test("a late job is done in the end", () =>
    under({}, async (client, control) => {
      const device = await RawDevice.open(client);
      const { bos, output } = await loadTranspose(device);
      control.inject({ on: "submit", fault: "late", milliseconds: 250 });
      const before = performance.now();
      const { fence } = well(await device.submit({ bos, stream }));
      well(await device.waitFence(fence, 20_000));
      // Never sooner; how much later is the machine's business.
      assert.ok(performance.now() - before >= 250);
      sameBytes(await client.read(output.pointer, 24), TRANSPOSE.expected);
    }));

  test("a lost device refuses everything from then on, waits too; closing works", () =>
    under({}, async (client, control) => {
      const device = await RawDevice.open(client);
      const { bos, input } = await loadTranspose(device);
      control.inject({ on: "submit", fault: "late", milliseconds: 600_000 });
      control.inject({ on: "submit", fault: "lost" });
      const { fence } = well(await device.submit({ bos, stream }));
      assert.is((await device.submit({ bos, stream })).error, "ENODEV");
      const calls = [
        () => device.submit({ stream: INIT }),
        () => device.gemNew(4096),
        () => device.waitFence(fence, 20_000),
        () => device.prep(input.handle, 1),
        () => device.closeHandle(input.handle),
        () => client.call("mmap", device.fd, 2 ** 32, 4096),
        () => client.call("open", "/dev/dri/renderD128"),
      ];
      for (const call of calls) assert.is((await call()).error, "ENODEV", call.toString());
      well(await client.call("munmap", input.pointer, 4096));
      well(await client.call("close", device.fd));
      control.clear();
      await RawDevice.open(client);
    }));

  test("losing the device wakes those who wait", () =>
    under({}, async (client, control) => {
      const device = await RawDevice.open(client);
      control.inject({ on: "submit", fault: "late", milliseconds: 600_000 });
      const { fence } = well(await device.submit({ stream: INIT }));
      const waiting = device.waitFence(fence, 600_000);
      control.setLost(true);
      assert.is((await waiting).error, "ENODEV");
    }));

  test("a bad stream is a fault of the simulator, logged, and a hang to the client", () =>
    under({}, async (client, control) => {
      const device = await RawDevice.open(client);
      const { bos, output } = await loadTranspose(device);
      // The output is not in the list of the submit.
      well(await device.submit({ bos: bos.slice(0, 2), stream }));
      well(await device.prep(output.handle, 3));
      // The output may not be written.
      const reads = bos.map((entry) => ({ ...entry, flags: 1 }));
      const { fence } = well(await device.submit({ bos: reads, stream }));
      well(await device.waitFence(fence, 20_000));
      sameBytes(await client.read(output.pointer, 24), new Uint8Array(24));
      assert.is(control.stats().simFaults, 2);
      for (const { text } of control.log("fault")) assert.match(text, /^TW_SIM_BAD_ADDRESS: .*"addrGpu"/);
      well(await device.submit({ bos, stream }));
      well(await device.prep(output.handle, 1));
      sameBytes(await client.read(output.pointer, 24), TRANSPOSE.expected);
    })); // prettier-ignore

  test("a GPU runs state writes, but no job", () =>
    under({ nodes: [{ cores: ["gpu", "imx8mp"] }] }, async (client, control) => {
      const device = await RawDevice.open(client);
      const { bos } = await loadTranspose(device);
      well(await device.submit({ stream: INIT }));
      const { fence } = well(await device.submit({ bos, stream }));
      well(await device.waitFence(fence, 20_000));
      assert.equal(control.log("fault").map(({ text }) => text), ["the core is not an NPU"]);
    })); // prettier-ignore

  test("buffers that come and go at the same addresses are seen as they are", () =>
    under({}, async (client, control) => {
      const device = await RawDevice.open(client);
      for (const bytes of [24, 8192, 24]) {
        const { bos, output, ...others } = await loadTranspose(device);
        const other = await device.create(bytes);
        const list = [...bos.slice(0, 2), { ...bos[2]!, handle: other.handle }];
        well(await device.submit({ bos: list, stream }));
        well(await device.prep(other.handle, 1));
        sameBytes(await client.read(other.pointer, 24), TRANSPOSE.expected);
        for (const buffer of [other, output, others.input, others.descriptor])
          await device.destroy(buffer);
      }
      assert.equal([control.stats().live.bytes, control.stats().simFaults], [0, 0]);
    }));

  test("without control file and executor the environment alone will do", async () => {
    const { model, revision, productId, ecoId, customerId } = chipByName("a311d")!;
    const ids = [model, revision, productId, ecoId, customerId].map((id) => id.toString(16)).join(":"); // prettier-ignore
    const client = KernelClient.start({
      LD_PRELOAD: buildMockKernel(),
      TW_MOCK_NODES: `128 core=${ids}`,
      TW_MOCK_FAULTS: "gemNew:ENOMEM:1;gemNew:EINTR:0:2",
      TW_MOCK_WATCHDOG_MS: "10",
    });
    try {
      const device = await RawDevice.open(client);
      const found = await errors(4, () => device.gemNew(4096));
      assert.equal(found, ["EINTR", "ENOMEM", "EINTR", ""]);
      const { fence } = well(await device.submit({ stream: INIT }));
      well(await device.waitFence(fence, 20_000));
      const { code, stderr } = await client.end();
      assert.is(code, 0, stderr);
    } finally {
      await client.kill();
    }
  });

  test("a configuration that makes no sense ends the process with its reason", async () => {
    for (const [name, value] of [
      ["TW_MOCK_NODES", "128 colour=red"],
      ["TW_MOCK_NODES", "128 core=1:2:3"],
      ["TW_MOCK_FAULTS", "gemNew:often"],
      ["TW_MOCK_WATCHDOG_MS", "soon"],
      ["TW_MOCK_CONTROL", "/dev/null"],
    ] as const) {
      const client = KernelClient.start({ LD_PRELOAD: buildMockKernel(), [name]: value });
      const { code, stderr } = await client.end();
      assert.is(code, 70, stderr);
      assert.match(stderr, /^mock kernel: /);
    }
  });

  test("the layout of the control file is the same on both sides", () => {
    const header = readFileSync("test/mock-kernel/mock.h", "utf8");
    const control = readFileSync("test/mock-kernel/control.ts", "utf8");
    const count = (text: string, pattern: RegExp): number => [...text.matchAll(pattern)].length;
    // COUNT_OPENS to COUNT_IOCTLS, and their names in control.ts.
    const [inC] = /enum counter \{([^}]*?)COUNT_DRIVER/s.exec(header)!.slice(1);
    const [inTs] = /const COUNTERS = \{(.*?)\}/s.exec(control)!.slice(1);
    assert.is(count(inC!.replace(/\/\/.*/g, ""), /COUNT_\w+/g), count(inTs!, /\w+:/g));
  });

  test.run();
}
