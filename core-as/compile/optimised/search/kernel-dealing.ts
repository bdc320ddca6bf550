// Kernels dealt to NN cores so that the largest coefficient stream is smallest. Version 7 only: there a kernel says itself where its
// output goes, so that any core may have it, and the streams of a job are cached with the size of the largest one.
// SPDX-License-Identifier: MIT
import { NnJob } from "../../../assembly/abi.ts";
import type { Core } from "../../../core.ts";
import type { ErrorLocation } from "../../../errors.ts";

/** Streams are rounded up to this. */
const ALIGN = 64;

/** A planned job and what it is planned from, all in the core's memory. */
export interface PlannedJob {
  record: number;
  weights: number;
  biases: number;
}

/** Streams that differ by less than this cannot gain: they are rounded up. */
function unequal(words: Int32Array): boolean {
  const sizes = words.subarray(NnJob.CORE_BYTES).filter((bytes) => bytes > 0);
  return Math.max(...sizes) - Math.min(...sizes) >= ALIGN;
}

/**
 * Plans the coefficients of a job with its kernels in another order, where that makes the largest stream smaller (or all of them, the
 * largest being the same), and none of both larger. Without zero runs all kernels are of one size and stay.
 */
export function dealKernels(core: Core, job: PlannedJob, where: ErrorLocation): void {
  const { record, weights, biases } = job;
  const before = core.readWords(record, NnJob.WORDS);
  if (before[NnJob.ZRL_BITS] === 0 || !unequal(before)) return;
  const order = core.alloc(before[NnJob.COEF_KERNELS]! * 4);
  core.call("dealKernels", where, record, weights, biases, order);
  core.writeWords(record + NnJob.KERNEL_ORDER * 4, [order]);
  core.call("planCoefs", where, record, weights, biases);
  const after = core.readWords(record, NnJob.WORDS);
  const [cached, stored] = [NnJob.COEF_CACHE_BYTES, NnJob.COEF_BYTES].map(
    (member) => after[member]! - before[member]!,
  ) as [number, number];
  if (cached <= 0 && stored <= 0 && cached + stored < 0) return;
  core.writeWords(record, before);
}
