// Points in time as the kernel wants them, and waiting with limits.
// SPDX-License-Identifier: MIT
import { hrtime } from "node:process";
import { TIMER_MAX } from "../core-as/runtime/abort.ts";

const NS_PER_MS = 1_000_000n;
const NS_PER_S = 1_000_000_000n;

/** The time of CLOCK_MONOTONIC in some milliseconds; Node's hrtime is that clock on Linux. */
export function monotonicIn(milliseconds: number): { sec: bigint; nsec: bigint } {
  const time = hrtime.bigint() + BigInt(Math.max(0, Math.ceil(milliseconds))) * NS_PER_MS;
  return { sec: time / NS_PER_S, nsec: time % NS_PER_S };
}

/** Resolves after some milliseconds. */
export function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Lets other events in. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Waits for work that does not fail, at most for some milliseconds. */
export async function atMost(work: Promise<void>, milliseconds: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, Math.min(milliseconds, TIMER_MAX));
  });
  await Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/** A limit of a wait. */
export interface WaitLimit {
  /** From now; Infinity is none. */
  milliseconds: number;
  error(): Error;
  /** Asked when the time is over: more than 0 gives that many milliseconds more. */
  renew?(): number;
}

/** What ends a wait early. */
export interface WaitLimits {
  signal?: AbortSignal | undefined;
  /** The error of an aborted wait. */
  onAbort?(reason: unknown): Error;
  limits: readonly WaitLimit[];
}

/**
 * Waits for work, at most until a limit is reached. The work itself goes on; its late result or error is dropped.
 * @throws what the limit says
 */
export async function waitFor<T>(work: Promise<T>, wait: WaitLimits): Promise<T> {
  const stops: (() => void)[] = [];
  const limit = new Promise<never>((_, reject) => {
    stops.push(onAbort(wait, reject), ...wait.limits.map((limit) => startTimer(limit, reject)));
  });
  // Whichever of the two is late must not count as unhandled.
  limit.catch(() => {});
  work.catch(() => {});
  try {
    return await Promise.race([work, limit]);
  } finally {
    for (const stop of stops) stop();
  }
}

function onAbort({ signal, onAbort }: WaitLimits, reject: (error: Error) => void): () => void {
  if (signal === undefined || onAbort === undefined) return () => {};
  const listener = (): void => reject(onAbort(signal.reason));
  if (signal.aborted) listener();
  else signal.addEventListener("abort", listener, { once: true });
  return () => signal.removeEventListener("abort", listener);
}

function startTimer(
  { milliseconds, error, renew }: WaitLimit,
  reject: (error: Error) => void,
): () => void {
  let timer: NodeJS.Timeout | undefined;
  const start = (delay: number): void => {
    if (delay === Infinity) return;
    timer = setTimeout(
      () => {
        const more = delay > TIMER_MAX ? delay - TIMER_MAX : (renew?.() ?? 0);
        if (more > 0) start(more);
        else reject(error());
      },
      Math.min(Math.max(0, delay), TIMER_MAX),
    );
  };
  start(milliseconds);
  return () => clearTimeout(timer);
}
