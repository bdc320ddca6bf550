// How small coefficients became.
// SPDX-License-Identifier: MIT
import type { JobReport } from "../../../core-as/index.ts";

export interface Compression {
  /** Bytes of all coefficient buffers, headers, biases and output offsets included. */
  bytes: number;
  /** Weights that they stand for, zeros of expanded kernels included. */
  weights: number;
  bitsPerWeight: number;
  /** bytes for each weight: 1 = as large as plain bytes. */
  ratio: number;
}

/** Sums over all NN jobs; null when none has coefficients. */
export function compressionOf(jobs: readonly Pick<JobReport, "nn">[]): Compression | null {
  let [bytes, weights] = [0, 0];
  for (const { nn } of jobs) {
    bytes += nn?.coefficients?.bytes ?? 0;
    weights += nn?.coefficients?.weights ?? 0;
  }
  if (weights === 0) return null;
  return { bytes, weights, bitsPerWeight: (8 * bytes) / weights, ratio: bytes / weights };
}
