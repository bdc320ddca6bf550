// What the memory panel shows: places of tensors over the jobs of a submit, and how each job splits on-chip memory.
// SPDX-License-Identifier: MIT
import { chipByIdentity, memoryMap, type MemoryRow } from "../../../core-as/index.ts";
import type { Held } from "../service.ts";
import { fieldsOfJob } from "./job-fields.ts";

/** Bytes start..end-1 of on-chip memory. */
export interface SramRange {
  mode: "FULL" | "PARTIAL";
  start: number;
  end: number;
}

/** On-chip memory during one job; both null for TP jobs and where nothing is cached. */
export interface SramRow {
  kind: "NN" | "TP";
  op: string;
  sourceOp: number;
  image: SramRange | null;
  kernels: SramRange | null;
}

export interface PartitionMemory {
  partition: number;
  jobs: number;
  /** Bytes of all tensor buffers. */
  bytes: number;
  rows: MemoryRow[];
  /** Bytes that hold something, by moment: before the first job, during each job, after the last one. */
  live: number[];
  /** The moment with most of them, as an index of `live`. */
  peak: { moment: number; bytes: number };
  sram: SramRow[];
}

export interface MemoryData {
  partitions: PartitionMemory[];
  /** On-chip memory of the chip; 0 for a chip that is not known. */
  sramBytes: number;
}

const MODES = [null, "FULL", "PARTIAL"] as const;

/** Memory of every partition: bytes of buffers, jobs as indices. */
export function memoryData(held: Held): MemoryData {
  const { executable } = held;
  return {
    partitions: executable.partitions.map(({ jobs }, partition): PartitionMemory => {
      const { bytes, rows } = memoryMap(executable, partition);
      const live = liveBytes(rows, jobs.length);
      const most = Math.max(...live);
      const peak = { moment: live.indexOf(most), bytes: most };
      const sram = jobs.map((_, job) => sramRow(held, partition, job));
      return { partition, jobs: jobs.length, bytes, rows, live, peak, sram };
    }),
    sramBytes: chipByIdentity(executable.chip)?.vipSramBytes ?? 0,
  };
}

/** Bytes that rows cover at each moment; what two rows share while one replaces the other counts once. */
function liveBytes(rows: readonly MemoryRow[], jobs: number): number[] {
  const byPlace = [...rows].sort((a, b) => a.offset - b.offset);
  return Array.from({ length: jobs + 2 }, (_, moment) => {
    let covered = 0;
    let end = 0;
    for (const { offset, bytes, firstJob, lastJob } of byPlace) {
      if (firstJob + 1 > moment || lastJob + 1 < moment) continue;
      covered += Math.max(0, offset + bytes - Math.max(offset, end));
      end = Math.max(end, offset + bytes);
    }
    return covered;
  });
}

function sramRow(held: Held, partition: number, number: number): SramRow {
  const { job, cores } = fieldsOfJob(held, { partition, job: number });
  const { kind, op, sourceOp } = job;
  const value = cores[0];
  if (kind === "TP" || !value) return { kind, op, sourceOp, image: null, kernels: null };
  const range = (which: "IMAGE" | "KERNEL"): SramRange | null => {
    const mode = MODES[value(`${which}_CACHING_MODE`)] ?? null;
    const [start, end] = [value(`${which}_CACHE_START`), value(`${which}_CACHE_END`)];
    return mode === null ? null : { mode, start, end };
  };
  return { kind, op, sourceOp, image: range("IMAGE"), kernels: range("KERNEL") };
}
