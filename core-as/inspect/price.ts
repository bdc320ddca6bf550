// Prices jobs by their bytes: descriptors and coefficient buffers of an executable, or of a driver's capture.
// SPDX-License-Identifier: MIT
import type { JobCost } from "../cost/job-cost.ts";
import { nnCost, type NnShape } from "../cost/nn-cost.ts";
import { ExecutableError } from "../errors.ts";
import { tpCost, type TpShape } from "../cost/tp-cost.ts";
import type { Executable, ExecutablePartition } from "../executable/executable.ts";
import { streamJobs, type StreamJob } from "../executable/stream-jobs.ts";
import { chipByIdentity, type Chip } from "../hw/chips.ts";
import { systemOf, type System } from "../hw/systems.ts";
import { storedCoefficientBytes } from "./coefficients.ts";
import { blockTable, blockWords, readFieldValue } from "./decode.ts";
import { wordsOf } from "./words.ts";

/** What the model asks about a chip. */
export type PricedChip = Pick<Chip, "nnCoreVersion" | "nnCores" | "madPerCore">;

/** A job's bytes. */
export type JobBytes =
  | { kind: "NN"; descriptor: Uint8Array; coefficients: Uint8Array }
  | { kind: "TP"; descriptors: readonly Uint8Array[]; tableBytes: number };

/** Reads the members of a descriptor, and the size of its coefficients, as the cost model wants them. */
export function nnShapeOf(
  descriptor: Uint8Array,
  coefficients: Uint8Array,
  { nnCoreVersion, nnCores, madPerCore }: PricedChip,
): NnShape {
  const block = blockTable("NN");
  const words = blockWords(block, descriptor);
  const value = (name: string): number => readFieldValue(block, words, name, nnCoreVersion);
  const FULL = 1;
  const outZ = value("OUT_Z_SIZE");
  return {
    nnCoreVersion,
    nnCores,
    madPerCore,
    inX: value("IN_X_SIZE"),
    inY: value("IN_Y_SIZE"),
    inZ: value("KERNEL_Z_SIZE"),
    outX: value("OUT_X_SIZE"),
    outY: value("OUT_Y_SIZE"),
    outZ,
    kept: value("POOLING") === 0 ? 1 : 2,
    kernelX: value("KERNEL_X_SIZE"),
    kernelY: value("KERNEL_Y_SIZE"),
    // A stream may come from anywhere; sizes of 0 would make endless tiles.
    tileX: Math.max(value("TILE_X_SIZE"), 1),
    tileY: Math.max(value("TILE_Y_SIZE"), 1),
    kernelsPerCore: Math.max(value("KERNELS_PER_CORE"), 1),
    depthwise: value("DEPTHWISE") === 1,
    imageCached: value("IMAGE_CACHING_MODE") === FULL,
    kernelsCached: value("KERNEL_CACHING_MODE") === FULL,
    coefficientBytes: storedCoefficientBytes(coefficients, nnCoreVersion, nnCores, outZ),
  };
}

/** What one TP descriptor walks. */
export function tpShapeOf(descriptor: Uint8Array, table: number): TpShape {
  const block = blockTable("TP");
  const words = blockWords(block, descriptor);
  const value = (name: string): number => readFieldValue(block, words, name, 7);
  const axis = (name: "X" | "Y"): { visited: number; read: number } => {
    const start = value(`WINDOW_${name}_START`);
    const end = value(`WINDOW_${name}_END`);
    const length = Math.max(end - start + 1, 0);
    const step = value(`TILE_${name}_INC`);
    const tile = value(`TILE_${name}_SIZE`);
    const size = value(`IN_${name}_SIZE`);
    const inside = Math.max(Math.min(end + 1, size) - Math.max(start, 0), 0);
    if (step === 0 || tile === 0) return { visited: 0, read: 0 };
    const visited = Math.ceil(length / step) * tile;
    return { visited, read: Math.min(inside, visited) };
  };
  const [x, y, z] = [axis("X"), axis("Y"), value("IN_Z_SIZE")];
  return { elements: x.visited * y.visited * z, read: x.read * y.read * z, table };
}

/** Cost of a job by its bytes. */
export function priceJob(
  job: JobBytes,
  chip: PricedChip,
  system: Pick<System, "tpElementsPerCycle">,
): JobCost {
  if (job.kind === "NN") return nnCost(nnShapeOf(job.descriptor, job.coefficients, chip));
  return tpCost(
    job.descriptors.map((descriptor) => tpShapeOf(descriptor, job.tableBytes)),
    system,
  );
}

/** Bytes of every job of a partition. */
export function jobBytesOf({ buffers, jobs }: ExecutablePartition): JobBytes[] {
  const contents = (buffer: number | null): Uint8Array =>
    (buffer === null ? null : buffers[buffer]?.contents) ?? new Uint8Array(0);
  return jobs.map(({ kind, descriptors, coefficients }) =>
    kind === "NN"
      ? { kind, descriptor: contents(descriptors[0]!), coefficients: contents(coefficients) }
      : {
          kind,
          descriptors: descriptors.map(contents),
          tableBytes: contents(coefficients).length,
        },
  );
}

/**
 * Of all jobs of an executable, by their index over all partitions: the last job that begins before the stream waits for it.
 * A stream that holds anything but jobs shows nothing that overlaps.
 */
export function lastMoments({ partitions }: Pick<Executable, "partitions">): number[] {
  let before = 0;
  return partitions.flatMap((partition) => {
    const first = before;
    before += partition.jobs.length;
    return partitionMoments(partition).map((job) => first + job);
  });
}

/** The same for one partition. */
export function partitionMoments({ buffers, stream, jobs }: ExecutablePartition): number[] {
  const contents = buffers[stream]!.contents ?? new Uint8Array(0);
  const found = jobsIn(wordsOf(contents, contents.length >> 2));
  return jobs.map((_, i) => found[i]?.until ?? i);
}

function jobsIn(words: Uint32Array): readonly StreamJob[] {
  try {
    return streamJobs(words).jobs;
  } catch (error) {
    if (error instanceof ExecutableError) return [];
    throw error;
  }
}

/** Costs of all jobs of an executable in order of execution; empty for a chip that is not known. */
export function priceExecutable(executable: Executable, system?: System): JobCost[] {
  const chip = chipByIdentity(executable.chip);
  if (chip === undefined) return [];
  const figures = system ?? systemOf(chip.name);
  return executable.partitions.flatMap(jobBytesOf).map((job) => priceJob(job, chip, figures));
}

/** Whether jobs of an executable may run at the same time. */
export const overlaps = (executable: Pick<Executable, "partitions">): boolean =>
  lastMoments(executable).some((until, job) => until > job);
