// What time line and roofline show, before anything is drawn: marks, roofs, ticks. Shared by the HTML report and the preview.
// SPDX-License-Identifier: MIT
import type { Bound } from "../cost/job-cost.ts";
import { multipliersOf } from "../cost/nn-cost.ts";
import type { Chip } from "../hw/chips.ts";
import type { JobReport } from "./report-jobs.ts";
import type { CompileReport } from "./report.ts";

/** What a job's mark looks like. */
export type MarkKind = Bound | "tp";

/** Class of a job's mark: how it is bound, or that it only moves values. */
export const markKind = ({ kind, prediction }: Pick<JobReport, "kind" | "prediction">): MarkKind =>
  kind === "TP" ? "tp" : (prediction?.bound ?? "memory");

/** Four to nine round steps from 0. */
export function ticks(longest: number): number[] {
  const power = 10 ** Math.floor(Math.log10(longest / 4));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => longest / n <= 9)!;
  const places = Math.max(0, -Math.floor(Math.log10(step)));
  return Array.from({ length: Math.floor(longest / step) + 1 }, (_, i) =>
    Number((i * step).toFixed(places)),
  );
}

/** A job in the roofline. */
export interface RooflineMark {
  job: JobReport;
  /** Multiply-accumulates for each byte from and to DRAM. */
  intensity: number;
  /** 10^9 multiply-accumulates a second that the job reaches, overhead counted. */
  speed: number;
}

export interface Roofline {
  /** 10^9 multiply-accumulates a second that all multipliers do. */
  peak: number;
  bandwidthGBs: number;
  /** Intensity from which on multipliers and not memory bound a job. */
  corner: number;
  marks: RooflineMark[];
  /** Exponents of ten of the axes' ends: intensity low..high, speed bottom..top. */
  decades: { low: number; high: number; bottom: number; top: number };
}

/**
 * The roofline of a report's NN jobs: those that multiply and move anything.
 * @returns null for a chip that is not known, and where no job multiplies
 */
export function rooflineOf(report: CompileReport, chip: Chip | undefined): Roofline | null {
  const marks = report.jobs.flatMap((job): RooflineMark[] => {
    const { prediction } = job;
    if (!prediction || prediction.macs === 0 || prediction.dramBytes === 0) return [];
    const intensity = prediction.macs / prediction.dramBytes;
    return [{ job, intensity, speed: prediction.macs / (prediction.ms * 1e6) }];
  });
  if (chip === undefined || marks.length === 0) return null;
  const { clockMHz, bandwidthGBs } = report.system;
  const peak = (multipliersOf(chip) * clockMHz) / 1e3;
  const corner = peak / bandwidthGBs;
  const intensities = [corner, ...marks.map((mark) => mark.intensity)];
  const speeds = [peak, ...marks.map((mark) => mark.speed)];
  return {
    ...{ peak, bandwidthGBs, corner, marks },
    decades: {
      low: Math.floor(Math.log10(Math.min(...intensities))),
      high: Math.ceil(Math.log10(Math.max(...intensities) * 1.1)),
      bottom: Math.floor(Math.log10(Math.min(...speeds))),
      top: Math.ceil(Math.log10(peak * 1.1)),
    },
  };
}
