// Tile sizes and superblocks of an NN job (spec/lowering.md 7).
// SPDX-License-Identifier: MIT
import { Fault, NnJob, QuirkFlag, Status } from "../abi";
import { clearFault, fail, noteFault } from "../fault";
import { ceilDiv, member, setMember } from "../record";
import { interleaveOf, kernelsPerTile, maxRowsOf, versionKnown } from "../versions";

const MAX_TILE_X = 64;
const MAX_KERNELS = 127;

/** Rows that the input and accumulation buffers allow. */
function rowsPerTile(job: usize, interleave: i32): i32 {
  const rows = member(job, NnJob.INPUT_DEPTH) * interleave - member(job, NnJob.TILE_KERNEL_Y) + 1;
  const limit = interleave * member(job, NnJob.ACCUM_DEPTH);
  if (rows < 0 && (member(job, NnJob.QUIRKS) & QuirkFlag.WRAP_ROWS) != 0) return limit;
  return min(max(rows, 1), limit);
}

function limited(value: i32, limit: i32): i32 {
  return limit > 0 ? min(value, limit) : value;
}

/**
 * Plans TILE_X, TILE_Y, INTERLEAVE, SUPERBLOCKS and KERNELS_PER_CORE of a job record.
 * @returns Status.TILING when not even one kernel fits the accumulation buffer
 */
export function planTiles(job: usize): Status {
  clearFault();
  if (!versionKnown(job)) {
    noteFault(Fault.VALUE, member(job, NnJob.CORE_VERSION));
    return fail(Status.TILING);
  }
  const cores = member(job, NnJob.NN_CORES);
  const tileX = limited(
    min(member(job, NnJob.TILE_OUT_X), MAX_TILE_X),
    member(job, NnJob.TILE_LIMIT_X),
  );
  const interleave = interleaveOf(job, tileX);
  let tileY = min(rowsPerTile(job, interleave), member(job, NnJob.TILE_OUT_Y));
  tileY = limited(min(tileY, maxRowsOf(job)), member(job, NnJob.TILE_LIMIT_Y));
  if (member(job, NnJob.STRIDE) > 1 && (tileY & 1) != 0) tileY -= 1;
  tileY = max(tileY, 1);

  const channels = member(job, NnJob.TILE_OUT_Z);
  const perCore = ceilDiv(channels, cores);
  const fitting = min(min(kernelsPerTile(job, interleave, tileX, tileY), perCore), MAX_KERNELS);
  if (tileX < 1 || fitting < 1) {
    noteFault(Fault.VALUE, tileX < 1 ? tileX : fitting);
    noteFault(Fault.LIMIT, 1);
    return fail(Status.TILING);
  }
  const passes = ceilDiv(channels, cores * fitting);
  const superblocks = ceilDiv(perCore, ceilDiv(channels, passes * cores));

  setMember(job, NnJob.TILE_X, tileX);
  setMember(job, NnJob.TILE_Y, tileY);
  setMember(job, NnJob.INTERLEAVE, interleave);
  setMember(job, NnJob.SUPERBLOCKS, superblocks);
  setMember(
    job,
    NnJob.KERNELS_PER_CORE,
    ceilDiv(ceilDiv(member(job, NnJob.OUT_Z), cores), superblocks),
  );
  return Status.OK;
}
