// Time as agent and client see it: replaceable, so that tests of time limits do not wait.
// SPDX-License-Identifier: MIT
import { TIMER_MAX } from "../core-as/runtime/abort.ts";

export interface Clock {
  /** Milliseconds from any start; never goes back. */
  now(): number;
  /** Calls back once after `milliseconds`; the returned function takes that back. */
  after(milliseconds: number, callback: () => void): () => void;
  /** Calls back once other events had their turn. */
  soon(callback: () => void): void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after(milliseconds, callback) {
    const timer = setTimeout(callback, Math.min(milliseconds, TIMER_MAX));
    return () => clearTimeout(timer);
  },
  soon(callback) {
    // Browsers have no setImmediate, nor its type; a timer of 0 is the nearest thing there.
    const { setImmediate } = globalThis as { setImmediate?: (callback: () => void) => void };
    if (setImmediate) setImmediate(callback);
    else setTimeout(callback);
  },
};

/**
 * Calls back again and again, with the time since the call before as far as this process was awake: a long computation
 * that kept the event loop busy counts as one interval, because during it nobody could be heard.
 */
export function ticker(
  clock: Clock,
  milliseconds: number,
  callback: (awakeMs: number) => void,
): () => void {
  let last = clock.now();
  let cancel: () => void;
  const again = (): void => {
    cancel = clock.after(milliseconds, () => {
      const now = clock.now();
      const awake = Math.min(now - last, 2 * milliseconds);
      last = now;
      again();
      callback(awake);
    });
  };
  again();
  return () => cancel();
}
