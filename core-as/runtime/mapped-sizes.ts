// How much memory a transport maps for each buffer of a partition: whole pages, and room for kernels without a channel.
// SPDX-License-Identifier: MIT
import type { ExecutableJob, ExecutablePartition } from "../executable/executable.ts";
import { alignUp, PAGE_BYTES } from "../executable/format.ts";
import type { Chip } from "../hw/chips.ts";
import { readCoefficientHeader } from "../inspect/coefficients.ts";
import { blockTable, fieldOf, fieldReader } from "../inspect/decode.ts";

/** Every stream of version 7 begins with the width of its zero runs, then its number of kernels in 16 bits. */
const KERNELS_OFFSET = 1;
const STREAM_ALIGN = 64;

/**
 * Bytes to map for each buffer of a partition, multiples of 4096; 0 for the command stream, which the kernel copies.
 *
 * The reference driver gives every NN core of version 7 the same number of kernels, also those that have no channel left
 * (quirk Q1, compatible mode only). Whether the hardware writes their planes is not known, so an output gets room for them:
 * SubmitChecker refuses the submit without. Elsewhere this is each buffer's size in whole pages.
 */
export function mappedSizes(
  partition: ExecutablePartition,
  chip: Pick<Chip, "nnCoreVersion" | "nnCores">,
): number[] {
  const ends = partition.buffers.map(({ bytes }) => bytes);
  if (chip.nnCoreVersion === 7)
    for (const job of partition.jobs)
      if (job.kind === "NN" && job.coefficients !== null)
        extendOutput(partition, job, chip.nnCores, ends);
  return partition.buffers.map(({ role }, index) =>
    role === "stream" ? 0 : alignUp(ends[index]!, PAGE_BYTES),
  );
}

function extendOutput(
  { buffers, relocations }: ExecutablePartition,
  { descriptors, coefficients }: ExecutableJob,
  nnCores: number,
  ends: number[],
): void {
  const value = fieldReader("NN", buffers[descriptors[0]!]?.contents, 7);
  const byteOffset = fieldOf(blockTable("NN"), "OUT_IMAGE_ADDR").parts[0]![0] * 4;
  const output = relocations.find(
    (entry) => entry.buffer === descriptors[0] && entry.byteOffset === byteOffset,
  );
  if (output === undefined) return;
  const kernels = kernelsOf(buffers[coefficients!]?.contents ?? new Uint8Array(0), nnCores);
  // The reference makes less than one for each core; more than that is for the check to refuse.
  if (kernels >= value("OUT_Z_SIZE") + nnCores) return;
  const end = output.addend + kernels * value("OUT_X_STRIDE") * value("OUT_Y_STRIDE");
  if (kernels > value("OUT_Z_SIZE")) ends[output.target] = Math.max(ends[output.target]!, end);
}

/** Kernels in all streams of a version 7 coefficient buffer, as their heads say. */
function kernelsOf(contents: Uint8Array, nnCores: number): number {
  let at = alignUp(4 * nnCores, STREAM_ALIGN);
  let kernels = 0;
  if (contents.length < at) return 0;
  for (const bytes of readCoefficientHeader(contents, 7, nnCores)!.coreBytes) {
    const head = at + KERNELS_OFFSET;
    kernels += (contents[head] ?? 0) + 256 * (contents[head + 1] ?? 0);
    at += bytes;
  }
  return kernels;
}
