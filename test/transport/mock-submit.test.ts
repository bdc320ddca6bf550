// What the mock kernel refuses in a submit, with the errno of the kernel, and what it does with relocations, fences, counters.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { INIT_STREAM } from "../../core-as/runtime/init-stream.ts";
import { needMockKernel, startMockKernel, type MockKernel, type MockKernelOptions } from "../helpers/mock-kernel.ts"; // prettier-ignore
import { KernelClient, type Field } from "../helpers/kernel-client.ts";
import {
  loadTranspose,
  RawDevice,
  SOFTPIN,
  TRANSPOSE,
  well,
  type SubmitFields,
  type Transpose,
} from "../helpers/raw-device.ts";
import { sameBytes } from "../helpers/sim-rig.ts";

const NAME = "mock kernel: submit";
const test = suite(NAME);
const { stream, addresses } = TRANSPOSE;
const INIT = Uint32Array.from(INIT_STREAM);
const LIMIT = 128 * 1024;

interface Rig {
  client: KernelClient;
  kernel: MockKernel;
  device: RawDevice;
  job: Transpose;
  /** Keeps the next submit's job running for ever; the client is killed at the end. */
  stay(): void;
}

async function under(options: MockKernelOptions, body: (rig: Rig) => Promise<void>): Promise<void> {
  const kernel = await startMockKernel(options);
  const client = KernelClient.start(kernel.env);
  try {
    const device = await RawDevice.open(client);
    const stay = (): void =>
      kernel.control.inject({ on: "submit", fault: "late", milliseconds: 600_000 });
    await body({ client, kernel, device, job: await loadTranspose(device), stay });
  } finally {
    await client.kill();
    kernel.stop();
  }
}

const request = (flags: number, domain: number, signal: number, offset: number, index = 2): Field[] => [
  [32, flags], [8, domain], [8, 0], [16, signal], [32, 77], [32, offset], [32, index],
]; // prettier-ignore
const reloc = (at: number, index: number, offset: number, flags = 0): Field[] => [
  [32, at], [32, index], [64, offset], [32, flags], [32, 0],
]; // prettier-ignore

/** [what is wrong, the submit, errno] */
function refusals({ bos }: Transpose): [string, SubmitFields, string][] {
  const [first, ...rest] = bos;
  const changed = (change: object): SubmitFields => ({ bos: [{ ...first!, ...change }, ...rest] });
  return [
    ["core behind the last", { pipe: 1 }, "ENXIO"],
    ["core that cannot be", { pipe: 4 }, "EINVAL"],
    ["exec_state", { execState: 3 }, "EINVAL"],
    ["flags", { flags: SOFTPIN | 16 }, "EINVAL"],
    ["stream of odd words", { stream: stream.subarray(0, 5) }, "EINVAL"],
    ["stream of odd bytes", { override: { streamBytes: 13 } }, "EINVAL"],
    ["stream beyond 128 KiB", { override: { streamBytes: LIMIT + 8 } }, "EINVAL"],
    ["too many buffers", { override: { bos: LIMIT + 1 } }, "EINVAL"],
    ["too many relocations", { override: { relocs: LIMIT + 1 } }, "EINVAL"],
    ["too many counters", { override: { requests: 129 } }, "EINVAL"],
    ["stream cannot be read", { pointers: { stream: 8 } }, "EFAULT"],
    ["buffers cannot be read", { bos, pointers: { bos: 8 } }, "EFAULT"],
    ["relocations cannot be read", { override: { relocs: 1 }, pointers: { relocs: 8 } }, "EFAULT"],
    ["counters cannot be read", { override: { requests: 1 }, pointers: { requests: 8 } }, "EFAULT"],
    ["flags of a buffer", changed({ flags: 4 }), "EINVAL"],
    ["handle", changed({ handle: 9 }), "EINVAL"],
    ["handle 0", changed({ handle: 0 }), "EINVAL"],
    ["buffer twice", { bos: [...bos, { ...first!, address: 0xff000000 }] }, "EALREADY"],
    ["address 0", changed({ address: 0 }), "EINVAL"],
    ["address below the softpin start", changed({ address: 0xbff000 }), "EINVAL"],
    ["address within a page", changed({ address: addresses.descriptor + 256 }), "EINVAL"],
    ["address at 2^32", changed({ address: 2 ** 32 }), "ENOSPC"],
    ["address far above", changed({ address: 1n << 63n }), "ENOSPC"],
    ["overlap in the submit", changed({ address: addresses.input }), "ENOSPC"],
    ["relocation with softpin", { bos, relocs: [reloc(0, 0, 0)] }, "EINVAL"],
    ["relocation's flags", { bos, flags: 0, relocs: [reloc(0, 0, 0, 1)] }, "EINVAL"],
    ["relocation within a word", { bos, flags: 0, relocs: [reloc(2, 0, 0)] }, "EINVAL"],
    ["relocation behind", { bos, flags: 0, relocs: [reloc(stream.length * 4, 0, 0)] }, "EINVAL"],
    ["relocations unsorted", { bos, flags: 0, relocs: [reloc(8, 0, 0), reloc(4, 0, 0)] }, "EINVAL"],
    ["relocation to no buffer", { bos, flags: 0, relocs: [reloc(0, 3, 0)] }, "EINVAL"],
    ["relocation's offset", { bos, flags: 0, relocs: [reloc(0, 0, 4093)] }, "EINVAL"],
    ["counter's buffer", { bos, requests: [request(1, 0, 0, 1, 3)] }, "EINVAL"],
    ["counter's flags", { bos, requests: [request(4, 0, 0, 1)] }, "EINVAL"],
    ["counter at word 0", { bos, requests: [request(1, 0, 0, 0)] }, "EINVAL"],
    ["counter behind its buffer", { bos, requests: [request(1, 0, 0, 1024)] }, "EINVAL"],
    ["counter's domain", { bos, requests: [request(1, 8, 0, 1)] }, "EINVAL"],
    ["counter's signal", { bos, requests: [request(1, 0, 7, 1)] }, "EINVAL"],
    ["fence descriptor", { bos, flags: SOFTPIN | 2, fenceFd: 999 }, "EINVAL"],
  ];
}

if (needMockKernel(NAME)) {
  test("each check refuses with its errno, and nothing of the submit stays", () =>
    under({}, async ({ client, kernel, device, job }) => {
      for (const [what, fields, error] of refusals(job)) {
        assert.is((await device.submit({ stream, ...fields })).error, error, what);
        const { submits, live } = kernel.control.stats();
        assert.equal([submits, live.jobs], [0, 0], what);
      }
      // The limits themselves are allowed.
      well(await device.submit({ stream: new Uint32Array(LIMIT / 4) }));
      well(await device.submit({ bos: job.bos, stream }));
      well(await device.prep(job.output.handle, 1));
      sameBytes(await client.read(job.output.pointer, 24), TRANSPOSE.expected);
      for (const buffer of [job.input, job.output, job.descriptor]) await device.destroy(buffer);
      assert.equal(kernel.control.stats().live.bytes, 0);
    }));

  test("softpin needs an MMU that can", () =>
    under({ nodes: [{ softpin: null }] }, async ({ device }) => {
      assert.is((await device.submit({ stream: INIT })).error, "EINVAL");
      well(await device.submit({ stream: INIT, flags: 0 }));
    }));

  test("idle buffers move and make room, busy ones do not", () =>
    under({}, async ({ device, job: { bos, input, output }, stay }) => {
      const spare = await device.create(4096);
      const [tp, reads, writes] = bos;
      const at = (handle: number, address: number): SubmitFields => ({
        bos: [{ flags: 1, handle, address }],
        stream: INIT,
      });
      const done = async (fields: SubmitFields, what: string): Promise<void> => {
        const { fence } = well(await device.submit(fields), what);
        well(await device.waitFence(fence, 20_000));
      };
      await done(at(spare.handle, 0xff000000), "a place");
      await done(at(input.handle, 0xff000000), "an idle buffer makes room");
      await done(at(spare.handle, 0xfe000000), "an idle buffer moves");
      const swapped = [
        { ...tp!, address: 0xfe000000 },
        { ...reads!, address: 0xff000000 },
        writes!,
      ];
      await done({ bos: swapped, stream: INIT }, "several at once");
      stay();
      well(await device.submit({ bos, stream }));
      assert.is((await device.submit(at(spare.handle, addresses.output))).error, "ENOSPC");
      assert.is((await device.submit(at(output.handle, 0xff000000))).error, "EINVAL");
      // Closing a buffer does not free the address that a running job uses.
      well(await device.closeHandle(output.handle));
      assert.is((await device.submit(at(spare.handle, addresses.output))).error, "ENOSPC");
      well(await device.submit(at(spare.handle, 0xff000000)));
    }));

  test("relocations: the kernel chooses addresses and writes them into its copy", () =>
    under({}, async ({ client, device, job }) => {
      const [tp, input, output] = job.bos;
      // The descriptor has fixed addresses of its own, so tensors are pinned by a first submit.
      well(await device.submit({ bos: [input!, output!], stream: INIT }));
      const word = stream.indexOf(addresses.descriptor);
      const open = stream.slice();
      open[word] = 0;
      const relocs = [reloc(word * 4, 2, 0)];
      well(await device.submit({ bos: [input!, output!, tp!], stream: open, relocs, flags: 0 }));
      well(await device.prep(job.output.handle, 1));
      sameBytes(await client.read(job.output.pointer, 24), TRANSPOSE.expected);
    }));

  test("waits: busy, too late, done; readers wait for writers only", () =>
    under({}, async ({ device, job, stay }) => {
      stay();
      const { fence } = well(await device.submit({ bos: job.bos, stream }));
      assert.is((await device.waitFence(fence, null)).error, "EBUSY");
      assert.is((await device.waitFence(fence, 1)).error, "ETIMEDOUT");
      assert.is((await device.waitFence(fence, -1000)).error, "ETIMEDOUT");
      assert.is((await device.prep(job.output.handle, 1 | 4)).error, "EBUSY");
      assert.is((await device.prep(job.output.handle, 1, 1)).error, "ETIMEDOUT");
      assert.is((await device.prep(job.input.handle, 2 | 4)).error, "EBUSY");
      well(await device.prep(job.input.handle, 1));
      const wait: Field[] = [[32, 0], [32, job.input.handle], [32, 1], [32, 0], [64, 0], [64, 0]]; // prettier-ignore
      assert.is((await device.ioctl("gemWait", ...wait)).error, "EBUSY");
      for (const [pipe, error] of [
        [1, "ENXIO"],
        [4, "EINVAL"],
      ] as const)
        // prettier-ignore
        assert.is((await device.waitFence(fence, null, pipe)).error, error);
      assert.is((await device.ioctl("waitFence", [32, 0], [32, fence], [32, 2], [32, 0], [64, 0], [64, 0])).error, "EINVAL"); // prettier-ignore
    }));

  test("fence numbers are each core's own and wrap", () =>
    under({ nodes: [{ cores: ["a311d", "a311d"] }], fenceStart: 0xfffffffe }, async ({ device, kernel }) => {
      const fences = [];
      for (const pipe of [0, 0, 0, 1]) fences.push(well(await device.submit({ pipe, stream: INIT })).fence); // prettier-ignore
      assert.equal(fences, [0xffffffff, 0, 1, 0xffffffff]);
      for (const fence of [1, 0, 0xffffffff]) well(await device.waitFence(fence, 20_000));
      well(await device.waitFence(0xfffffff0, null));
      assert.equal(kernel.control.log("warning"), []);
      // As in the kernel: a fence it does not know counts as done. The log tells.
      well(await device.waitFence(2, null));
      assert.is(kernel.control.log("warning").length, 1);
    })); // prettier-ignore

  test("cores wait for each other's writes, unless the client says not to", () =>
    under({ nodes: [{ cores: ["a311d", "a311d"] }] }, async ({ client, kernel, device, job }) => {
      kernel.control.inject({ on: "submit", fault: "late", milliseconds: 300 });
      const first = well(await device.submit({ bos: job.bos, stream })).fence;
      const [, , output] = job.bos;
      const reads = [{ ...output!, flags: 1 }];
      const second = well(await device.submit({ pipe: 1, bos: reads, stream: INIT })).fence;
      well(await device.waitFence(second, 20_000, 1));
      well(await device.waitFence(first, null), "the writer was first");
      sameBytes(await client.read(job.output.pointer, 24), TRANSPOSE.expected);
      kernel.control.inject({ on: "submit", fault: "late", milliseconds: 600_000 });
      const third = well(await device.submit({ bos: job.bos, stream })).fence;
      const fourth = well(await device.submit({ pipe: 1, bos: reads, stream: INIT, flags: SOFTPIN | 1 })).fence; // prettier-ignore
      well(await device.waitFence(fourth, 20_000, 1));
      assert.is((await device.waitFence(third, null)).error, "EBUSY");
    }));

  test("fences as descriptors, out and in", () =>
    under({ nodes: [{ cores: ["a311d", "a311d"] }] }, async ({ client, kernel, device }) => {
      kernel.control.inject({ on: "submit", fault: "late", milliseconds: 300 });
      const first = well(await device.submit({ stream: INIT, flags: SOFTPIN | 4 }));
      assert.ok(first.fenceFd > 2);
      const waits = { pipe: 1, stream: INIT, flags: SOFTPIN | 2, fenceFd: first.fenceFd };
      const second = well(await device.submit(waits));
      well(await client.call("close", first.fenceFd));
      well(await device.waitFence(second.fence, 20_000, 1));
      well(await device.waitFence(first.fence, null));
    }));

  test("counters: domains and signals one after the other, values before and after", () =>
    under({ nodes: [{ perfmon: ["HI", "MC"] }] }, async ({ client, device, job }) => {
      const name = (bytes: Buffer, at: number): string => bytes.toString("latin1", at, at + 64).replace(/\0.*/s, ""); // prettier-ignore
      const blank = Array.from({ length: 8 }, (): Field => [64, 0]);
      const domains: string[] = [];
      for (let iter = 0; iter !== 0xff;) {
        const { bytes } = well(await device.ioctl("queryDomain", [32, 0], [8, iter], [8, 0], [16, 0], ...blank)); // prettier-ignore
        domains.push(`${bytes[5]} ${name(bytes, 8)} ${bytes.readUInt16LE(6)}`);
        iter = bytes[4]!;
      }
      assert.equal(domains, ["0 HI 7", "1 MC 3"]);
      const signals: string[] = [];
      for (let iter = 0; iter !== 0xffff;) {
        const { bytes } = well(await device.ioctl("querySignal", [32, 0], [8, 1], [8, 0], [16, iter], [16, 0], ...blank, [16, 0])); // prettier-ignore
        signals.push(name(bytes, 10));
        iter = bytes.readUInt16LE(6);
      }
      assert.is(signals[2], "TOTAL_WRITE_REQ_8B_FROM_PIPELINE");
      assert.is((await device.ioctl("queryDomain", [32, 0], [8, 2], [8, 0], [16, 0], ...blank)).error, "EINVAL"); // prettier-ignore
      const readings = await device.create(4096);
      const bos = [...job.bos, { flags: 2, handle: readings.handle, address: 0xfff00000 }];
      const requests = [request(1, 1, 2, 1, 3), request(2, 1, 2, 2, 3)];
      well(await device.submit({ bos, stream, requests }));
      well(await device.prep(readings.handle, 1));
      const values = await client.read(readings.pointer, 12);
      // The sequence number, then the units of 8 bytes that listed buffers may have been written.
      assert.equal(
        [0, 4, 8].map((at) => values.readUInt32LE(at)),
        [77, 0, 1024],
      );
    }));

  test.run();
}
