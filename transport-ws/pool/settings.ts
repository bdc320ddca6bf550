// What a pool's client may be told, with defaults and ranges.
// SPDX-License-Identifier: MIT
import { TIMER_MAX } from "../../core-as/runtime/abort.ts";
import type { BackOff } from "./board-book.ts";
import type { DispatcherLimits } from "./dispatcher.ts";
import { BOUNDS } from "./messages.ts";
import type { Terms } from "./nats-channel.ts";

/** Times in milliseconds, sizes in bytes. */
export interface PoolTuning {
  /** Time in which the first board must be there when the pool is opened. Default 5000. */
  boardMs: number;
  /** Time that a run waits without any board. Default 30,000. */
  noBoardMs: number;
  /** Runs that wait for a board; further ones are refused with TW_IO_LIMIT. Default 1024. */
  maxQueued: number;
  /** Inputs of all runs without an answer. Default 256 MiB. */
  maxBytes: number;
  /** Times that a run is sent to another board after it was lost. Default 3. */
  maxRedeliveries: number;
  /** Runs on a board at a time, at most what the board grants. More hide the way there and back, fewer are lost with a board. Default 4. */
  runsPerBoard: number;
  /** Boards in use at a time. Default 64. */
  maxBoards: number;
  /** A board that has had no run for so long is let go, except the last one. Default 60,000. */
  idleMs: number;
  /** Interval of signs of life; both sides use the smaller of theirs. Default 2000. */
  heartbeatMs: number;
  /** Unacknowledged bytes of a channel in each direction; both sides use the smaller of theirs. Default 4 MiB. */
  windowBytes: number;
  /** Largest frame of the board protocol. Default 64 MiB. */
  maxFrameBytes: number;
}

const MIB = 2 ** 20;

const DEFAULTS: PoolTuning = {
  boardMs: 5_000,
  noBoardMs: 30_000,
  maxQueued: 1024,
  maxBytes: 256 * MIB,
  maxRedeliveries: 3,
  runsPerBoard: 4,
  maxBoards: 64,
  idleMs: 60_000,
  heartbeatMs: 2_000,
  windowBytes: 4 * MIB,
  maxFrameBytes: 64 * MIB,
};

/** What this side offers when the terms of a channel are agreed on. */
export function ownTerms({ heartbeatMs, windowBytes }: Partial<PoolTuning>): Terms {
  const terms = {
    heartbeatMs: heartbeatMs ?? DEFAULTS.heartbeatMs,
    windowBytes: windowBytes ?? DEFAULTS.windowBytes,
    // The queue server's own limit counts when messages are sent.
    maxPayload: BOUNDS.maxPayload[1],
  };
  for (const name of ["heartbeatMs", "windowBytes"] as const)
    check(name, terms[name], BOUNDS[name][0], BOUNDS[name][1]);
  return terms;
}

export interface PoolSettings {
  boardMs: number;
  idleMs: number;
  healthMs: number;
  /** Time for a board to welcome the client. */
  connectMs: number;
  runsPerBoard: number;
  backOff: BackOff;
  dispatch: DispatcherLimits;
  links: {
    terms: Terms;
    maxFrameBytes: number;
    maxLinks: number;
    answerMs: number;
    healthMs: number;
    retryMs: readonly [number, number];
  };
}

/** @throws RangeError for a value out of its range */
export function poolSettings(options: Partial<PoolTuning>): PoolSettings {
  const given = Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  );
  const tuning: PoolTuning = { ...DEFAULTS, ...given };
  const { boardMs, noBoardMs, maxQueued, maxBytes, maxRedeliveries, runsPerBoard } = tuning;
  for (const name of [
    "boardMs",
    "noBoardMs",
    "idleMs",
    "maxQueued",
    "maxBytes",
    "runsPerBoard",
  ] as const)
    check(name, tuning[name], 1, Number.MAX_SAFE_INTEGER);
  check("maxRedeliveries", maxRedeliveries, 0, 1000);
  check("maxBoards", tuning.maxBoards, 1, 256);
  check("maxFrameBytes", tuning.maxFrameBytes, 8192, 2 ** 31 - 1);
  return {
    boardMs,
    idleMs: Math.min(tuning.idleMs, TIMER_MAX),
    healthMs: 250,
    connectMs: 15_000,
    runsPerBoard,
    backOff: { firstMs: 250, maxMs: 30_000 },
    dispatch: {
      maxQueued,
      maxBytes,
      maxRedeliveries,
      noBoardMs: Math.min(noBoardMs, TIMER_MAX),
      fullPauseMs: 100,
    },
    links: {
      terms: ownTerms(tuning),
      maxFrameBytes: tuning.maxFrameBytes,
      maxLinks: tuning.maxBoards,
      answerMs: 2_000,
      healthMs: 300,
      retryMs: [100, 5_000],
    },
  };
}

function check(name: string, value: number, low: number, high: number): void {
  if (!Number.isInteger(value) || value < low || value > high)
    throw new RangeError(`${name} is ${value}, it must be a whole number from ${low} to ${high}`);
}
