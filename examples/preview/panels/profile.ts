// Times of jobs that were observed, by the executable that ran: panels that run models leave them here for the time line.
// SPDX-License-Identifier: MIT
import type { JobProfile } from "../../../core-as/index.ts";

export interface ObservedJobs {
  jobs: readonly JobProfile[];
  /** What the times are worth: "simulated", "measured", … */
  evidence: string;
}

/** Executables whose times are kept. */
const MOST_KEPT = 4;

const kept = new Map<string, ObservedJobs>();

/**
 * Keeps the times of one profiled inference; of several the last one.
 * @param key of Compiled
 */
export function keepProfile(key: string, observed: ObservedJobs): void {
  kept.delete(key);
  kept.set(key, observed);
  for (const oldest of kept.keys()) if (kept.size > MOST_KEPT) kept.delete(oldest);
}

export const profileOf = (key: string): ObservedJobs | undefined => kept.get(key);
