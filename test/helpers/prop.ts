// Settings of property tests: FC_SEED and FC_RUNS override; fast-check prints seed and path when one fails.
// SPDX-License-Identifier: MIT
import type { Parameters } from "fast-check";

export function propSettings<T>(runs: number): Parameters<T> {
  const seed = process.env["FC_SEED"];
  return {
    numRuns: Number(process.env["FC_RUNS"] ?? runs),
    seed: seed === undefined ? 20240601 : Number(seed),
  };
}
