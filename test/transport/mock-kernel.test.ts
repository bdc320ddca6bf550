// The mock kernel as its clients see it: nodes, parameters, buffers, jobs, files. Its client is test/mock-kernel/client.c.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compile } from "../../core-as/compile/compile.ts";
import { assignAddresses } from "../../core-as/executable/addresses.ts";
import { relocate } from "../../core-as/executable/relocate.ts";
import { submitOrder } from "../../core-as/executable/submit-order.ts";
import { Simulator } from "../../core-as/runtime/simulator.ts";
import { INIT_STREAM } from "../../core-as/runtime/init-stream.ts";
import { needMockKernel, startMockKernel, type MockKernel, type MockKernelOptions } from "../helpers/mock-kernel.ts"; // prettier-ignore
import { KernelClient, REQUEST, type Answer } from "../helpers/kernel-client.ts";
import {
  loadTranspose,
  RawDevice,
  SOFTPIN,
  TRANSPOSE,
  well,
  type RawBuffer,
} from "../helpers/raw-device.ts";
import { sameBytes } from "../helpers/sim-rig.ts";
import { inputBytes, synthModel } from "../helpers/synth-model.mjs";

const NAME = "mock kernel";
const test = suite(NAME);
const NOTHING = { files: 0, buffers: 0, bytes: 0, mappings: 0, mappedBytes: 0, jobs: 0 };

/** Runs `body` with a client under a mock kernel; afterwards nothing may be left of it. */
async function under(
  options: MockKernelOptions,
  body: (client: KernelClient, kernel: MockKernel) => Promise<void>,
): Promise<void> {
  const kernel = await startMockKernel(options);
  const client = KernelClient.start(kernel.env);
  try {
    await body(client, kernel);
    const { code, stderr } = await client.end();
    assert.is(code, 0, stderr);
    assert.equal(kernel.control.stats().live, { ...NOTHING, processes: 0 });
  } finally {
    await client.kill();
    kernel.stop();
  }
}

const words = (stream: readonly number[]): Uint32Array => Uint32Array.from(stream);

if (needMockKernel(NAME)) {
  test("nodes are listed, looked at and opened; other paths are the host's", () =>
    under(
      { nodes: [{}, { number: 129, denied: true }, { number: 131, driver: "other" }] },
      async (client) => {
        const listed = await client.call("list", "/dev/dri");
        assert.equal(listed.rest, [".:4", "..:4", "renderD128:2", "renderD129:2", "renderD131:2"]);
        const state = await client.call("stat", "/dev/dri/renderD131");
        assert.equal(state.rest, ["20666", "226:131"]);
        assert.is((await client.call("stat", "/dev/dri/renderD130")).error, "ENOENT");
        assert.is((await client.call("open", "/dev/dri/renderD130")).error, "ENOENT");
        assert.is((await client.call("open", "/dev/dri/renderD129")).error, "EACCES");
        assert.is((await client.call("access", "/dev/dri/renderD129")).error, "EACCES");
        well(await client.call("access", "/dev/dri/renderD128"));
        assert.ok((await client.call("list", "/dev")).rest.includes("null:2"));
        const device = await RawDevice.open(client);
        assert.equal((await client.call("fstat", device.fd)).rest, ["20666", "226:128"]);
        assert.is((await device.client.ioctl(device.fd, 0x5401, [64, 0])).error, "ENOTTY");
        assert.is((await device.client.ioctl(device.fd, 0xc00864bf, [64, 0])).error, "EINVAL");
        const other = await RawDevice.open(client, 131);
        assert.is(await other.param(0, 1), "EINVAL");
      },
    ));

  test("there may be no /dev/dri, or an empty one", async () => {
    await under({ nodes: "none" }, async (client) => {
      assert.is((await client.call("list", "/dev/dri")).error, "ENOENT");
      assert.is((await client.call("open", "/dev/dri/renderD128")).error, "ENOENT");
    });
    await under({ nodes: [] }, async (client) =>
      assert.equal((await client.call("list", "/dev/dri")).rest, [".:4", "..:4"]),
    );
  });

  test("VERSION gives lengths, then as much text as there is room for", () =>
    under({ nodes: [{ version: "1.3.7" }] }, async (client) => {
      const device = await RawDevice.open(client);
      const ask = async (room: number, at: number[]): Promise<Buffer> =>
        well(
          await device.ioctl(
            "version",
            ...([[32, 0], [32, 0], [32, 0], [32, 0]] as const), // prettier-ignore
            ...at.flatMap(
              (pointer) =>
                [
                  [64, room],
                  [64, pointer],
                ] as [64, number][],
            ),
          ),
        ).bytes;
      const lengths = await ask(0, [0, 0, 0]);
      assert.equal(
        [0, 4, 8].map((at) => lengths.readInt32LE(at)),
        [1, 3, 7],
      );
      assert.equal(
        [16, 32, 48].map((at) => Number(lengths.readBigUInt64LE(at))),
        [7, 8, 34],
      );
      const pointers = [];
      for (let i = 0; i < 3; i++) pointers.push(await client.place(new Uint8Array(64).fill(46)));
      await ask(10, pointers);
      const texts = await Promise.all(pointers.map((at) => client.read(at, 12)));
      assert.equal(texts.map(String), ["etnaviv.....", "20151214....", "Tilewright.."]);
      assert.is((await client.call("bad", device.fd, REQUEST.version)).error, "EFAULT");
    }));

  test("parameters: ids by core, ENXIO behind the last, EINVAL for unknown ones", () =>
    under({ nodes: [{ cores: ["gpu", "imx8mp"] }] }, async (client) => {
      const device = await RawDevice.open(client);
      const ids = [1, 2, 0x1c, 0x1d, 0x1e].map((param) => device.param(1, param));
      assert.equal(await Promise.all(ids), [0x8000n, 0x8002n, 0x5080009n, 0x9fn, 0x6000000n]);
      assert.is(await device.param(0, 1), 0x7000n);
      assert.is(await device.param(0, 0x1b), 0xc00000n);
      for (let param = 3; param < 0x1b; param++)
        assert.is(typeof (await device.param(0, param)), "bigint", `parameter ${param}`);
      assert.is(await device.param(2, 1), "ENXIO");
      assert.is(await device.param(4, 1), "EINVAL");
      assert.is(await device.param(0, 0), "EINVAL");
      assert.is(await device.param(0, 0x1f), "EINVAL");
    }));

  test("older kernels lack ids, softpin and counters", async () => {
    await under({ nodes: [{ version: "1.3.0", softpin: null }] }, async (client) => {
      const device = await RawDevice.open(client);
      assert.is(await device.param(0, 0x1b), 0xffffffffffffffffn);
      assert.is(await device.param(0, 0x1c), "EINVAL");
    });
    await under({ nodes: [{ version: "1.1.0" }] }, async (client) => {
      const device = await RawDevice.open(client);
      assert.is(await device.param(0, 0x1b), "EINVAL");
      assert.is((await device.ioctl("queryDomain", [32, 0], [32, 0])).error, "EINVAL");
    });
  });

  test("buffers: flags, sizes, memory limit, handles", () =>
    under({ memoryBytes: 65536 }, async (client) => {
      const device = await RawDevice.open(client);
      for (const flags of [0, 0x30000, 0x80000, 0x20001])
        assert.is((await device.gemNew(4096, flags)).error, "EINVAL", `flags ${flags}`);
      for (const flags of [0x10000, 0x20000, 0x40000, 0x120000])
        well(await device.gemNew(1, flags));
      assert.is((await device.gemNew(0)).error, "EINVAL");
      assert.is((await device.gemNew(2 ** 50)).error, "ENOMEM");
      assert.is((await device.gemNew(49153)).error, "ENOMEM");
      // The lowest free number comes next.
      well(await device.closeHandle(2));
      assert.is((await device.gemNew(49152)).bytes.readUInt32LE(12), 2);
      assert.is((await device.closeHandle(5)).error, "EINVAL");
      assert.is((await device.ioctl("gemInfo", [32, 5], [32, 0], [64, 0])).error, "ENOENT");
      assert.is((await device.ioctl("gemInfo", [32, 1], [32, 1], [64, 0])).error, "EINVAL");
      assert.is((await device.ioctl("cpuFini", [32, 1], [32, 1])).error, "EINVAL");
      assert.is((await device.ioctl("cpuFini", [32, 5], [32, 0])).error, "ENOENT");
      assert.is((await device.prep(5, 1)).error, "ENOENT");
      assert.is((await device.prep(1, 8)).error, "EINVAL");
      const userptr = (pointer: number, flags: number): Promise<Answer> =>
        device.ioctl("gemUserptr", [64, pointer], [64, 4096], [32, flags], [32, 0]);
      assert.is((await userptr(0x10001, 3)).error, "EINVAL");
      assert.is((await userptr(0x10000, 0)).error, "EINVAL");
      assert.is((await userptr(0x10000, 3)).error, "ENOSYS");
    }));

  test("mappings: exact offsets, parts, memory that outlives its handle, zeros in new buffers", () =>
    under({}, async (client, { control }) => {
      const device = await RawDevice.open(client);
      const buffer = await device.create(12288, Uint8Array.of(7));
      const offset = await device.mmapOffset(buffer.handle);
      for (const [at, length] of [
        [offset + 4096, 4096],
        [0, 4096],
        [offset, 16384],
        [offset, 0],
      ] as const)
        // prettier-ignore
        assert.is((await client.call("mmap", device.fd, at, length)).error, "EINVAL");
      assert.is((await client.call("mmapprivate", device.fd, offset, 4096)).error, "EINVAL");
      well(await client.call("munmap", buffer.pointer + 4096, 4096));
      assert.equal([control.stats().live.mappings, control.stats().live.mappedBytes], [2, 8192]);
      well(await device.closeHandle(buffer.handle));
      assert.is(control.stats().live.buffers, 1);
      assert.is((await client.read(buffer.pointer, 1))[0], 7);
      assert.is((await client.call("mmap", device.fd, offset, 4096)).error, "EINVAL");
      // The descriptor alone does not close the file: its memory is still mapped.
      well(await client.call("close", device.fd));
      assert.is(control.stats().live.files, 1);
      well(await client.call("munmap", buffer.pointer, 12288));
      assert.equal(control.stats().live, { ...NOTHING, processes: 1 });
      const next = await RawDevice.open(client);
      const fresh = await next.create(4096);
      sameBytes(await client.read(fresh.pointer, 16), new Uint8Array(16));
    }));

  test("a job gives what the simulator gives, again and again", () =>
    under({}, async (client, { control }) => {
      const device = await RawDevice.open(client);
      const { bos, input, output } = await loadTranspose(device);
      const init = await device.submit({ stream: words(INIT_STREAM), flags: SOFTPIN });
      assert.is(well(init).fence, 1);
      for (let round = 0; round < 3; round++) {
        const bytes = TRANSPOSE.input.map((byte) => byte + round);
        well(await device.prep(input.handle, 2));
        await client.write(input.pointer, bytes);
        well(await device.ioctl("cpuFini", [32, input.handle], [32, 0]));
        const { fence } = well(await device.submit({ bos, stream: TRANSPOSE.stream }));
        assert.is(fence, 2 + round);
        well(await (round === 1 ? device.waitFence(fence, 20_000) : device.prep(output.handle, 1)));
        sameBytes(
          await client.read(output.pointer, 24),
          TRANSPOSE.expected.map((byte) => byte + round),
        );
      }
      const { submits, jobsDone, simFaults, live } = control.stats();
      assert.equal([submits, jobsDone, simFaults, live.jobs], [4, 4, 0, 0]);
    }));

  test("a compiled model gives the simulator's bytes", () =>
    under({}, async (client) => {
      const CASE = "chain-tap-i10x10x8-o16-k3-u8";
      const partition = (await compile(synthModel(CASE))).executable.partitions[0]!;
      const addresses = assignAddresses(partition);
      const contents = relocate(partition, addresses);
      const stream = new Uint32Array(contents[partition.stream]!.slice().buffer);
      const simulator = await Simulator.create({ chip: { nnCoreVersion: 7, nnCores: 8 } });
      const device = await RawDevice.open(client);
      const buffers: RawBuffer[] = [];
      for (const [i, { bytes, access }] of partition.buffers.entries()) {
        const address = addresses[i]!;
        if (address === null) continue;
        const given = contents[i] ?? undefined;
        simulator.mapBuffer({ address, bytes, access, contents: given });
        buffers[i] = await device.create(bytes, given);
      }
      for (const [i, { buffer, offset, bytes }] of partition.inputs.entries()) {
        const given = inputBytes(CASE, i, bytes);
        simulator.write(addresses[buffer]! + offset, given);
        await client.write(buffers[buffer]!.pointer + offset, given);
      }
      const order = submitOrder(partition);
      const bos = order.map((i) => {
        const flags = partition.buffers[i]!.access;
        return { flags, handle: buffers[i]!.handle, address: addresses[i]! };
      });
      simulator.submit(stream, bos.map(({ flags, address }) => ({ access: flags, address }))); // prettier-ignore
      well(await device.submit({ bos, stream }));
      for (const { buffer, offset, bytes } of partition.outputs) {
        well(await device.prep(buffers[buffer]!.handle, 1));
        sameBytes(
          await client.read(buffers[buffer]!.pointer + offset, bytes),
          simulator.read(addresses[buffer]! + offset, bytes),
        );
      }
    }));

  test("files are apart: handles, addresses, memory", () =>
    under({}, async (client) => {
      const first = await RawDevice.open(client);
      const second = await RawDevice.open(client);
      const one = await loadTranspose(first);
      const two = await loadTranspose(second);
      assert.equal(one.bos, two.bos);
      await client.write(two.input.pointer, TRANSPOSE.input.map((byte) => byte ^ 0xff)); // prettier-ignore
      const submits = [first, second].map((device) => device.submit({ bos: one.bos, stream: TRANSPOSE.stream })); // prettier-ignore
      const [, later] = await Promise.all(submits);
      well(await first.waitFence(well(later!).fence, 20_000));
      sameBytes(await client.read(one.output.pointer, 24), TRANSPOSE.expected);
      sameBytes(await client.read(two.output.pointer, 24), TRANSPOSE.expected.map((byte) => byte ^ 0xff)); // prettier-ignore
      const offset = await first.mmapOffset(one.input.handle);
      well(await first.client.call("close", second.fd));
      assert.is((await client.call("mmap", second.fd, offset, 4096)).error, "EBADF");
    }));

  test("duplicates are the same file; it closes with the last", () =>
    under({}, async (client, { control }) => {
      const device = await RawDevice.open(client);
      well(await device.gemNew(4096));
      const copy = new RawDevice(client, well(await client.call("dup", device.fd)).value);
      well(await client.call("dup3", copy.fd, 77));
      well(await client.call("close", device.fd));
      well(await client.call("close", copy.fd));
      assert.is(await new RawDevice(client, 77).mmapOffset(1), 2 ** 32);
      assert.is(control.stats().live.files, 1);
      // Something else takes the number, and closes the file with it.
      well(await client.call("dup3", 0, 77));
      assert.equal(control.stats().live, { ...NOTHING, processes: 1 });
    }));

  test("a forked child opens nodes of its own and leaves its parent's alone", () =>
    under({}, async (client, { control }) => {
      const device = await RawDevice.open(client);
      well(await device.gemNew(4096));
      assert.is(well(await client.call("fork", device.fd)).value, 0);
      assert.equal(control.stats().live, { ...NOTHING, files: 1, buffers: 1, bytes: 4096, processes: 1 }); // prettier-ignore
      well(await device.closeHandle(1));
    }));

  test("threads may do as they like", () =>
    under({}, async (client, { control }) => {
      const device = await RawDevice.open(client);
      assert.is(well(await client.call("stress", device.fd, 6, 300)).value, 0);
      const { buffersNew, buffersFreed, maps, unmaps } = control.stats();
      assert.equal([buffersNew, buffersFreed, maps, unmaps], [1800, 1800, 1800, 1800]);
    }));

  test("what a killed process held is gone", async () => {
    const kernel = await startMockKernel();
    const client = KernelClient.start(kernel.env);
    const device = await RawDevice.open(client);
    const { bos } = await loadTranspose(device);
    kernel.control.inject({ on: "submit", fault: "late", milliseconds: 60_000 });
    well(await device.submit({ bos, stream: TRANSPOSE.stream }));
    const { files, buffers, jobs } = kernel.control.stats().live;
    assert.equal([files, buffers, jobs], [1, 3, 1]);
    await client.kill();
    assert.equal(kernel.control.stats().live, { ...NOTHING, processes: 0 });
    kernel.stop();
  });

  test.run();
}
