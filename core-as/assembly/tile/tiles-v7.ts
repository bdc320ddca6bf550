// What tiling depends on for NN core version 7 (spec/lowering.md 7).
// SPDX-License-Identifier: MIT
import { NnJob } from "../abi";
import { member } from "../record";

/** How many rows share one line of the input buffer. */
export function interleaveV7(tileX: i32, kernelX: i32): i32 {
  const footprint = kernelX - 1 + tileX;
  if (footprint > 36) return 1;
  const fitting = tileX > 32 ? 1 : tileX > 16 ? 2 : tileX > 8 ? 4 : 8;
  // The smaller footprint gets the smaller limit; it looks exchanged, but it is what captures show (Q57).
  return footprint > 18 ? min(fitting, 4) : min(fitting, 2);
}

/** Kernels that the accumulation buffer holds for one tile. */
export function kernelsPerTileV7(job: usize, interleave: i32, tileY: i32): i32 {
  const depth = member(job, NnJob.ACCUM_DEPTH);
  const kernels = (depth * interleave) / tileY;
  return member(job, NnJob.TILE_ONE_ROW) != 0 ? min(kernels, depth / 3) : kernels;
}
