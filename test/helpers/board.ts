// What tests of the board protocol share: a transport that counts and waits for the test, a clock, and channels that break.
// SPDX-License-Identifier: MIT
import { TransportError } from "../../core-as/errors.ts";
import { serialiseExecutable } from "../../core-as/executable/container.ts";
import type { Executable } from "../../core-as/executable/executable.ts";
import { chipByName } from "../../core-as/hw/chips.ts";
import { checkChip } from "../../core-as/runtime/check-chip.ts";
import { outputInfos } from "../../core-as/runtime/tensor-info.ts";
import type {
  DisconnectReason,
  LoadedExecutable,
  SubmitOptions,
  SubmitResult,
  Transport,
} from "../../core-as/runtime/transport.ts";
import type {
  ChannelEnd,
  ChannelOpener,
  FrameChannel,
  FrameHandlers,
} from "../../transport-ws/channel.ts";
import type { Agent } from "../../transport-ws/agent.ts";
import type { Clock } from "../../transport-ws/clock.ts";
import { createMemoryChannel } from "../../transport-ws/memory-channel.ts";
import { tinyExecutable } from "./tiny-executable.ts";

export const CHIP = chipByName("a311d")!;

/** An executable with 16 bytes in and 16 out, and its file. */
export const TINY: Executable = tinyExecutable();
export const TINY_BYTES: Uint8Array = serialiseExecutable(TINY);

/** TINY with larger tensors, and a file of at least `fileBytes`, so that uploads and answers take a while. */
export function largeExecutable(tensorBytes: number, fileBytes = 0): Executable {
  const executable = tinyExecutable();
  const { graph, partitions } = executable;
  const [partition] = partitions;
  for (const id of [0, 2]) graph.tensors[id]!.shape = [1, tensorBytes / 4, 1, 4];
  graph.tensors[4]!.shape = [1, tensorBytes];
  graph.tensors[3]!.constant = new Uint8Array(Uint32Array.of(1, tensorBytes).buffer);
  for (const port of [...partition!.inputs, ...partition!.outputs]) port.bytes = tensorBytes;
  partition!.buffers[0]!.bytes = tensorBytes;
  partition!.buffers[1]!.bytes = tensorBytes + 16;
  const coefficients = partition!.buffers[2]!;
  const bytes = Math.max(coefficients.bytes, fileBytes);
  partition!.buffers[2] = { ...coefficients, bytes, contents: new Uint8Array(bytes).fill(7) };
  return executable;
}

/** Inputs of TINY that say which run they are. */
export function inputOf(run: number): Uint8Array[] {
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setUint32(0, run);
  return [bytes];
}

/** What the counting transport answers to `inputOf(run)`. */
export const answerTo = (run: number): Uint8Array => inputOf(run)[0]!.map((byte) => byte ^ 0x5a);

interface Pending {
  run: number;
  resolve(): void;
  reject(error: Error): void;
}

/** Counts how often each input was executed. Runs end at once, or when the test says so. */
export class CountingTransport implements Transport {
  readonly name = "fake";
  readonly chip = CHIP;
  readonly disconnected: Promise<DisconnectReason>;
  end!: (reason: DisconnectReason) => void;
  /** Executions by the number in the inputs. */
  readonly executed = new Map<number, number>();
  /** Runs that wait for the test, when `manual`. */
  readonly pending: Pending[] = [];
  loaded = 0;
  released = 0;
  failLoad: Error | null = null;
  /** Called when a run is given to the transport. */
  onStart: ((run: number) => void) | null = null;

  constructor(public manual = false) {
    this.disconnected = new Promise((resolve) => (this.end = resolve));
  }

  async load(executable: Executable): Promise<LoadedExecutable> {
    checkChip(executable, this.chip);
    if (this.failLoad !== null) throw this.failLoad;
    this.loaded++;
    const sizes = outputInfos(executable.graph).map(({ bytes }) => bytes);
    let open = true;
    return {
      submit: (inputs, options) => this.submit(inputs, options, sizes),
      release: async () => {
        if (open) this.released++;
        open = false;
      },
    };
  }

  /** Lets the run end that was started first, if there is one. */
  finish(): void {
    this.pending.shift()?.resolve();
  }

  async close(): Promise<void> {
    this.end({ kind: "closed", message: "closed" });
  }

  private submit(
    inputs: readonly Uint8Array[],
    { signal, profile }: SubmitOptions = {},
    sizes: readonly number[],
  ): Promise<SubmitResult> {
    const first = inputs[0]!;
    const run = new DataView(first.buffer, first.byteOffset).getUint32(0);
    this.executed.set(run, (this.executed.get(run) ?? 0) + 1);
    const answer = first.map((byte) => byte ^ 0x5a);
    const result: SubmitResult = {
      outputs: sizes.map((size) => Uint8Array.from({ length: size }, (_, i) => answer[i % 16]!)),
      evidence: "none",
      timings: [],
      ...(profile
        ? { jobs: [{ partition: 0, job: 1, milliseconds: 2, counters: { "MC.READ": 3 } }] }
        : {}),
    };
    this.onStart?.(run);
    if (!this.manual) return Promise.resolve(result);
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.pending.splice(this.pending.indexOf(pending), 1);
        pending.reject(new TransportError("TW_IO_ABORTED", "the fake run was aborted"));
      };
      const end = (): void => signal?.removeEventListener("abort", onAbort);
      const pending: Pending = {
        run,
        resolve: () => (end(), resolve(result)),
        reject: (error) => (end(), reject(error)),
      };
      this.pending.push(pending);
      signal?.addEventListener("abort", onAbort);
    });
  }
}

/** A clock that stands still until the test moves it. */
export class TestClock implements Clock {
  private time = 1000;
  private timers: { at: number; callback: () => void }[] = [];

  now(): number {
    return this.time;
  }

  after(milliseconds: number, callback: () => void): () => void {
    const timer = { at: this.time + milliseconds, callback };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  soon(callback: () => void): void {
    setImmediate(callback);
  }

  /** Timers that wait. */
  get size(): number {
    return this.timers.length;
  }

  /** Moves time on; timers fire in order, and what follows from each is let happen before the next. */
  async advance(milliseconds: number): Promise<void> {
    const end = this.time + milliseconds;
    await quiet();
    for (;;) {
      const next = this.timers.reduce<(typeof this.timers)[number] | null>(
        (first, timer) => (first === null || timer.at < first.at ? timer : first),
        null,
      );
      if (next === null || next.at > end) break;
      this.time = Math.max(this.time, next.at);
      this.timers = this.timers.filter((timer) => timer !== next);
      next.callback();
      await quiet();
    }
    this.time = end;
  }

  /** Time passes while nothing can run, as in a long computation; timers that were due fire late, once. */
  block(milliseconds: number): void {
    this.time += milliseconds;
  }
}

/** Lets everything happen that needs no time. */
export async function quiet(turns = 5): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Waits until something holds; fails after two seconds. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  for (let i = 0; i < 3000; i++) {
    if (holds()) return;
    // Most of it needs no time, some comes from other threads.
    if (i < 1000) await quiet(1);
    else await new Promise((resolve) => setTimeout(resolve, 1));
  }
  throw new Error(`it never came to: ${what}`);
}

export type Direction = "to agent" | "to client";

/** What happens to a frame: it passes (perhaps changed), or the connection is cut before or after it. */
export type Fate = Uint8Array | "cut before" | "cut after";

/** One end of a memory channel whose outgoing frames pass through the test. */
class TappedChannel implements FrameChannel {
  private dead = false;

  constructor(
    private readonly inner: FrameChannel,
    private readonly fate: (frame: Uint8Array) => Fate,
  ) {}

  get peer(): string {
    return this.inner.peer;
  }

  get bufferedBytes(): number {
    return this.inner.bufferedBytes;
  }

  listen(handlers: FrameHandlers): void {
    this.inner.listen(handlers);
  }

  send(frame: Uint8Array): void {
    if (this.dead) return;
    const fate = this.fate(frame);
    if (fate === "cut before") return this.cut();
    this.inner.send(fate === "cut after" ? frame : fate);
    // After the other side had it: deliveries are microtasks.
    if (fate === "cut after") {
      this.dead = true;
      setImmediate(() => this.inner.destroy());
    }
  }

  close(end: ChannelEnd): void {
    if (!this.dead) this.inner.close(end);
  }

  destroy(): void {
    this.dead = true;
    this.inner.destroy();
  }

  private cut(): void {
    this.dead = true;
    this.inner.destroy();
  }
}

/**
 * A network of one agent whose frames pass through the test.
 * @param agent looked up for each connection, so that it can be started anew; null = nobody answers
 * @param fate called with every frame, its direction, and the number of frames before it in both directions together
 */
export function tappedNetwork(
  agent: () => Agent | null,
  fate: (frame: Uint8Array, direction: Direction, count: number) => Fate = (frame) => frame,
): { open: ChannelOpener; connections: () => number; frames: () => number } {
  let connections = 0;
  let frames = 0;
  const open: ChannelOpener = async () => {
    const serving = agent();
    if (serving === null) throw new TransportError("TW_IO_CONNECT", "nobody answers");
    connections++;
    const [toAgent, toClient] = createMemoryChannel();
    const tap = (channel: FrameChannel, direction: Direction): FrameChannel =>
      new TappedChannel(channel, (frame) => fate(frame, direction, frames++));
    serving.accept(tap(toClient, "to client"));
    return tap(toAgent, "to agent");
  };
  return { open, connections: () => connections, frames: () => frames };
}
