// The order of a partition's jobs: among all orders that keep what depends on each other, one that needs little memory at
// once. No job changes, so neither do results, traffic or predicted time.
// SPDX-License-Identifier: MIT
import type { Lowered } from "../jobs.ts";
import { accessesOf, BEFORE, segmentsOf, type Segment } from "./accesses.ts";

/** Orders that the search keeps at a time. */
const BEAM = 48;
/** Steps that it may try before it settles for the best order so far, or for the given one. */
const STEPS_MAX = 200_000;

/** Partitions with more jobs stay as they are. */
const JOBS_MAX = 1500;

/** Bytes that the same jobs use, in the same order. */
interface Value {
  bytes: number;
  /** Jobs in order of time. */
  writers: readonly number[];
  users: readonly number[];
  /** The host writes it before the first job, or reads it after the last one. */
  before: boolean;
  after: boolean;
}

/** What decides about the order of jobs. */
export interface OrderProblem {
  jobs: number;
  values: readonly Value[];
  /** Of each job: values that it uses. */
  used: readonly (readonly number[])[];
  /** Of each job: those that have to run before it. */
  needs: readonly (readonly number[])[];
  /** Bytes that are in use all the time. */
  always: number;
}

/**
 * Orders the jobs so that the most bytes in use at a time are few. Gives equal orders for equal jobs on every host, and the
 * given order where no better one is found.
 * @param lowered jobs over buffers that share no memory yet
 */
export function orderJobs(lowered: Lowered): Lowered {
  if (lowered.jobs.length > JOBS_MAX) return lowered;
  const problem = orderProblem(lowered);
  const given = lowered.jobs.map((_, i) => i);
  const peak = peakOf(problem, given);
  if (peak === largestJob(problem)) return lowered;
  const least = leastPeak(problem);
  if (peak === least) return lowered;
  const found = search(problem, least, peak);
  return found === null ? lowered : { ...lowered, jobs: found.map((i) => lowered.jobs[i]!) };
}

/** Values and dependencies of a partition's jobs. */
export function orderProblem(lowered: Lowered): OrderProblem {
  const { jobs, buffers } = lowered;
  const accesses = accessesOf(lowered);
  const values = new Map<string, Value>();
  const needs = jobs.map(() => new Set<number>());
  let always = 0;
  for (const { id, bytes } of buffers)
    for (const segment of segmentsOf(bytes, accesses[id]!)) {
      noteNeeds(segment, jobs.length, needs);
      const value = valueOf(segment, jobs.length);
      if (value === null) always += segment.end - segment.start;
      else {
        const key = JSON.stringify([value.writers, value.users, value.before, value.after]);
        const same = values.get(key);
        if (same) same.bytes += value.bytes;
        else values.set(key, value);
      }
    }
  const used: number[][] = jobs.map(() => []);
  const list = [...values.values()];
  for (const [i, { users }] of list.entries()) for (const job of users) used[job]!.push(i);
  return { jobs: jobs.length, values: list, used, needs: needs.map((set) => [...set]), always };
}

/** Two uses of the same bytes keep their order unless both only read. */
function noteNeeds({ accesses }: Segment, jobs: number, needs: Set<number>[]): void {
  for (const [i, { time, writes }] of accesses.entries()) {
    if (time < 0 || time >= jobs) continue;
    for (const earlier of accesses.slice(0, i))
      if (earlier.time !== BEFORE && earlier.time !== time && (writes || earlier.writes))
        needs[time]!.add(earlier.time);
  }
}

/** null: read before it is written, so it has to stay zero all the time. */
function valueOf({ start, end, accesses }: Segment, jobs: number): Value | null {
  if (!accesses[0]!.writes) return null;
  const inside = accesses.filter(({ time }) => time >= 0 && time < jobs);
  const timesOf = (list: typeof inside): number[] => [...new Set(list.map(({ time }) => time))];
  return {
    bytes: end - start,
    writers: timesOf(inside.filter(({ writes }) => writes)),
    users: timesOf(inside),
    before: accesses[0]!.time === BEFORE,
    after: accesses.at(-1)!.time === jobs,
  };
}

/** Most bytes in use at a time in an order. */
export function peakOf(problem: OrderProblem, order: readonly number[]): number {
  let state = startOf(problem);
  for (const job of order) state = advance(problem, state, job);
  return state.peak;
}

/** Bytes of the job that uses most: a bound that is found at once, and that most networks meet. */
function largestJob({ values, used, always }: OrderProblem): number {
  const sizes = used.map((list) => list.reduce((sum, i) => sum + values[i]!.bytes, 0));
  return always + Math.max(0, ...sizes);
}

/** No order needs less: what must be there while a job runs is what those before it made for it and for those behind it. */
export function leastPeak({ jobs, values, needs, always }: OrderProblem): number {
  const before = ancestorsOf(needs);
  let least = 0;
  for (let job = 0; job < jobs; job++) {
    let bytes = 0;
    for (const { bytes: size, writers, users, before: given, after } of values) {
      const made = given || writers.some((other) => other === job || before[job]!.has(other));
      const wanted = after || users.some((other) => other === job || before[other]!.has(job));
      if (made && wanted) bytes += size;
    }
    least = Math.max(least, bytes);
  }
  const sum = (which: "before" | "after"): number =>
    values.reduce((total, value) => total + (value[which] ? value.bytes : 0), 0);
  return always + Math.max(least, sum("before"), sum("after"));
}

function ancestorsOf(needs: readonly (readonly number[])[]): Set<number>[] {
  // Jobs only need earlier ones, whose sets are complete.
  const all: Set<number>[] = [];
  for (const list of needs) {
    const set = new Set<number>(list);
    for (const other of list) for (const further of all[other]!) set.add(further);
    all.push(set);
  }
  return all;
}

/** A beginning of an order. */
interface State {
  /** Which jobs have run. */
  done: Uint8Array;
  order: readonly number[];
  /** Bytes in use now, and the most so far. */
  live: number;
  peak: number;
}

function startOf({ jobs, values, always }: OrderProblem): State {
  const given = values.filter(({ before }) => before);
  const live = always + given.reduce((sum, { bytes }) => sum + bytes, 0);
  // What the host writes and nobody uses is gone at once.
  const unused = given.filter(({ users, after }) => users.length === 0 && !after);
  const kept = live - unused.reduce((sum, { bytes }) => sum + bytes, 0);
  return { done: new Uint8Array(jobs), order: [], live: kept, peak: live };
}

/** Bytes that a job adds while it runs, and bytes that nobody needs behind it. */
function changeOf(
  { values, used }: OrderProblem,
  { done }: State,
  job: number,
): { added: number; freed: number } {
  let [added, freed] = [0, 0];
  for (const index of used[job]!) {
    const { bytes, writers, users, before, after } = values[index]!;
    if (!before && !writers.some((other) => done[other] === 1)) added += bytes;
    if (!after && users.every((other) => other === job || done[other] === 1)) freed += bytes;
  }
  return { added, freed };
}

function advance(problem: OrderProblem, state: State, job: number): State {
  const { added, freed } = changeOf(problem, state, job);
  const done = state.done.slice();
  done[job] = 1;
  return {
    done,
    order: [...state.order, job],
    live: state.live + added - freed,
    peak: Math.max(state.peak, state.live + added),
  };
}

/** Jobs whose needs are met; of those that change the same, only the first: which one goes first makes no difference. */
function candidates(problem: OrderProblem, state: State): number[] {
  const { jobs, needs } = problem;
  const seen = new Set<string>();
  const found: number[] = [];
  for (let job = 0; job < jobs; job++) {
    if (state.done[job] === 1 || needs[job]!.some((other) => state.done[other] === 0)) continue;
    const { added, freed } = changeOf(problem, state, job);
    const key = `${added} ${freed} ${needs[job]!.join()}`;
    if (seen.has(key)) continue;
    seen.add(key);
    found.push(job);
  }
  return found;
}

/**
 * A beam over beginnings of orders: of those that ran the same jobs only the best is kept, of all others a few.
 * @returns an order whose peak is below `most`, or null
 */
function search(problem: OrderProblem, least: number, most: number): number[] | null {
  let beam = [startOf(problem)];
  let steps = 0;
  for (let length = 0; length < problem.jobs; length++) {
    const next = new Map<string, State>();
    for (const state of beam)
      for (const job of candidates(problem, state)) {
        if (++steps > STEPS_MAX) return null;
        const grown = advance(problem, state, job);
        if (grown.peak >= most) continue;
        const key = String.fromCharCode(...grown.done);
        const known = next.get(key);
        if (known === undefined || isBetter(grown, known, least)) next.set(key, grown);
      }
    beam = [...next.values()].sort((a, b) => (isBetter(a, b, least) ? -1 : 1)).slice(0, BEAM);
    if (beam.length === 0) return null;
  }
  return [...beam[0]!.order];
}

/** Peaks up to the least possible one are equal; then fewer bytes now, then the order that jobs came in. */
function isBetter(a: State, b: State, least: number): boolean {
  const [peakA, peakB] = [Math.max(a.peak, least), Math.max(b.peak, least)];
  if (peakA !== peakB) return peakA < peakB;
  if (a.live !== b.live) return a.live < b.live;
  const at = a.order.findIndex((job, i) => job !== b.order[i]);
  return at >= 0 && a.order[at]! < b.order[at]!;
}
