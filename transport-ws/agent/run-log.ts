// What an agent remembers of its last runs: how long they took, and the last error.
// SPDX-License-Identifier: MIT
import { nearestRank } from "../../core-as/runtime/nearest-rank.ts";

/** Percentiles by nearest rank, in milliseconds. */
export interface Latency {
  p50: number;
  p90: number;
  p99: number;
  /** Runs that the percentiles are of. */
  runs: number;
}

/** Runs that are remembered. */
const KEPT = 512;

export class RunLog {
  private readonly kept = new Float64Array(KEPT);
  private count = 0;
  private error: { code: string; at: number } | null = null;

  /** A run took so many milliseconds on the transport. */
  finished(milliseconds: number): void {
    this.kept[this.count++ % KEPT] = milliseconds;
  }

  failed(code: string, now: number): void {
    this.error = { code, at: now };
  }

  lastError(now: number): { code: string; msAgo: number } | null {
    if (this.error === null) return null;
    return { code: this.error.code, msAgo: Math.max(0, Math.round(now - this.error.at)) };
  }

  /** Of the last runs; null before the first. */
  latency(): Latency | null {
    const runs = Math.min(this.count, KEPT);
    if (runs === 0) return null;
    const sorted = this.kept.slice(0, runs).sort();
    const at = (share: number): number => nearestRank(sorted, share);
    return { p50: at(0.5), p90: at(0.9), p99: at(0.99), runs };
  }
}
