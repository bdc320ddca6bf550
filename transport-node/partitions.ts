// An executable in the memory of a device: its buffers, and runs of its partitions.
// SPDX-License-Identifier: MIT
import type { CoreOptions } from "../core-as/core.ts";
import { TransportError } from "../core-as/errors.ts";
import { inPartition } from "../core-as/runtime/check-executable.ts";
import type { Executable, ExecutablePartition } from "../core-as/executable/executable.ts";
import type { Chip } from "../core-as/hw/chips.ts";
import { relocate } from "../core-as/executable/relocate.ts";
import { splitJobs } from "../core-as/executable/split-jobs.ts";
import { splitSubmits } from "../core-as/executable/split-submits.ts";
import { submitOrder } from "../core-as/executable/submit-order.ts";
import { wordBytes, wordsOf } from "../core-as/executable/bytes.ts";
import { throwIfAborted } from "../core-as/runtime/abort.ts";
import type { PartitionExecutor, PartitionRunOptions } from "../core-as/runtime/runner.ts";
import { mappedSizes } from "../core-as/runtime/mapped-sizes.ts";
import {
  checkPartition,
  type PartitionOptions,
  type SubmitChecker,
} from "../core-as/runtime/submit-check.ts";
import type { BufferObject } from "./buffer-object.ts";
import { intactMark, markOutputs, type Mark } from "./completion.ts";
import type { DrmContext, ListedBuffer, Submit } from "./context.ts";
import { Sentinel } from "./sentinel.ts";
import { atMost, breathe, delay, waitFor, type WaitLimits } from "./time.ts";
import { BO, WATCHDOG_MS } from "./uapi.ts";

export interface PartitionSettings {
  chip: Chip;
  /** Refuses streams that would do what they may not; null: submit unchecked. */
  checker: SubmitChecker | null;
  /** A device that ends nothing for so long hangs, in addition to the watchdog's time for each job of the run. */
  hangMs: number;
  /** Look whether outputs were written. */
  verify: boolean;
  /** Build of the core for what the transport itself submits. */
  wasm?: CoreOptions["wasm"];
}

/** One partition with its buffers on the device. */
interface Placed {
  partition: ExecutablePartition;
  /** By buffer index; null for the stream. */
  readonly objects: readonly (BufferObject | null)[];
  /** With all addresses in. */
  stream: Uint8Array;
  /** One, or several where the stream is longer than the kernel takes. */
  submits: readonly Submit[];
}

/** Uploads let other events in after this many bytes. */
const BREATH_BYTES = 512 * 1024;
/** How long the kernel may take to store the counters after the fence. */
const COUNTERS_LIMIT_MS = 200;

export class DrmPartitions implements PartitionExecutor {
  readonly profiles = true;
  private readonly placed: Placed[] = [];
  /** Ends, never fails, when no run uses the buffers any more. */
  private busy: Promise<void> = Promise.resolve();
  /** Jobs of the run that `busy` is about. */
  private busyJobs = 0;
  private released = false;
  private counterBuffer: BufferObject | null = null;
  private sequence = 0;
  /** Shows whether a submit that others follow got to its end; only where a partition has several. */
  private sentinel: Sentinel | null = null;

  private constructor(
    private readonly context: DrmContext,
    private readonly settings: PartitionSettings,
  ) {}

  /**
   * Makes all buffers, uploads constants and checks the streams: they stay as they are from run to run.
   * @throws SubmitCheckError, TransportError TW_IO_MEMORY and others; then nothing stays on the device
   */
  static async create(
    context: DrmContext,
    { partitions }: Executable,
    settings: PartitionSettings,
    signal?: AbortSignal,
  ): Promise<DrmPartitions> {
    const result = new DrmPartitions(context, settings);
    try {
      for (const [index, partition] of partitions.entries())
        await result.place(partition, index, signal);
      if (settings.verify && result.placed.some(({ submits }) => submits.length > 1))
        await result.addSentinel();
      return result;
    } catch (cause) {
      result.free();
      throw context.explain(cause);
    }
  }

  async run(
    index: number,
    inputs: readonly Uint8Array[],
    options: PartitionRunOptions,
  ): Promise<Uint8Array[]> {
    const { context } = this;
    const jobs = this.placed[index]?.partition.jobs.length ?? 0;
    // A run that was given up still owns the buffers.
    const earlier = "an earlier run that was given up";
    await waitFor(this.busy, this.limits(options, earlier, this.busyJobs));
    context.check();
    const placed = this.placed[index];
    if (this.released || placed === undefined)
      throw new TransportError("TW_IO_CLOSED", "the executable was released");
    this.busyJobs = jobs;
    const work = this.work(index, placed, inputs, options).catch((cause: unknown) => {
      throw context.explain(cause);
    });
    this.busy = work.then(
      () => {},
      () => {},
    );
    return waitFor(work, this.limits(options, `partition ${index} of ${jobs} jobs`, jobs));
  }

  /**
   * Frees the buffers when the device is through with them.
   * @returns when that is done, or after `limitMs`; then it is done later, or when the device is closed
   */
  async release(limitMs: number): Promise<void> {
    this.released = true;
    await atMost(
      this.idle().then(() => this.free()),
      limitMs,
    );
  }

  /** Resolves when nothing uses the buffers; a run that found them free a moment ago may have begun since. */
  private async idle(): Promise<void> {
    let last: Promise<void>;
    do {
      last = this.busy;
      await last;
    } while (last !== this.busy);
  }

  private limits(options: PartitionRunOptions, what: string, jobs: number): WaitLimits {
    const { signal, timeoutMs, deadline } = options;
    const later = "; the device finishes it, and the next run waits for that";
    return {
      signal,
      onAbort: (reason) =>
        new TransportError("TW_IO_ABORTED", `the inference was aborted${later}`, {}, reason),
      limits: [
        {
          milliseconds: deadline - performance.now(),
          error: () =>
            new TransportError(
              "TW_IO_TIMEOUT",
              `the inference took longer than ${timeoutMs} ms${later}`,
            ),
        },
        this.context.stallLimit(what, this.settings.hangMs + WATCHDOG_MS * jobs),
      ],
    };
  }

  private async place(
    partition: ExecutablePartition,
    index: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const objects: (BufferObject | null)[] = [];
    // Known to free() from the first buffer on.
    const placed: Placed = { partition, objects, stream: new Uint8Array(0), submits: [] };
    this.placed.push(placed);
    // Larger than the buffer where kernels without a channel store behind its end (quirk Q1).
    const mapped = mappedSizes(partition, this.settings.chip);
    for (const [i, { role }] of partition.buffers.entries())
      objects.push(role === "stream" ? null : this.context.createBuffer(mapped[i]!));
    const addresses = objects.map((object) => object?.address ?? null);
    const contents = relocate(partition, addresses);
    placed.stream = contents[partition.stream]!;
    placed.submits = submitsOf(placed);
    this.checkStream(index, partition, addresses, { relocated: contents, mapped });
    const ports = new Set([...partition.inputs, ...partition.outputs].map(({ buffer }) => buffer));
    let copied = 0;
    for (const [i, bytes] of contents.entries()) {
      const object = objects[i] ?? null;
      if (object === null || bytes === null) continue;
      if (i === 0 || copied > BREATH_BYTES) {
        await breathe();
        copied = 0;
      }
      throwIfAborted(signal, "loading");
      await object.write([{ offset: 0, bytes }]);
      copied += bytes.length;
      if (!ports.has(i)) object.unmap();
    }
  }

  private checkStream(
    index: number,
    partition: ExecutablePartition,
    addresses: readonly (number | null)[],
    options: PartitionOptions,
  ): void {
    const { checker } = this.settings;
    if (checker === null) return;
    inPartition(index, () => void checkPartition(checker, partition, addresses, options));
  }

  /** Upload, submit, wait, download. Goes on to its end whoever gave it up, except between the jobs of a profile. */
  private async work(
    index: number,
    placed: Placed,
    inputs: readonly Uint8Array[],
    options: PartitionRunOptions,
  ): Promise<Uint8Array[]> {
    const { partition, objects } = placed;
    for (const [i, { buffer, offset, bytes }] of partition.inputs.entries()) {
      await objects[buffer]!.write([{ offset, bytes: inputs[i]! }]);
      // Long writes let other events in, and a view of a buffer that was transferred has no bytes any more.
      if (inputs[i]!.length !== bytes)
        throw new TransportError(
          "TW_IO_INPUT",
          `input ${i} of partition ${index} has ${inputs[i]!.length} bytes of ${bytes} left: its buffer was transferred ` +
            "during the run",
        );
    }
    const marks = this.settings.verify ? markOutputs(partition) : [];
    for (const buffer of new Set(marks.map((mark) => mark.buffer)))
      await objects[buffer]!.write(marks.filter((mark) => mark.buffer === buffer));
    // The last moment at which nothing has begun.
    throwIfAborted(options.signal, "the inference");
    if (options.profile === true) await this.runJobs(index, placed, options);
    else await this.runSubmits(index, placed.submits);
    const outputs: Uint8Array[] = [];
    for (const { buffer, offset, bytes } of partition.outputs)
      outputs.push(await objects[buffer]!.read(offset, bytes));
    this.expectWritten(index, marks, outputs);
    return outputs;
  }

  private expectWritten(
    index: number,
    marks: readonly Mark[],
    outputs: readonly Uint8Array[],
  ): void {
    const mark = intactMark(marks, outputs);
    if (mark === null) return;
    throw new TransportError(
      "TW_IO_HANG",
      `the submit of partition ${index} ended, but bytes ${mark.at} to ${mark.at + mark.bytes.length - 1} of its output ` +
        `${mark.output} were never written: most likely a job hung and the kernel's watchdog (${WATCHDOG_MS} ms) reset the ` +
        "core; the kernel log says so",
    );
  }

  private async addSentinel(): Promise<void> {
    const { wasm, checker } = this.settings;
    const sentinel = await Sentinel.create(this.context, wasm === undefined ? {} : { wasm });
    this.sentinel = sentinel;
    if (checker !== null) checkPartition(checker, sentinel.partition, sentinel.addresses);
  }

  /** One behind the other; what follows one that hung is not submitted. */
  private async runSubmits(index: number, submits: readonly Submit[]): Promise<void> {
    const { sentinel } = this;
    for (const [i, submit] of submits.entries()) {
      // With memory that tensors share, outputs alone do not show how far a submit got.
      if (submits.length === 1 || sentinel === null) {
        await this.runSubmit(submit);
        continue;
      }
      const wanted = await sentinel.prepare();
      await this.runSubmit(sentinel.behind(submit));
      if (!(await sentinel.arrived(wanted)))
        throw new TransportError(
          "TW_IO_HANG",
          `submit ${i + 1} of the ${submits.length} of partition ${index} ended, but its last job did nothing: most likely a job ` +
            `hung and the kernel's watchdog (${WATCHDOG_MS} ms) reset the core; the kernel log says so`,
        );
    }
  }

  private async runSubmit(submit: Submit): Promise<void> {
    await this.context.signalled(await this.context.submit(submit));
  }

  /** Every job as a submit of its own, timed from submit to fence, with counters where the kernel has them. */
  private async runJobs(
    index: number,
    placed: Placed,
    options: PartitionRunOptions,
  ): Promise<void> {
    const { partition, stream } = placed;
    const pieces = splitJobs(wordsOf(stream), partition.jobs.length);
    for (const [job, words] of pieces.entries()) {
      throwIfAborted(options.signal, "the inference");
      const buffers = listed(placed, [partition.jobs[job]!]);
      const submit = { stream: wordBytes(words), buffers };
      const start = performance.now();
      const counted = this.countedSubmit(submit);
      await this.runSubmit(counted ?? submit);
      const milliseconds = performance.now() - start;
      const counters = counted === null ? {} : await this.readCounters();
      options.onJob({ partition: index, job, milliseconds, counters });
    }
  }

  /** The same submit with readings of the counters before and after it; null where the kernel has none. */
  private countedSubmit(submit: Submit): Submit | null {
    const { counters } = this.context;
    if (counters.count === 0) return null;
    this.counterBuffer ??= this.context.createBuffer(counters.bytes);
    this.sequence = (this.sequence + 1) >>> 0 || 1;
    const buffers = [...submit.buffers, { object: this.counterBuffer, access: BO.WRITE }];
    return { ...submit, buffers, requests: counters.requests(buffers.length - 1, this.sequence) };
  }

  /** The kernel stores the last readings a little after the fence, and the sequence number behind them. */
  private async readCounters(): Promise<Record<string, number>> {
    const { counters } = this.context;
    const deadline = performance.now() + COUNTERS_LIMIT_MS;
    for (;;) {
      const bytes = await this.counterBuffer!.read(0, counters.bytes);
      const sequence = new DataView(bytes.buffer).getUint32(0, true);
      if (sequence === this.sequence) return counters.differences(bytes);
      if (performance.now() > deadline) return {};
      await delay(1);
    }
  }

  private free(): void {
    const objects = this.placed.splice(0).flatMap(({ objects }) => objects);
    const all = [...objects, this.counterBuffer].filter((object) => object !== null);
    this.counterBuffer = null;
    this.sentinel?.free(this.context);
    this.sentinel = null;
    this.context.freeBuffers(all);
  }
}

/** The buffers that some jobs mention, as a submit lists them: each once. */
function listed({ partition, objects }: Placed, jobs: ExecutablePartition["jobs"]): ListedBuffer[] {
  return submitOrder({ jobs }).map((buffer) => ({
    object: objects[buffer]!,
    access: partition.buffers[buffer]!.access,
  }));
}

/** The submits of a run. */
function submitsOf(placed: Placed): Submit[] {
  const { jobs } = placed.partition;
  const parts = splitSubmits(wordsOf(placed.stream), jobs.length);
  if (parts.length === 1) return [{ stream: placed.stream, buffers: listed(placed, jobs) }];
  return parts.map(({ stream, first, last }) => ({
    stream: wordBytes(stream),
    buffers: listed(placed, jobs.slice(first, last)),
  }));
}
