// An open node of the mock kernel, call by call: for tests that look at the interface itself.
// SPDX-License-Identifier: MIT
import * as assert from "uvu/assert";
import {
  deadline,
  pack,
  REQUEST,
  type Answer,
  type Field,
  type KernelClient,
} from "./kernel-client.ts";
import { bytesOf, descriptor, streamOf, tpJobWords } from "./sim-rig.ts";

const WRITE_COMBINED = 0x20000;
export const SOFTPIN = 8;

export interface RawBuffer {
  handle: number;
  bytes: number;
  /** Where the client has mapped it. */
  pointer: number;
}

export interface ListEntry {
  flags: number;
  handle: number;
  address: number | bigint;
}

export interface SubmitFields {
  pipe?: number;
  execState?: number;
  flags?: number;
  fenceFd?: number;
  bos?: readonly ListEntry[];
  relocs?: readonly (readonly Field[])[];
  stream?: Uint32Array;
  requests?: readonly (readonly Field[])[];
  /** Instead of the true numbers and pointers. */
  override?: Partial<Record<"bos" | "relocs" | "streamBytes" | "requests", number>>;
  pointers?: Partial<Record<"bos" | "relocs" | "stream" | "requests", number>>;
}

/** Fails unless the call went well. */
export function well<T extends Answer>(answer: T, what = "the call"): T {
  assert.is(answer.error, "", `${what}: ${answer.error}`);
  return answer;
}

export class RawDevice {
  constructor(
    readonly client: KernelClient,
    readonly fd: number,
  ) {}

  static async open(client: KernelClient, number = 128): Promise<RawDevice> {
    return new RawDevice(
      client,
      well(await client.call("open", `/dev/dri/renderD${number}`)).value,
    );
  }

  ioctl(
    name: keyof typeof REQUEST,
    ...fields: readonly Field[]
  ): ReturnType<KernelClient["ioctl"]> {
    return this.client.ioctl(this.fd, REQUEST[name], ...fields);
  }

  /** GET_PARAM's value, or the name of its error. */
  async param(pipe: number, param: number): Promise<bigint | string> {
    const answer = await this.ioctl("getParam", [32, pipe], [32, param], [64, 0]);
    return answer.error || answer.bytes.readBigUInt64LE(8);
  }

  gemNew(size: number, flags = WRITE_COMBINED): ReturnType<KernelClient["ioctl"]> {
    return this.ioctl("gemNew", [64, size], [32, flags], [32, 0]);
  }

  async create(bytes: number, contents?: Uint8Array): Promise<RawBuffer> {
    const handle = well(await this.gemNew(bytes), "GEM_NEW").bytes.readUInt32LE(12);
    const size = Math.ceil(bytes / 4096) * 4096;
    const offset = await this.mmapOffset(handle);
    const pointer = well(await this.client.call("mmap", this.fd, offset, size), "mmap").value;
    if (contents !== undefined) await this.client.write(pointer, contents);
    return { handle, bytes: size, pointer };
  }

  async mmapOffset(handle: number): Promise<number> {
    const info = well(await this.ioctl("gemInfo", [32, handle], [32, 0], [64, 0]), "GEM_INFO");
    return Number(info.bytes.readBigUInt64LE(8));
  }

  async destroy({ handle, pointer, bytes }: RawBuffer): Promise<void> {
    well(await this.client.call("munmap", pointer, bytes), "munmap");
    well(await this.closeHandle(handle), "GEM_CLOSE");
  }

  closeHandle(handle: number): ReturnType<KernelClient["ioctl"]> {
    return this.ioctl("gemClose", [32, handle], [32, 0]);
  }

  /** GEM_SUBMIT; `fence` and `fenceFd` are what the kernel put into its argument. */
  async submit(fields: SubmitFields): Promise<Answer & { fence: number; fenceFd: number }> {
    const { bos = [], relocs = [], requests = [], stream = new Uint32Array(0) } = fields;
    const { override = {}, pointers = {} } = fields;
    const list = bos.map(({ flags, handle, address }) => pack([32, flags], [32, handle], [64, address])); // prettier-ignore
    const place = async (parts: readonly Buffer[]): Promise<number> => this.client.place(Buffer.concat(parts)); // prettier-ignore
    const at = {
      bos: pointers.bos ?? (await place(list)),
      relocs: pointers.relocs ?? (await place(relocs.map((reloc) => pack(...reloc)))),
      stream: pointers.stream ?? (await place([Buffer.from(bytesOf(stream))])),
      requests: pointers.requests ?? (await place(requests.map((request) => pack(...request)))),
    };
    const answer = await this.ioctl(
      "submit",
      [32, 0],
      [32, fields.pipe ?? 0],
      [32, fields.execState ?? 0],
      [32, override.bos ?? bos.length],
      [32, override.relocs ?? relocs.length],
      [32, override.streamBytes ?? stream.length * 4],
      [64, at.bos],
      [64, at.relocs],
      [64, at.stream],
      [32, fields.flags ?? SOFTPIN],
      [32, fields.fenceFd ?? 0],
      [64, at.requests],
      [32, override.requests ?? requests.length],
      [32, 0],
    );
    const { bytes } = answer;
    return { ...answer, fence: bytes.readUInt32LE(0), fenceFd: bytes.readInt32LE(52) };
  }

  /** @param milliseconds null: do not wait */
  waitFence(fence: number, milliseconds: number | null, pipe = 0): Promise<Answer> {
    const flags = milliseconds === null ? 1 : 0;
    const fields: Field[] = [[32, pipe], [32, fence], [32, flags], [32, 0]]; // prettier-ignore
    return this.ioctl("waitFence", ...fields, ...deadline(milliseconds ?? 0));
  }

  /** @param op 1 read, 2 write, 4 do not wait */
  prep(handle: number, op: number, milliseconds = 20_000): Promise<Answer> {
    return this.ioctl("cpuPrep", [32, handle], [32, op], ...deadline(milliseconds));
  }
}

const TP = { input: 0xfffe0000, output: 0xfffd0000, descriptor: 0xfffc0000 };

/** A transpose of 2x3 pixels of 4 channels into planes, as one TP job on softpin addresses. */
export const TRANSPOSE = {
  addresses: TP,
  input: Uint8Array.from({ length: 24 }, (_, i) => i * 10),
  expected: Uint8Array.from({ length: 24 }, (_, i) => ((i % 6) * 4 + Math.floor(i / 6)) * 10),
  stream: streamOf(tpJobWords(TP.descriptor)),
  descriptor: bytesOf(
    descriptor("TP", {
      IN_X_SIZE: 4, IN_Y_SIZE: 3, IN_Z_SIZE: 2, IN_STRIDE: 4, IN_SLICE: 12, WINDOW_X_END: 3, WINDOW_Y_END: 2,
      TILE_X_SIZE: 1, TILE_Y_SIZE: 3, TILE_X_INC: 1, TILE_Y_INC: 3, IN_BASE_ADDR: TP.input, OUT_BASE_ADDR: TP.output,
      OUT_LOOP_0_COUNT: 3, OUT_LOOP_0_INC: 1, OUT_LOOP_1_COUNT: 4, OUT_LOOP_1_INC: 6, OUT_LOOP_2_COUNT: 2,
      OUT_LOOP_2_INC: 3,
    }),
  ),
} as const; // prettier-ignore

export interface Transpose {
  input: RawBuffer;
  output: RawBuffer;
  descriptor: RawBuffer;
  bos: ListEntry[];
}

/** Puts the transpose's buffers into an open file. */
export async function loadTranspose(device: RawDevice): Promise<Transpose> {
  const input = await device.create(24, TRANSPOSE.input);
  const output = await device.create(24);
  const descriptorBuffer = await device.create(4096, TRANSPOSE.descriptor);
  const bos = [
    { flags: 1, handle: descriptorBuffer.handle, address: TP.descriptor },
    { flags: 1, handle: input.handle, address: TP.input },
    { flags: 2, handle: output.handle, address: TP.output },
  ];
  return { input, output, descriptor: descriptorBuffer, bos };
}
