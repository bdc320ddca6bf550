// Jobs of the NN cores and of the TP cores at the same time: experimental, by the sequence tags of the reference driver's parallel
// debug mode (spec/hardware.md 4). What the tags mean is inferred; docs/cost-model.md lists the assumptions.
// SPDX-License-Identifier: MIT
import type { JobSchedule, Lowered } from "../jobs.ts";
import { orderProblem } from "./job-order.ts";

/** Tags that say nothing else: 1 and 0x1f also mark TP descriptors that others of the same job follow. */
const FIRST_TAG = 2;
const LAST_TAG = 0x1e;

/**
 * Decides which jobs the stream need not wait for at once. The order stays: a job runs on while later ones begin until one of
 * them needs what it writes, writes what it uses, or needs its cores.
 * @param lowered jobs in their final order, over buffers that share no memory yet
 */
export function overlapJobs(lowered: Lowered): Lowered {
  const { jobs } = lowered;
  const until = lastMoments(lowered);
  const schedule: JobSchedule[] = [];
  let next = FIRST_TAG;
  for (let job = 0; job < jobs.length; job++) {
    const isAlone = until[job] === job && !until.some((last, other) => other < job && last >= job);
    schedule.push({ tag: isAlone ? 0 : next, until: until[job]!, waits: [] });
    if (!isAlone) next = next === LAST_TAG ? FIRST_TAG : next + 1;
  }
  for (const { tag, until: last } of schedule) if (tag !== 0) schedule[last]!.waits.push(tag);
  return { ...lowered, schedule };
}

/** Of each job: the last one that begins before the stream waits for it. */
function lastMoments(lowered: Lowered): number[] {
  const { jobs } = lowered;
  const { needs } = orderProblem(lowered);
  const until = jobs.map(() => jobs.length - 1);
  let running: number[] = [];
  for (const [job, { kind }] of jobs.entries()) {
    const goesOn = (other: number): boolean =>
      jobs[other]!.kind !== kind && !needs[job]!.includes(other);
    for (const other of running) if (!goesOn(other)) until[other] = job - 1;
    running = [...running.filter(goesOn), job];
  }
  return until;
}
