// Numbers of a benchmark from its samples.
// SPDX-License-Identifier: MIT
import { nearestRank } from "../core-as/runtime/nearest-rank.ts";

export interface Spread {
  median: number;
  p90: number;
  p99: number;
  min: number;
  max: number;
  mean: number;
}

/**
 * Percentiles by nearest rank, and the rest.
 * @param samples at least one
 */
export function spreadOf(samples: readonly number[]): Spread {
  if (samples.length === 0) throw new RangeError("no samples");
  const sorted = Float64Array.from(samples).sort();
  const at = (share: number): number => nearestRank(sorted, share);
  return {
    median: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
    min: sorted[0]!,
    max: sorted.at(-1)!,
    mean: sorted.reduce((sum, value) => sum + value, 0) / sorted.length,
  };
}
