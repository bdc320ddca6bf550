// The totals of both modes beside each other, and which of them is the better one.
// SPDX-License-Identifier: MIT
import type { CompileReport } from "../../../core-as/index.ts";
import { bytesText, changeText, grouped, msText, percentText } from "../shell/format.ts";
import { compressionOf } from "./compression.ts";

/** Which direction is good; 0 = neither. */
type Better = -1 | 0 | 1;

interface Figure {
  name: string;
  of(report: CompileReport): number | null;
  text(value: number): string;
  better: Better;
  /** The figure is about the whole model, not about what the NPU has of it. */
  isOfModel?: true;
}

const FIGURES: readonly Figure[] = [
  {
    name: "Predicted time",
    of: ({ totals }) => (totals.jobs === 0 ? null : totals.predictedMs),
    text: msText,
    better: -1,
  },
  {
    name: "Operators on the NPU",
    of: ({ totals }) => totals.operatorsOnNpu,
    text: grouped,
    better: 1,
    isOfModel: true,
  },
  {
    name: "Arithmetic on the NPU",
    of: ({ totals }) => (totals.macs === 0 ? null : totals.npuMacShare),
    text: percentText,
    better: 1,
    isOfModel: true,
  },
  { name: "Submits", of: ({ totals }) => totals.partitions, text: grouped, better: -1 },
  { name: "Jobs", of: ({ totals }) => totals.jobs, text: grouped, better: 0 },
  { name: "Cycles", of: ({ totals }) => totals.cycles, text: grouped, better: -1 },
  { name: "DRAM traffic", of: ({ totals }) => totals.dramBytes, text: bytesText, better: -1 },
  {
    name: "Tensors at their peak",
    of: ({ totals }) => totals.peakTensorBytes,
    text: bytesText,
    better: -1,
  },
  {
    name: "Coefficients",
    of: ({ totals }) => totals.coefficientBytes,
    text: bytesText,
    better: -1,
  },
  {
    name: "Bits a weight, headers included",
    of: ({ jobs }) => compressionOf(jobs)?.bitsPerWeight ?? null,
    text: (value) => value.toFixed(2),
    better: 0,
  },
  {
    name: "Multipliers at work",
    of: ({ totals }) => totals.utilisation,
    text: percentText,
    better: 1,
  },
];

/** One figure of both modes in words. */
export interface Compared {
  name: string;
  optimised: string;
  compatible: string;
  change: string;
  verdict: Verdict;
}

/** A class: the sign of the text already says the direction. */
type Verdict = "" | "good" | "bad";

export function verdict(now: number, before: number, better: Better): Verdict {
  const change = Math.sign(now - before) * better;
  return change === 0 ? "" : change > 0 ? "good" : "bad";
}

/** True where both modes have the same operators on the NPU. */
export const placedAlike = (a: CompileReport, b: CompileReport): boolean =>
  a.operators.every(({ place }, i) => place === b.operators[i]!.place);

/** All totals; "–" for what one of the modes does not have. */
export function compareTotals(optimised: CompileReport, compatible: CompileReport): Compared[] {
  // A mode that leaves more to the CPU has less of everything that the NPU takes, and is no better for it.
  const alike = placedAlike(optimised, compatible);
  return FIGURES.map(({ name, of, text, better, isOfModel }) => {
    const [now, before] = [of(optimised), of(compatible)];
    const isKnown = now !== null && before !== null;
    return {
      name,
      optimised: now === null ? "–" : text(now),
      compatible: before === null ? "–" : text(before),
      change: isKnown ? changeText(now, before) : "–",
      verdict: isKnown && (alike || isOfModel) ? verdict(now, before, better) : "",
    };
  });
}
