// AbortSignal and time limits as Tilewright's errors.
// SPDX-License-Identifier: MIT
import { TransportError } from "../errors.ts";
import type { SubmitOptions } from "./transport.ts";

/** Longest delay of a timer in milliseconds; longer ones would fire at once. */
export const TIMER_MAX = 2 ** 31 - 1;

/** @throws TransportError TW_IO_ABORTED when the signal has fired */
export function throwIfAborted(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted === true) throw abortError(signal, what);
}

function abortError(signal: AbortSignal, what: string): TransportError {
  return new TransportError("TW_IO_ABORTED", `${what} was aborted`, {}, signal.reason);
}

/**
 * Waits for work, at most until the signal fires or the time is over. The work itself is not stopped; its late result
 * or error is dropped.
 * @throws TransportError TW_IO_ABORTED, TW_IO_TIMEOUT
 */
export function withLimits<T>(work: Promise<T>, options: SubmitOptions, what: string): Promise<T> {
  const isLimited = options.signal !== undefined || options.timeoutMs !== undefined;
  return isLimited ? limited(work, options, what) : work;
}

async function limited<T>(
  work: Promise<T>,
  { signal, timeoutMs }: SubmitOptions,
  what: string,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let onAbort: (() => void) | undefined;
  const limit = new Promise<never>((_, reject) => {
    if (signal !== undefined) {
      onAbort = () => reject(abortError(signal, what));
      if (signal.aborted) onAbort();
      else signal.addEventListener("abort", onAbort, { once: true });
    }
    if (timeoutMs !== undefined)
      timer = setTimeout(
        () =>
          reject(new TransportError("TW_IO_TIMEOUT", `${what} took longer than ${timeoutMs} ms`)),
        Math.min(timeoutMs, TIMER_MAX),
      );
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
    if (onAbort !== undefined) signal?.removeEventListener("abort", onAbort);
  }
}
