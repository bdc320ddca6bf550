// One definition of percentiles for benchmarks and boards.
// SPDX-License-Identifier: MIT

/**
 * A percentile by nearest rank: the smallest sample that at least that share of the samples does not exceed.
 * @param sorted at least one sample, smallest first
 * @param share 0..1
 */
export function nearestRank(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
}
