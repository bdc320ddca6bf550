// Deals kernels to NN cores so that the largest stream is smallest, NN core version 7: every kernel carries its output offset, so that
// any core may have it, at any place (spec/coefficients-v7.md 4, 8).
// SPDX-License-Identifier: MIT
import { Fault, NnJob, Status } from "../abi";
import { arenaAlloc, arenaMark, arenaReset } from "../arena";
import { fail, noteFault } from "../fault";
import { member } from "../record";
import { coresUsed, dealt, firstSlot, kernelsOfCore, literalsOf, loadJob } from "./walk-v7";

const MAX_CORES = 32;
/** Bits dealt to each core so far, and kernels that it may still get. */
const loads = memory.data(MAX_CORES * 4);
const room = memory.data(MAX_CORES * 4);

/** Members of the list that is sorted: bits above, channel below, so that one comparison orders both. */
function sortDescending(list: usize, count: i32): void {
  // A heap with the least at its root: the largest end in front, in place and in the same order on every host.
  for (let i = count / 2 - 1; i >= 0; i--) sift(list, i, count);
  for (let end = count - 1; end > 0; end--) {
    const least = load<u64>(list);
    store<u64>(list, load<u64>(list + ((<usize>end) << 3)));
    store<u64>(list + ((<usize>end) << 3), least);
    sift(list, 0, end);
  }
}

function sift(list: usize, root: i32, count: i32): void {
  const value = load<u64>(list + ((<usize>root) << 3));
  for (;;) {
    let child = 2 * root + 1;
    if (child >= count) break;
    let at = list + ((<usize>child) << 3);
    if (child + 1 < count && load<u64>(at, 8) < load<u64>(at)) {
      child++;
      at += 8;
    }
    if (load<u64>(at) >= value) break;
    store<u64>(list + ((<usize>root) << 3), load<u64>(at));
    root = child;
  }
  store<u64>(list + ((<usize>root) << 3), value);
}

/** The core with the fewest bits among those that have room; the first of equals. */
function leastLoaded(cores: i32): i32 {
  let best = -1;
  for (let core = 0; core < cores; core++) {
    const at = (<usize>core) << 2;
    if (load<u32>(room + at) == 0) continue;
    if (best < 0 || load<u32>(loads + at) < load<u32>(loads + ((<usize>best) << 2))) best = core;
  }
  return best;
}

/** Place in the order of a core's kernel number `index`. */
function placeOf(core: i32, index: i32, superblocks: i32): i32 {
  for (let sb = 0; sb < superblocks; sb++) {
    const count = dealt(core, sb);
    if (index < count) return firstSlot(core, sb) + index;
    index -= count;
  }
  return 0;
}

/**
 * Orders the kernels of a planned job (SUPERBLOCKS, ZRL_BITS) for KERNEL_ORDER: those with most literals first, each to the core with
 * the fewest bits; a core then has them by falling size, so that the zeros of sparse kernels meet.
 * @param order receives COEF_KERNELS words, each channel once
 * @returns Status.NO_MEMORY, Status.COEFFICIENTS for too many cores
 */
export function dealKernelsV7(job: usize, weights: usize, biases: usize, order: usize): Status {
  loadJob(job, weights, biases);
  const cores = coresUsed();
  if (cores > MAX_CORES) {
    noteFault(Fault.VALUE, cores);
    noteFault(Fault.LIMIT, MAX_CORES);
    return fail(Status.COEFFICIENTS);
  }
  const kernels = member(job, NnJob.COEF_KERNELS);
  const mark = arenaMark();
  const list = arenaAlloc((<usize>kernels) << 3);
  if (list == 0) return fail(Status.NO_MEMORY);
  const width = <u32>member(job, NnJob.ZRL_BITS);
  const taps =
    <u32>(member(job, NnJob.COEF_PLANES) * member(job, NnJob.ROWS)) * <u32>member(job, NnJob.COLS);
  for (let channel = 0; channel < kernels; channel++) {
    const literals = <u32>literalsOf(channel);
    const pairs = literals + ((taps - literals) >> width);
    const bits = 64 + pairs * (8 + width);
    // Of equals, the first channel comes first.
    store<u64>(
      list + ((<usize>channel) << 3),
      ((<u64>bits) << 32) | (<u64>(0xffffffff - <u32>channel)),
    );
  }
  sortDescending(list, kernels);
  for (let core = 0; core < cores; core++) {
    store<u32>(loads + ((<usize>core) << 2), 0);
    store<u32>(room + ((<usize>core) << 2), kernelsOfCore(core));
  }
  const superblocks = member(job, NnJob.SUPERBLOCKS);
  for (let i = 0; i < kernels; i++) {
    const entry = load<u64>(list + ((<usize>i) << 3));
    const core = leastLoaded(cores);
    const at = (<usize>core) << 2;
    const left = load<u32>(room + at);
    const place = placeOf(core, kernelsOfCore(core) - left, superblocks);
    store<u32>(order + ((<usize>place) << 2), 0xffffffff - <u32>entry);
    store<u32>(room + at, left - 1);
    store<u32>(loads + at, load<u32>(loads + at) + <u32>(entry >> 32));
  }
  arenaReset(mark);
  return Status.OK;
}
