// What a job costs: cycles, bytes to and from DRAM, and with a system's figures a time (spec/cost-model.md).
// SPDX-License-Identifier: MIT
import type { System } from "../hw/systems.ts";

/** What a job does, before any clock or bandwidth. */
export interface JobCost {
  /** Cycles of the slowest core. */
  cycles: number;
  /** Bytes read from DRAM: images with the halo of their tiles, as often as no cache holds them. */
  inputBytes: number;
  /** Bytes of coefficients (or of a look-up table) read from DRAM. */
  coefficientBytes: number;
  /** Bytes written to DRAM. */
  outputBytes: number;
  /** Bytes that caches kept from being read again. */
  cachedBytes: number;
  /** Multiply-accumulates that the job is asked for, those with zero weights included; 0 for TP jobs. */
  macs: number;
  /** Share of the multipliers that these occupy, 0..1; 0 for TP jobs. */
  utilisation: number;
}

/** What bounds a job's time. */
export type Bound = "compute" | "memory";

/** Predicted time of a job. */
export interface JobTime {
  /** Time of the multipliers or of the TP cores alone, in milliseconds. */
  computeMs: number;
  /** Time of the DRAM traffic alone, in milliseconds. */
  memoryMs: number;
  /** The longer one of the two and the overhead. */
  ms: number;
  /** What the time is bound by. */
  bound: Bound;
}

/** Bytes from and to DRAM of a job: inputs, coefficients and outputs. */
export const dramBytes = (cost: JobCost): number =>
  cost.inputBytes + cost.coefficientBytes + cost.outputBytes;

/** Predicted time of one job. */
export function jobTime(cost: JobCost, system: System): JobTime {
  const computeMs = cost.cycles / (system.clockMHz * 1e3);
  const memoryMs = dramBytes(cost) / (system.bandwidthGBs * 1e6);
  return {
    computeMs,
    memoryMs,
    ms: Math.max(computeMs, memoryMs) + system.overheadUs / 1e3,
    bound: computeMs > memoryMs ? "compute" : "memory",
  };
}

/** Predicted time of jobs one after the other, in milliseconds. */
export const totalMs = (costs: readonly JobCost[], system: System): number =>
  costs.reduce((sum, cost) => sum + jobTime(cost, system).ms, 0);
