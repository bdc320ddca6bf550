// What tiling depends on for NN core version 8 (spec/lowering.md 7).
// SPDX-License-Identifier: MIT
import { NnJob } from "../abi";
import { ceilDiv, member } from "../record";

/** Captures never show taller tiles. */
const MAX_ROWS = 4;
/** Output values that a core computes at once. */
const MAD_UNITS = 64;

/** How many rows share one line of the input buffer. */
export function interleaveV8(tileX: i32, kernelX: i32): i32 {
  const footprint = kernelX - 1 + tileX;
  if (footprint > 36) return 1;
  const fitting = tileX > 32 ? 1 : tileX > 16 ? 2 : 4;
  return footprint > 18 ? min(fitting, 2) : fitting;
}

/** Bound on rows per tile besides the buffers'. */
export function maxRowsV8(): i32 {
  return MAX_ROWS;
}

/** Kernels that the accumulation buffer holds for one tile. */
export function kernelsPerTileV8(job: usize, interleave: i32, tileX: i32, tileY: i32): i32 {
  const depth = member(job, NnJob.ACCUM_DEPTH);
  const stride = member(job, NnJob.STRIDE);
  const kernels =
    member(job, NnJob.TILE_ONE_ROW) != 0
      ? depth / ceilDiv(tileY, interleave)
      : depth / (ceilDiv(ceilDiv(tileY * tileX, stride), MAD_UNITS) * stride);
  return min(kernels, (depth * 6) / 9);
}
