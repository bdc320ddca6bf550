// What a client knows about the boards of a pool, and which of them it should not bother for a while.
// SPDX-License-Identifier: MIT
import { chipKey } from "./subjects.ts";
import type { BoardHealth } from "./messages.ts";

/** Boards that are remembered: anybody on the queue server can claim to be one. */
const MAX_BOARDS = 1024;

export interface BackOff {
  /** Pause after the first failure in milliseconds; doubled with each further one. */
  firstMs: number;
  maxMs: number;
}

export interface KnownBoard {
  health: BoardHealth;
  /** Failures since its last answered run. */
  failures: number;
  /** All failures: channels that broke, devices that were lost. */
  failuresEver: number;
  /** Not asked before this time, because it failed. */
  retryAt: number;
  /** Not asked before this time, because it was full; news that it has room end that. */
  busyUntil: number;
}

/** A book of boards with a circuit breaker each. Time comes from outside, in milliseconds. */
export class BoardBook {
  private readonly boards = new Map<string, KnownBoard>();
  private readonly key: string | null;

  /** @param chip boards of other chips are left out; null: any */
  constructor(
    chip: Parameters<typeof chipKey>[0] | null,
    private readonly backOff: BackOff,
    private readonly now: () => number = Date.now,
    private readonly random: () => number = Math.random,
  ) {
    this.key = chip === null ? null : chipKey(chip);
  }

  get(id: string): KnownBoard | undefined {
    return this.boards.get(id);
  }

  all(): KnownBoard[] {
    return [...this.boards.values()];
  }

  /** A board said how it is. One that leaves is forgotten. */
  saw(health: BoardHealth): void {
    if (health.state === "leaving" || (this.key !== null && chipKey(health.chip) !== this.key)) {
      this.boards.delete(health.id);
      return;
    }
    const known = this.boards.get(health.id);
    if (known !== undefined) {
      known.health = health;
      if (health.state === "ready") known.busyUntil = 0;
    } else {
      if (this.boards.size >= MAX_BOARDS) this.forgetOldest();
      this.boards.set(health.id, {
        health,
        failures: 0,
        failuresEver: 0,
        retryAt: 0,
        busyUntil: 0,
      });
    }
  }

  /** Nobody listens on its subjects any more: it has died or left, and will have another id when it comes back. */
  gone(id: string): void {
    this.boards.delete(id);
  }

  /** It failed: a pause, twice as long as the last, with a jitter so that clients do not come back together. */
  failed(id: string): void {
    const board = this.boards.get(id);
    if (board === undefined) return;
    board.failures++;
    board.failuresEver++;
    const { firstMs, maxMs } = this.backOff;
    const pause = Math.min(maxMs, firstMs * 2 ** Math.min(board.failures - 1, 30));
    board.retryAt = this.now() + pause * (0.75 + this.random() / 2);
  }

  /** It has no room now; that is no failure. */
  busy(id: string, pauseMs: number): void {
    const board = this.boards.get(id);
    if (board !== undefined) board.busyUntil = this.now() + pauseMs;
  }

  answered(id: string): void {
    const board = this.boards.get(id);
    if (board !== undefined) board.failures = 0;
  }

  /** Boards worth asking, the least loaded first; among equals chance decides. */
  candidates(without: ReadonlySet<string>): string[] {
    const now = this.now();
    return this.all()
      .filter(
        (board) =>
          board.health.state === "ready" && !isPaused(board, now) && !without.has(board.health.id),
      )
      .map(({ health }) => ({ id: health.id, load: loadOf(health), tie: this.random() }))
      .sort((a, b) => a.load - b.load || a.tie - b.tie)
      .map(({ id }) => id);
  }

  /** Boards that should not be asked now. */
  paused(): string[] {
    const now = this.now();
    return this.all()
      .filter((board) => isPaused(board, now))
      .map(({ health }) => health.id);
  }

  private forgetOldest(): void {
    const [oldest] = this.boards.keys();
    if (oldest !== undefined) this.boards.delete(oldest);
  }
}

const isPaused = ({ retryAt, busyUntil }: KnownBoard, now: number): boolean =>
  Math.max(retryAt, busyUntil) > now;

const loadOf = ({ queued, running, connections }: BoardHealth): number =>
  queued + running + connections / 1000;
