// One opened NPU: its file, addresses, buffers and submits. Everything that a kernel context owns.
// SPDX-License-Identifier: MIT
import { NpuError, SubmitCheckError, TransportError } from "../core-as/errors.ts";
import { SUBMIT_LIMIT } from "../core-as/executable/split-submits.ts";
import { wordBytes } from "../core-as/executable/bytes.ts";
import { INIT_STREAM } from "../core-as/runtime/init-stream.ts";
import { AddressSpace } from "./address-space.ts";
import { BufferObject, type BufferStats } from "./buffer-object.ts";
import { ERRNO, kernelError, type DeviceFile } from "./device-file.ts";
import type { FoundNpu } from "./discovery.ts";
import { FenceQueue } from "./fences.ts";
import { Progress } from "./progress.ts";
import { CounterSet, queryDomains, type PerfDomain } from "./perfmon.ts";
import { atMost, delay, waitFor, type WaitLimit } from "./time.ts";
import { EXEC_STATE, GEM_SUBMIT, PM_REQUEST, SUBMIT, SUBMIT_BO } from "./uapi.ts";

/** A buffer of a submit's list. */
export interface ListedBuffer {
  object: BufferObject;
  /** 1 read, 2 write, 3 both. */
  access: number;
}

export interface Submit {
  /** Command stream with all addresses in, a multiple of 8 bytes. */
  stream: Uint8Array;
  buffers: readonly ListedBuffer[];
  /** Counter readings: a PM_REQUEST list. */
  requests?: Uint8Array;
}

/** Answers of a submit that pass: the kernel is resetting the core, or still unmaps what had the address before. */
const TRY_AGAIN: readonly number[] = [ERRNO.EAGAIN, ERRNO.EBUSY, ERRNO.EINTR, ERRNO.ENOSPC];
/** Pauses between tries; the sum is longer than the watchdog of the kernel. */
const RETRY_MS = [1, 2, 5, 10, 20, 50, 100, 200, 400, 800];
/** The init stream does next to nothing. */
const INIT_LIMIT_MS = 10_000;

export class DrmContext {
  readonly stats: BufferStats = { buffers: 0, bytes: 0, mappings: 0 };
  private readonly file: DeviceFile;
  private readonly core: number;
  private readonly addresses: AddressSpace;
  private readonly fences: FenceQueue;
  private readonly progress = new Progress();
  private readonly objects = new Set<BufferObject>();
  private initialised: Promise<void> | null = null;
  private counterSet: CounterSet | null = null;
  private domainList: readonly PerfDomain[] | null = null;
  private ended: NpuError | null = null;

  /** @param onLost called once when the device has gone away */
  constructor(
    { file, core, softpinStart }: FoundNpu,
    private readonly onLost: (error: NpuError) => void,
  ) {
    this.file = file;
    this.core = core;
    this.addresses = new AddressSpace(softpinStart);
    this.fences = new FenceQueue(file, core, this.progress, (error) => this.noteLoss(error));
  }

  /** @throws TransportError TW_IO_CLOSED, TW_IO_DEVICE_LOST after the end */
  check(): void {
    if (this.ended !== null) throw this.ended;
  }

  /**
   * The error of the context's end, when that is why something failed; else the error itself. Losing the device is
   * noticed here.
   */
  explain(error: unknown): unknown {
    this.noteLoss(error);
    return this.ended ?? error;
  }

  /** Sets the core up, once for each opened file (Q49). Fails anew for each caller until it works. */
  async initialise(): Promise<void> {
    this.initialised ??= this.submitInit().catch((cause: unknown) => {
      this.initialised = null;
      throw cause;
    });
    return this.initialised;
  }

  /** A new buffer. @throws TransportError TW_IO_MEMORY and others */
  createBuffer(bytes: number): BufferObject {
    this.check();
    try {
      const object = BufferObject.create(this.file, this.addresses, this.stats, bytes);
      this.objects.add(object);
      return object;
    } catch (cause) {
      throw this.explain(cause);
    }
  }

  /** Gives buffers back that the device is through with. */
  freeBuffers(objects: readonly BufferObject[]): void {
    for (const object of objects)
      if (this.objects.delete(object) && this.ended?.code !== "TW_IO_CLOSED") object.free();
  }

  /** Counters of the core that profiles read; asked for once. */
  get counters(): CounterSet {
    this.counterSet ??= new CounterSet(this.domains);
    return this.counterSet;
  }

  /** All counters of the core. */
  get domains(): readonly PerfDomain[] {
    this.domainList ??= queryDomains(this.file, this.core);
    return this.domainList;
  }

  /**
   * Submits a stream.
   * @returns its fence
   * @throws SubmitCheckError TW_CHECK_LIMIT for more than the kernel takes
   * @throws TransportError TW_IO_CLOSED, TW_IO_MEMORY, TW_IO_DEVICE_LOST, TW_IO_DEVICE with errno
   */
  async submit({ stream, buffers, requests }: Submit): Promise<number> {
    this.check();
    checkLimits(stream, buffers.length);
    const { name, request, layout } = GEM_SUBMIT;
    const list = SUBMIT_BO.createList(
      buffers.map(({ object: { handle, address }, access }) => ({
        handle,
        flags: access,
        presumed: BigInt(address),
      })),
    );
    const pmrs = requests ?? new Uint8Array(0);
    const { bos, stream: streamField, pmrs: pmrsField } = layout.fields;
    const pointers = [
      { offset: bos[0], buffer: list },
      { offset: streamField[0], buffer: stream },
      { offset: pmrsField[0], buffer: pmrs },
    ].filter(({ buffer }) => buffer.length > 0);
    for (let attempt = 0; ; attempt++) {
      const argument = layout.create({
        pipe: this.core,
        execState: EXEC_STATE.PIPE_3D,
        bosCount: buffers.length,
        streamBytes: stream.length,
        flags: SUBMIT.SOFTPIN,
        pmrsCount: pmrs.length / PM_REQUEST.bytes,
      });
      const result = await this.progress.during(() =>
        this.file.ioctlAsync(request, argument, pointers),
      );
      if (result >= 0) return layout.read(argument).fence;
      const pause = RETRY_MS[attempt];
      if (!TRY_AGAIN.includes(-result) || pause === undefined) {
        const tries = attempt > 0 ? `, tried ${attempt + 1} times` : "";
        const what = `${stream.length} bytes of stream, ${buffers.length} buffers${tries}`;
        throw this.explain(kernelError(this.file.path, name, -result, what));
      }
      await delay(pause);
      this.check();
    }
  }

  /** Resolves when a submit is over, however it ended. @throws TransportError TW_IO_DEVICE_LOST, TW_IO_CLOSED */
  async signalled(fence: number): Promise<void> {
    try {
      await this.fences.signalled(fence);
    } catch (cause) {
      throw this.explain(cause);
    }
  }

  /**
   * Ends everything. Buffers that the device still uses stay with the kernel until it is through with them.
   * @param limitMs waits at most this long for calls on other threads; the file is closed with the last of them
   */
  async close(limitMs: number): Promise<void> {
    if (this.ended?.code === "TW_IO_CLOSED") return;
    const closed = new TransportError("TW_IO_CLOSED", `${this.file.path} was closed`);
    this.ended = closed;
    this.fences.end(closed);
    for (const object of this.objects) object.forget();
    this.objects.clear();
    await atMost(this.fences.finished, limitMs);
    this.file.close();
  }

  private async submitInit(): Promise<void> {
    const fence = await this.submit({ stream: wordBytes(INIT_STREAM), buffers: [] });
    await waitFor(this.signalled(fence), {
      limits: [this.stallLimit("the init stream", INIT_LIMIT_MS)],
    });
  }

  /** A limit for waits: the device has not ended anything for so long, though it had work. */
  stallLimit(what: string, milliseconds: number): WaitLimit {
    return {
      // A device that hangs already is not given the whole time again.
      milliseconds: milliseconds - this.progress.stalledMs,
      renew: () => milliseconds - this.progress.stalledMs,
      error: () =>
        new TransportError(
          "TW_IO_HANG",
          `${this.file.path}: ${what} did not end, and nothing else did for ${milliseconds} ms; the kernel log says ` +
            "whether the core hangs",
        ),
    };
  }

  private noteLoss(error: unknown): void {
    if (this.ended !== null || !(error instanceof NpuError)) return;
    if (error.code !== "TW_IO_DEVICE_LOST") return;
    this.ended = error;
    this.fences.end(error);
    this.onLost(error);
  }
}

function checkLimits(stream: Uint8Array, buffers: number): void {
  if (stream.length > SUBMIT_LIMIT || buffers > SUBMIT_LIMIT)
    throw new SubmitCheckError(
      "TW_CHECK_LIMIT",
      `a submit of ${stream.length} bytes of stream and ${buffers} buffers is more than the kernel takes (${SUBMIT_LIMIT} ` +
        "of each); split the model",
    );
  if (stream.length % 8 !== 0)
    throw new SubmitCheckError(
      "TW_CHECK_LIMIT",
      `a stream of ${stream.length} bytes does not end on a command of 8 bytes`,
    );
}
