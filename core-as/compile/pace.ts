// How a long computation stays polite: it reports, lets events in, and stops when somebody asks it to.
// SPDX-License-Identifier: MIT
import { TransportError } from "../errors.ts";

/** Longest time without a look at events, in milliseconds, apart from work that cannot be cut. */
const BREATH_MS = 12;

type SetImmediate = (callback: () => void) => unknown;
const { setImmediate } = globalThis as { setImmediate?: SetImmediate };

export interface PaceOptions {
  signal?: AbortSignal;
  /** Called with the stage and the share of all work done (0..1, never less than before). */
  onProgress?: (stage: string, done: number) => void;
}

/** Reports and pauses of one computation. Without anybody who listens it never pauses. */
export class Pace {
  private lastBreath = performance.now();
  private stage = "";
  private channel: MessageChannel | undefined;

  /** @param what the computation in words, for the error: "the compilation" */
  constructor(
    private readonly what: string,
    private readonly options: PaceOptions,
  ) {}

  /** True when somebody wants reports or may want to stop the work. */
  get isWatched(): boolean {
    return this.options.signal !== undefined || this.options.onProgress !== undefined;
  }

  /** @throws TransportError TW_IO_ABORTED when the signal has fired */
  check(): void {
    const { signal } = this.options;
    if (signal?.aborted === true)
      throw new TransportError("TW_IO_ABORTED", `${this.what} was aborted`, {}, signal.reason);
  }

  /**
   * Call it at borders of stages and wherever work may pause: at a new stage, and when enough time has passed, it reports and lets
   * events in.
   * @throws TransportError TW_IO_ABORTED when the signal has fired
   */
  async step(stage: string, done: number): Promise<void> {
    this.check();
    const isNew = stage !== this.stage;
    if (!this.isWatched || (!isNew && performance.now() - this.lastBreath < BREATH_MS)) return;
    this.stage = stage;
    this.options.onProgress?.(stage, done);
    await this.breathe();
    this.check();
  }

  /** The work is over, well or not. */
  end(): void {
    this.channel?.port1.close();
  }

  /** A turn of the event loop. Timers would do everywhere, but browsers stretch nested ones to 4 ms. */
  private async breathe(): Promise<void> {
    await new Promise<void>((resolve) => {
      if (setImmediate !== undefined) {
        setImmediate(resolve);
        return;
      }
      this.channel ??= new MessageChannel();
      this.channel.port1.onmessage = () => resolve();
      this.channel.port2.postMessage(null);
    });
    this.lastBreath = performance.now();
  }
}
