// A job of a held executable, and its descriptor's fields by name.
// SPDX-License-Identifier: MIT
import {
  blockTable,
  chipByIdentity,
  decodeBlock,
  UsageError,
  type ExecutableJob,
  type ExecutablePartition,
} from "../../../core-as/index.ts";
import type { Held } from "../service.ts";

/** Which job a view is about. */
export interface JobArgs {
  partition: number;
  job: number;
}

export interface JobFields {
  partition: ExecutablePartition;
  job: ExecutableJob;
  /** NN core version of the chip; 7 where the chip is not known. */
  version: number;
  /** For each descriptor (TP core) a reader of its fields by name. */
  cores: ((name: string) => number)[];
}

/** @throws UsageError TW_USAGE when the executable has no such partition */
export function partitionOf({ executable }: Held, index: number): ExecutablePartition {
  const partition = executable.partitions[index];
  if (!partition)
    throw new UsageError(
      `there is no partition ${index} of ${executable.partitions.length}`,
      "partition",
    );
  return partition;
}

/** @throws UsageError TW_USAGE when the executable has no such job */
export function fieldsOfJob(held: Held, { partition: index, job: number }: JobArgs): JobFields {
  const partition = partitionOf(held, index);
  const job = partition.jobs[number];
  if (!job)
    throw new UsageError(
      `there is no job ${index}.${number}; the partition has ${partition.jobs.length}`,
      "job",
    );
  const version = chipByIdentity(held.executable.chip)?.nnCoreVersion ?? 7;
  const block = blockTable(job.kind);
  const cores = job.descriptors.map((buffer) => {
    const bytes = partition.buffers[buffer]?.contents ?? new Uint8Array(0);
    const fields = decodeBlock(block, bytes, version);
    const values = new Map(fields.map(({ name, value }) => [name, value]));
    return (name: string): number => {
      const value = values.get(name);
      if (value === undefined) throw new RangeError(`${job.kind} has no field ${name}`);
      return value;
    };
  });
  return { partition, job, version, cores };
}
