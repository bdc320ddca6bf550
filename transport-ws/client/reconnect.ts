// When a lost connection is opened again, and when that is pointless.
// SPDX-License-Identifier: MIT
import { NpuError } from "../../core-as/errors.ts";
import type { Clock } from "../clock.ts";
import type { ReconnectOptions } from "./options.ts";

/** Errors that another attempt cannot change: the same board would answer the same. */
const FINAL = new Set(["TW_IO_AUTH", "TW_IO_VERSION", "TW_IO_PROTOCOL", "TW_IO_DEVICE_LOST"]);

export const isFinal = (error: unknown): boolean =>
  !(error instanceof NpuError) || FINAL.has(error.code);

export class Backoff {
  private failures = 0;

  constructor(
    private readonly options: ReconnectOptions,
    private readonly clock: Clock,
    private readonly random: () => number = Math.random,
  ) {}

  /** Something worked. */
  reset(): void {
    this.failures = 0;
  }

  /** Waits before the next attempt; false when there is none. */
  wait(signal: AbortSignal): Promise<boolean> {
    const { attempts, baseMs, maxMs } = this.options;
    if (this.failures >= attempts || signal.aborted) return Promise.resolve(false);
    const delay = Math.min(maxMs, baseMs * 2 ** this.failures++) * (1 - this.random() / 2);
    return new Promise((resolve) => {
      const onAbort = (): void => {
        cancel();
        resolve(false);
      };
      const cancel = this.clock.after(delay, () => {
        signal.removeEventListener("abort", onAbort);
        resolve(true);
      });
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }
}
