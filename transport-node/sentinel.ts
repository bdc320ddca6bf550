// A job behind the jobs of each of several submits of one run: it copies random bytes, which arrive only if the submit got that far. The
// kernel does not say when its watchdog ended a submit, and those behind it would overwrite what shows it in outputs.
// SPDX-License-Identifier: MIT
import { generatePartition } from "../core-as/compile/generate.ts";
import { padPrograms } from "../core-as/compile/tp-programs.ts";
import { Core, type CoreOptions } from "../core-as/core.ts";
import type { ExecutablePartition } from "../core-as/executable/executable.ts";
import { relocate } from "../core-as/executable/relocate.ts";
import { streamJobs, WAIT_HEADER } from "../core-as/executable/stream-jobs.ts";
import { wordBytes, wordsOf } from "../core-as/executable/bytes.ts";
import type { BufferObject } from "./buffer-object.ts";
import type { DrmContext, ListedBuffer, Submit } from "./context.ts";
import { BO } from "./uapi.ts";

const BYTES = 64;

export class Sentinel {
  private constructor(
    /** The job as a partition of its own, for the check before a submit. */
    readonly partition: ExecutablePartition,
    readonly addresses: readonly (number | null)[],
    private readonly objects: readonly (BufferObject | null)[],
    private readonly words: Uint32Array,
  ) {}

  /** Makes the job and its buffers. @throws TransportError TW_IO_MEMORY and others; then nothing stays on the device */
  static async create(context: DrmContext, options: CoreOptions): Promise<Sentinel> {
    const partition = copyPartition(await Core.create(options));
    const objects: (BufferObject | null)[] = [];
    try {
      for (const { role, bytes } of partition.buffers)
        objects.push(role === "stream" ? null : context.createBuffer(bytes));
      const addresses = objects.map((object) => object?.address ?? null);
      const contents = relocate(partition, addresses);
      for (const [i, object] of objects.entries())
        if (object && contents[i]) await object.write([{ offset: 0, bytes: contents[i] }]);
      return new Sentinel(partition, addresses, objects, jobWords(contents[partition.stream]!));
    } catch (cause) {
      context.freeBuffers(objects.filter((object) => object !== null));
      throw cause;
    }
  }

  /** The submit with the job behind its own, before the closing words. */
  behind({ stream, buffers }: Submit): Submit {
    const words = wordsOf(stream);
    const { end } = streamJobs(words);
    const all = [...words.subarray(0, end), ...this.words, ...words.subarray(end)];
    return { stream: wordBytes(all), buffers: [...buffers, ...this.listed()] };
  }

  /** Puts new random bytes at the source and others at the place where they are to arrive. */
  async prepare(): Promise<Uint8Array> {
    const bytes = crypto.getRandomValues(new Uint8Array(2 * BYTES));
    const [from, to] = this.places();
    await from.write([{ offset: 0, bytes: bytes.subarray(0, BYTES) }]);
    await to.write([{ offset: 0, bytes: bytes.subarray(BYTES) }]);
    return bytes.subarray(0, BYTES);
  }

  /** Whether the bytes have arrived. */
  async arrived(wanted: Uint8Array): Promise<boolean> {
    const got = await this.places()[1].read(0, BYTES);
    return wanted.every((byte, i) => byte === got[i]);
  }

  free(context: DrmContext): void {
    context.freeBuffers(this.objects.filter((object) => object !== null));
  }

  /** Source and destination. */
  private places(): [BufferObject, BufferObject] {
    const { inputs, outputs } = this.partition;
    return [this.objects[inputs[0]!.buffer]!, this.objects[outputs[0]!.buffer]!];
  }

  private listed(): ListedBuffer[] {
    return this.objects.flatMap((object, i) =>
      object === null ? [] : [{ object, access: this.partition.buffers[i]!.access || BO.READ }],
    );
  }
}

/** One TP job that copies from one buffer to another. */
function copyPartition(core: Core): ExecutablePartition {
  const [from, to] = [0, 1].map((id) => ({ id, bytes: BYTES })) as [
    { id: number; bytes: number },
    { id: number; bytes: number },
  ];
  const place = (buffer: typeof from) => ({ buffer, offset: 0, bytes: BYTES });
  return generatePartition(core, {
    jobs: [
      {
        kind: "TP",
        op: "copy",
        sourceOp: 0,
        programs: padPrograms({ s: 1, f: BYTES, c: 1 }, 0, { in: 0, out: 0 }, 1),
        input: place(from),
        output: place(to),
      },
    ],
    buffers: [from, to],
    inputs: [{ tensor: 0, place: place(from), bytes: BYTES }],
    outputs: [{ tensor: 0, place: place(to), bytes: BYTES }],
    quirks: [],
    undefinedJobs: [],
  });
}

/** The words of the only job of a stream, with its end. */
function jobWords(stream: Uint8Array): Uint32Array {
  const words = wordsOf(stream);
  const { start, end } = streamJobs(words).jobs[0]!;
  return Uint32Array.of(...words.subarray(start, end), WAIT_HEADER, 0);
}
