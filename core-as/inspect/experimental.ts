// Which mechanisms of a job no capture of any driver shows, read back from its bytes.
// SPDX-License-Identifier: MIT
import type { ExecutableJob, ExecutablePartition } from "../executable/executable.ts";
import { readCoefficientHeader } from "./coefficients.ts";
import { fieldReader } from "./decode.ts";

/** Rows of the tallest tile in captures of version 8. */
const CAPTURED_ROWS_V8 = 4;

type Contents = Uint8Array | null | undefined;
type Reader = (descriptor: Contents, coefficients: Contents, nnCores: number) => string[];

/** Versions whose captures leave something out that their hardware description has. */
const READERS: Readonly<Record<number, Reader>> = { 8: readV8 };

function readV8(descriptor: Contents, coefficients: Contents, nnCores: number): string[] {
  const value = fieldReader("NN", descriptor, 8);
  const header = coefficients && readCoefficientHeader(coefficients, 8, nnCores);
  const found: string[] = [];
  if (value("IMAGE_CACHING_MODE") !== 0) found.push("image cache");
  if (value("KERNEL_CACHING_MODE") !== 0) found.push("kernel cache");
  if (value("TILE_Y_SIZE") > CAPTURED_ROWS_V8) found.push("tall tiles");
  if ((header?.zrlBits ?? 0) > 0) found.push("zero runs");
  return found;
}

/**
 * Experimental mechanisms that a job uses, e.g. ["kernel cache", "tall tiles"]; [] for TP jobs and for core versions whose captures
 * show all of them.
 */
export function experimentsOfJob(
  { buffers }: Pick<ExecutablePartition, "buffers">,
  { kind, descriptors, coefficients }: ExecutableJob,
  { nnCoreVersion, nnCores }: { nnCoreVersion: number; nnCores: number },
): string[] {
  const bytes = (buffer: number | null | undefined): Contents => buffers[buffer ?? -1]?.contents;
  if (kind !== "NN") return [];
  return READERS[nnCoreVersion]?.(bytes(descriptors[0]), bytes(coefficients), nnCores) ?? [];
}
