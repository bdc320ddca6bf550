// The input of an NN job as the kernels' loops see it: every read is inside, border pixels are
// really there.
// SPDX-License-Identifier: MIT
import { Status } from "../abi";
import { failLimit, simFail } from "./faults";
import { spend } from "./limits";
import { NnJob } from "./nn-job";
import { Area, scratch } from "./scratch";

const PADDED_BYTES_MAX: u64 = 0x40000000;
/** Vector loads and stores run over the end of a row by less than this. */
const SLACK: u64 = 64;

/** Output pixel (X, Y) reads tap (x, y, z) at base + z*plane + (Y*step + y)*row + X*step + x. */
@unmanaged
export class NnView {
  base: usize;
  row: u32;
  plane: usize;
  step: u32;
  /** Kept output pixels; a pointwise job is one long row. */
  columns: u32;
  rows: u32;
  outRow: u32;
}

export const nnView: NnView = changetype<NnView>(memory.data(offsetof<NnView>(), 8));

/** Input columns that the kernels cover, in one row. */
function spanX(job: NnJob): u32 {
  return (job.outX - 1) * job.step + job.kernelX;
}

function spanY(job: NnJob): u32 {
  return (job.outY - 1) * job.step + job.kernelY;
}

/**
 * First input byte that the job reads, as distance from the input address; valid if readBytes is
 * not 0.
 */
export function readBytes(job: NnJob): u64 {
  const right = min<i32>(<i32>job.inX, job.offsetX + <i32>spanX(job));
  const bottom = min<i32>(<i32>job.inY, job.offsetY + <i32>spanY(job));
  if (right <= 0 || bottom <= 0) return 0;
  return <u64>(job.kernelZ - 1) * job.inPlane + <u64>(bottom - 1) * <u64>job.inRow + <u64>right;
}

/**
 * Makes nnView for a job whose input is at `input`; copies the input only when it needs a border.
 */
export function makeView(job: NnJob, input: usize): Status {
  const view = nnView;
  const inside =
    job.offsetX == 0 && job.offsetY == 0 && spanX(job) <= job.inX && spanY(job) <= job.inY;
  view.step = job.step;
  view.columns = job.outX;
  view.rows = job.outY;
  view.outRow = job.outRow;
  if (inside) {
    view.base = input;
    view.row = job.inRow;
    view.plane = <usize>job.inPlane;
  } else {
    const plane = <u64>spanX(job) * <u64>spanY(job);
    const bytes = plane * <u64>job.kernelZ + SLACK;
    if (plane > PADDED_BYTES_MAX || bytes > PADDED_BYTES_MAX) return failLimit(bytes);
    const status = spend(bytes);
    if (status != Status.OK) return status;
    view.base = scratch(Area.PADDED, bytes);
    if (view.base == 0) return simFail(Status.NO_MEMORY);
    view.row = spanX(job);
    view.plane = <usize>plane;
    copyPadded(job, input, view.base);
  }
  const pointwise = job.kernelX == 1 && job.kernelY == 1 && job.step == 1;
  if (pointwise && view.row == job.outX && job.outRow == job.outX) {
    view.columns = job.outX * job.outY;
    view.rows = 1;
  }
  return Status.OK;
}

/** Fills `count` bytes and up to 15 more; what follows is written later. */
function fillOver(dst: usize, value: v128, count: u32): void {
  for (let i: u32 = 0; i < count; i += 16) v128.store(dst + i, value);
}

function copyOver(dst: usize, src: usize, count: u32): void {
  for (let i: u32 = 0; i < count; i += 16) v128.store(dst + i, v128.load(src + i));
}

/** Writes the padded planes strictly in order of address, so that overrunning stores do no harm. */
function copyPadded(job: NnJob, input: usize, dst: usize): void {
  const width = spanX(job);
  const height = <i32>spanY(job);
  const border = i8x16.splat(<i8>job.border);
  const left = min<u32>(width, <u32>-job.offsetX);
  const middle = min<u32>(job.inX, width - left);
  const right = width - left - middle;
  for (let z: u32 = 0; z < job.kernelZ; z++) {
    const plane = input + <usize>z * <usize>job.inPlane;
    for (let y = job.offsetY; y < job.offsetY + height; y++, dst += width) {
      if (y < 0 || y >= <i32>job.inY) {
        fillOver(dst, border, width);
        continue;
      }
      fillOver(dst, border, left);
      copyOver(dst + left, plane + <usize>y * <usize>job.inRow, middle);
      fillOver(dst + left + middle, border, right);
    }
  }
}
