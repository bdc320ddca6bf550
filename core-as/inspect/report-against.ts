// Two compilations of one model side by side, priced with the same figures.
// SPDX-License-Identifier: MIT
import type { Executable } from "../executable/executable.ts";
import type { CompileReport, ReportTotals } from "./report.ts";

/** What the other compilation comes to. */
export interface AgainstReport {
  /** Whose bytes these are. */
  name: string;
  /** Mode of the other compilation. */
  mode: Executable["mode"];
  /** Its totals. */
  totals: Pick<
    ReportTotals,
    | "predictedMs"
    | "predictedRangeMs"
    | "cycles"
    | "dramBytes"
    | "coefficientBytes"
    | "peakTensorBytes"
    | "jobs"
    | "macsOnNpu"
  >;
  /** Its predicted time by ours; above 1 = ours is faster. Null without predictions. */
  speedup: number | null;
  /** The same with 0 and with 20 microseconds a job. */
  speedupRange: [number, number] | null;
  /** Our bytes by its bytes. */
  coefficientRatio: number | null;
  /** This compilation's DRAM bytes as a share of the other's. */
  dramRatio: number | null;
  /** Its predicted time for each operator; null where it leaves it to the CPU. */
  operators: { op: number; place: "npu" | "cpu"; predictedMs: number | null }[];
  /** Its jobs, for a time line. */
  jobs: CompileReport["jobs"];
  /** What a comparison has to know: operators that only one of the two runs on the NPU. */
  notes: string[];
}

const ratio = (a: number, b: number): number | null => (b === 0 ? null : a / b);

/** Compares a report with that of another compilation of the same model. */
export function reportAgainst(
  ours: CompileReport,
  other: CompileReport,
  name: string,
): AgainstReport {
  const { totals } = other;
  const [mine, its] = [ours.totals.predictedRangeMs, totals.predictedRangeMs];
  return {
    name,
    mode: other.mode,
    totals: {
      predictedMs: totals.predictedMs,
      predictedRangeMs: totals.predictedRangeMs,
      cycles: totals.cycles,
      dramBytes: totals.dramBytes,
      coefficientBytes: totals.coefficientBytes,
      peakTensorBytes: totals.peakTensorBytes,
      jobs: totals.jobs,
      macsOnNpu: totals.macsOnNpu,
    },
    speedup: ratio(totals.predictedMs ?? 0, ours.totals.predictedMs ?? 0),
    speedupRange: mine && its && mine[0] > 0 ? [its[0] / mine[0], its[1] / mine[1]] : null,
    coefficientRatio: ratio(ours.totals.coefficientBytes, totals.coefficientBytes),
    dramRatio: ratio(ours.totals.dramBytes, totals.dramBytes),
    operators: other.operators.map(({ op, place, predictedMs }) => ({ op, place, predictedMs })),
    jobs: other.jobs,
    notes: notesOf(ours, other, name),
  };
}

function notesOf(ours: CompileReport, other: CompileReport, name: string): string[] {
  const only = (a: CompileReport, b: CompileReport): string[] =>
    a.operators
      .filter(({ place }, i) => place === "npu" && b.operators[i]?.place === "cpu")
      .map(({ op, name: kind }) => `${kind} #${op}`);
  const shown = (list: readonly string[]): string =>
    list.slice(0, 6).join(", ") + (list.length > 6 ? `, and ${list.length - 6} more` : "");
  const [mine, its] = [only(ours, other), only(other, ours)];
  return [
    ...(mine.length > 0
      ? [`Only ours run on the NPU, so only they cost time here: ${shown(mine)}.`]
      : []),
    ...(its.length > 0 ? [`Only ${name} runs on the NPU: ${shown(its)}.`] : []),
  ];
}
