// The part of the report that predicts: times of jobs, what bounds them, what would help most.
// SPDX-License-Identifier: MIT
import { dramBytes, jobTime, type JobCost, type JobTime } from "../cost/job-cost.ts";
import { overlappedMs, placeJobs, type JobPlace } from "../cost/overlap.ts";
import type { System } from "../hw/systems.ts";
import type { JobReport } from "./report-jobs.ts";
import type { OperatorReport } from "./report.ts";

/** A job's cost and predicted time. */
export interface JobPrediction extends JobCost, JobTime, JobPlace {
  /** Predicted bytes from and to DRAM. */
  dramBytes: number;
  /** Index, over all partitions, of the last job that begins before the stream waits for this one. */
  until: number;
  /** Share of the predicted time of all jobs, 0..1. */
  share: number;
}

/** Predicted time if something were free. */
export interface WhatIf {
  /** What would be free, e.g. "starting jobs". */
  what: string;
  /** Predicted time of an inference then, in milliseconds. */
  predictedMs: number;
  /** How much less that is, in milliseconds. */
  savedMs: number;
}

/**
 * Times and shares of jobs.
 * @param until as in placeJobs; left out: jobs run one after the other
 */
export function predictJobs(
  costs: readonly JobCost[],
  system: System,
  until?: readonly number[],
): JobPrediction[] {
  const places = placeJobs(costs, system, until);
  const times = costs.map((cost) => jobTime(cost, system));
  const seen = times.map(({ ms }, i) => ms - places[i]!.hiddenMs);
  const total = seen.reduce((sum, ms) => sum + ms, 0);
  return costs.map((cost, i) => ({
    ...cost,
    ...times[i]!,
    ...places[i]!,
    until: until?.[i] ?? i,
    dramBytes: dramBytes(cost),
    share: total === 0 ? 0 : seen[i]! / total,
  }));
}

/** What a job adds to the predicted time of all. */
export const addedMs = (prediction: Pick<JobPrediction, "ms" | "hiddenMs">): number =>
  prediction.ms - prediction.hiddenMs;

/** Predicted time of all jobs with other figures. */
export const predictedWith = (jobs: readonly JobReport[], system: System): number =>
  priceOf(jobs, system, (cost) => cost);

/** A job as it would be; null = not at all. */
type Change = (cost: JobCost, job: JobReport) => JobCost | null;

type CostChange = Partial<Pick<JobCost, "cycles" | "inputBytes" | "coefficientBytes">>;

/** A cost with other members; spreading all that a prediction has would take most of a report's time. */
const costWith = (cost: JobCost, change: CostChange): JobCost => ({
  cycles: change.cycles ?? cost.cycles,
  inputBytes: change.inputBytes ?? cost.inputBytes,
  coefficientBytes: change.coefficientBytes ?? cost.coefficientBytes,
  outputBytes: cost.outputBytes,
  cachedBytes: cost.cachedBytes,
  macs: cost.macs,
  utilisation: cost.utilisation,
});

/**
 * Prices the model as it would be if one thing were free, for each of several things.
 * @returns those that would save anything, most first
 */
export function whatWouldHelp(
  operators: readonly OperatorReport[],
  jobs: readonly JobReport[],
  system: System,
): WhatIf[] {
  const now = priceOf(jobs, system, (cost) => cost);
  const changes: readonly (readonly [what: string, change: Change, system?: System])[] = [
    ["starting jobs", (cost) => cost, { ...system, overheadUs: 0 }],
    ["multiplying", (cost, { kind }) => (kind === "NN" ? costWith(cost, { cycles: 0 }) : cost)],
    ["multiplying by zeros of expanded kernels", withoutZeros(operators, jobs)],
    ["reading coefficients", (cost) => costWith(cost, { coefficientBytes: 0 })],
    ["reading coefficients more than once", readOnceCoefficients],
    ["reading images more than once", readOnceImages],
    [
      "jobs that only move or reorder values (TP)",
      (cost, { kind }) => (kind === "TP" ? null : cost),
    ],
  ];
  return changes
    .map(([what, change, figures]) => {
      const predictedMs = priceOf(jobs, figures ?? system, change);
      return { what, predictedMs, savedMs: now - predictedMs };
    })
    .filter(({ savedMs }) => savedMs > 1e-6)
    .sort((a, b) => b.savedMs - a.savedMs);
}

function priceOf(jobs: readonly JobReport[], system: System, change: Change): number {
  const costs: JobCost[] = [];
  const until: number[] = [];
  // Jobs that are left out take none of the others' places.
  const index: number[] = [];
  for (const job of jobs) {
    const cost = job.prediction && change(job.prediction, job);
    index.push(costs.length);
    if (cost) costs.push(cost);
  }
  const kept = (job: number): number => (index[job + 1] ?? costs.length) - 1;
  for (const [i, { prediction }] of jobs.entries())
    if (kept(i) === index[i]) until.push(kept(prediction?.until ?? i));
  return overlappedMs(costs, system, until);
}

/** Depthwise kernels that are stored with the planes of other channels multiply by zeros. */
function withoutZeros(operators: readonly OperatorReport[], jobs: readonly JobReport[]): Change {
  const asked = new Map<number, number>();
  for (const { sourceOp, op, prediction } of jobs)
    if (op === "dwconv") asked.set(sourceOp, (asked.get(sourceOp) ?? 0) + (prediction?.macs ?? 0));
  const wanted = new Map(operators.map(({ op, macs }) => [op, macs]));
  return (cost, { sourceOp }) => {
    const all = asked.get(sourceOp) ?? 0;
    const share = all === 0 ? 1 : Math.min((wanted.get(sourceOp) ?? all) / all, 1);
    return costWith(cost, { cycles: cost.cycles * share });
  };
}

const readOnceCoefficients: Change = (cost, { nn }) =>
  nn?.coefficients
    ? costWith(cost, { coefficientBytes: Math.min(cost.coefficientBytes, nn.coefficients.bytes) })
    : cost;

const readOnceImages: Change = (cost, { kind, input: { x, y, z } }) =>
  kind === "NN" ? costWith(cost, { inputBytes: Math.min(cost.inputBytes, x * y * z) }) : cost;
