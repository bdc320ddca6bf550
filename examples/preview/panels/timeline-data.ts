// What the time line and the roofline show: times of jobs, and how well they use memory and multipliers.
// SPDX-License-Identifier: MIT
import {
  chipByIdentity,
  markKind,
  rooflineOf,
  ticks,
  type CompileReport,
  type JobProfile,
  type MarkKind,
} from "../../../core-as/index.ts";
import type { Held } from "../service.ts";

export interface TimelineBar {
  partition: number;
  job: number;
  /** Lane. */
  kind: "NN" | "TP";
  mark: MarkKind;
  /** What the job does, and for which operator. */
  op: string;
  sourceOp: number;
  sourceName: string;
  /** Predicted, in ascending order: jobs follow each other, or begin while the one before still runs. */
  startMs: number;
  ms: number;
  /** What it adds to the time of all: without what passes while others run. */
  addedMs: number;
  /** Share of the predicted time of all jobs, 0..1. */
  share: number;
  /** From a profile; null without one. */
  observedMs: number | null;
  /** Start among the observed jobs, one behind the other. */
  observedStartMs: number | null;
}

/** Operators on the CPU between submits; nothing predicts their time. */
export interface CpuStep {
  /** Predicted time of all jobs before. */
  atMs: number;
  ops: { op: number; name: string; output: string }[];
}

export interface RooflinePoint {
  partition: number;
  job: number;
  mark: MarkKind;
  op: string;
  sourceOp: number;
  sourceName: string;
  /** Multiply-accumulates a DRAM byte. */
  intensity: number;
  /** 10^9 multiply-accumulates a second. */
  speed: number;
  share: number;
}

export interface RooflineData {
  peak: number;
  bandwidthGBs: number;
  corner: number;
  decades: { low: number; high: number; bottom: number; top: number };
  points: RooflinePoint[];
}

export interface TimelineData {
  bars: TimelineBar[];
  cpu: CpuStep[];
  /** Predicted time of all jobs. */
  totalMs: number;
  /** Longest of predicted and observed time: the axis. */
  spanMs: number;
  ticks: number[];
  observed: { totalMs: number; evidence: string } | null;
  roofline: RooflineData | null;
  /** Error of the prediction as a share; null = never compared with a time. */
  error: number | null;
  evidence: string;
}

export interface TimelineArgs {
  /** Times that a transport observed, and what they are worth: "simulated", "measured", … */
  profile?: { jobs: readonly JobProfile[]; evidence: string };
}

/** Times of all jobs of an executable, in milliseconds, in the order of execution. */
export function timelineData(held: Held, { profile }: TimelineArgs = {}): TimelineData {
  const { report } = held;
  const bars = barsOf(report, profile);
  const totalMs = bars.reduce((sum, { addedMs }) => sum + addedMs, 0);
  const observedMs = bars.reduce((sum, bar) => sum + (bar.observedMs ?? 0), 0);
  const evidence = profile?.evidence ?? report.jobs.find((job) => job.observed)?.observed?.evidence;
  const spanMs = Math.max(totalMs, observedMs);
  return {
    bars,
    cpu: cpuSteps(held, bars),
    totalMs,
    spanMs,
    ticks: spanMs > 0 ? ticks(spanMs) : [],
    observed: evidence !== undefined && observedMs > 0 ? { totalMs: observedMs, evidence } : null,
    roofline: rooflineData(held),
    error: report.system.error,
    evidence: report.system.evidence,
  };
}

function barsOf(report: CompileReport, profile: TimelineArgs["profile"]): TimelineBar[] {
  let observedAt = 0;
  return report.jobs.flatMap((job): TimelineBar[] => {
    const { prediction } = job;
    if (!prediction) return [];
    const seen = profile?.jobs.find((o) => o.partition === job.partition && o.job === job.job);
    const observedMs = seen?.milliseconds ?? job.observed?.ms ?? null;
    const { partition, job: number, kind, op, sourceOp, sourceName } = job;
    const { startMs, ms, hiddenMs, share } = prediction;
    const bar = {
      ...{ partition, job: number, kind, op, sourceOp, sourceName },
      mark: markKind(job),
      ...{ startMs, ms, addedMs: ms - hiddenMs, share, observedMs },
      observedStartMs: observedMs === null ? null : observedAt,
    };
    observedAt += observedMs ?? 0;
    return [bar];
  });
}

function cpuSteps({ executable }: Held, bars: readonly TimelineBar[]): CpuStep[] {
  const { steps, graph } = executable;
  let atMs = 0;
  const found: CpuStep[] = [];
  for (const step of steps) {
    if (step.kind === "npu") {
      for (const bar of bars) if (bar.partition === step.partition) atMs += bar.addedMs;
      continue;
    }
    const ops = step.ops.map((op) => {
      const { kind, customName, outputs } = graph.ops[op]!;
      return { op, name: customName ?? kind, output: graph.tensors[outputs[0] ?? -1]?.name ?? "" };
    });
    found.push({ atMs, ops });
  }
  return found;
}

function rooflineData({ executable, report }: Held): RooflineData | null {
  const roofline = rooflineOf(report, chipByIdentity(executable.chip));
  if (roofline === null) return null;
  const { peak, bandwidthGBs, corner, decades, marks } = roofline;
  const points = marks.map(({ job, intensity, speed }): RooflinePoint => {
    const { partition, job: number, op, sourceOp, sourceName } = job;
    const share = job.prediction!.share;
    return {
      partition,
      job: number,
      mark: markKind(job),
      op,
      sourceOp,
      sourceName,
      intensity,
      speed,
      share,
    };
  });
  return { peak, bandwidthGBs, corner, decades, points };
}
