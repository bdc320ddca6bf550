// When jobs begin and end where the stream does not wait for each of them at once: a model with assumptions of its own
// (docs/cost-model.md, Jobs at the same time).
// SPDX-License-Identifier: MIT
import type { System } from "../hw/systems.ts";
import { dramBytes, jobTime, type JobCost } from "./job-cost.ts";

/** A job's place in the predicted time line. */
export interface JobPlace {
  /** Milliseconds from the beginning of the first job. */
  startMs: number;
  /** Part of the job's own time that passes while others run, which the total does not have. */
  hiddenMs: number;
}

/** Jobs first..last, of which nothing runs before or behind. */
interface Stretch {
  first: number;
  last: number;
  /** Milliseconds from the stretch's beginning to the beginning of each job, and to the last end. */
  starts: number[];
  length: number;
}

/**
 * Places jobs one behind the other, and next to each other where the stream lets them. A stretch of jobs that overlap takes as
 * long as its units do, each job at its own speed, but not less than moving all of its bytes.
 * @param until of each job: the last one that begins before the stream waits for it; left out: itself
 */
export function placeJobs(
  costs: readonly JobCost[],
  system: System,
  until?: readonly number[],
): JobPlace[] {
  const times = costs.map((cost) => jobTime(cost, system).ms);
  const places: JobPlace[] = [];
  let now = 0;
  for (let first = 0; first < costs.length;) {
    const stretch = stretchFrom(first, times, until ?? []);
    const own = times.slice(first, stretch.last + 1).reduce((sum, ms) => sum + ms, 0);
    const length = Math.max(
      stretch.length,
      stretch.last === first ? 0 : movingMs(costs.slice(first, stretch.last + 1), system),
    );
    for (const [i, start] of stretch.starts.entries())
      places.push({
        startMs: now + start,
        hiddenMs: stretch.last === first ? 0 : times[first + i]! * Math.max(0, 1 - length / own),
      });
    now += Math.min(length, own);
    first = stretch.last + 1;
  }
  return places;
}

/** Bytes of all jobs at the DRAM's speed, and the start of the first one. */
function movingMs(costs: readonly JobCost[], { bandwidthGBs, overheadUs }: System): number {
  const bytes = costs.reduce((sum, cost) => sum + dramBytes(cost), 0);
  return bytes / (bandwidthGBs * 1e6) + overheadUs / 1e3;
}

/** The jobs from `first` on until all that began have ended, in the order of the stream. */
function stretchFrom(first: number, times: readonly number[], until: readonly number[]): Stretch {
  const starts: number[] = [];
  const ends: number[] = [];
  let now = 0;
  let last = first;
  for (let job = first; job <= last && job < times.length; job++) {
    last = Math.max(last, Math.min(until[job] ?? job, times.length - 1));
    starts.push(now);
    ends.push(now + times[job]!);
    // What the stream waits for before the next job begins.
    for (let other = first; other <= job; other++)
      if ((until[other] ?? other) === job) now = Math.max(now, ends[other - first]!);
  }
  return { first, last, starts, length: Math.max(...ends) };
}

/** Predicted time of all jobs, in milliseconds, where some overlap. */
export const overlappedMs = (
  costs: readonly JobCost[],
  system: System,
  until?: readonly number[],
): number => {
  const places = placeJobs(costs, system, until);
  return costs.reduce((sum, cost, i) => sum + (jobTime(cost, system).ms - places[i]!.hiddenMs), 0);
};
