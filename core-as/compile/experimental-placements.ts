// Placements of operators whose jobs use what no capture of any driver shows say so.
// SPDX-License-Identifier: MIT
import type { ExecutablePartition, Placement } from "../executable/executable.ts";
import type { Chip } from "../hw/chips.ts";
import { experimentsOfJob } from "../inspect/experimental.ts";

/** The placements, with the evidence of operators that have experimental jobs replaced. */
export function labelExperiments(
  placements: readonly Placement[],
  partitions: readonly ExecutablePartition[],
  chip: Chip,
): Placement[] {
  const ops = new Set(
    partitions.flatMap((partition) =>
      partition.jobs
        .filter((job) => experimentsOfJob(partition, job, chip).length > 0)
        .map(({ sourceOp }) => sourceOp),
    ),
  );
  return placements.map((placement) =>
    ops.has(placement.op)
      ? { ...placement, evidence: "experimental: no capture shows this" }
      : placement,
  );
}
