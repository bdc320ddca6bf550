// Cache plan: which SRAM ranges hold coefficients and input tiles (spec/hardware.md 6).
// SPDX-License-Identifier: MIT
import { CacheSplit, NnJob, QuirkFlag, Status } from "../abi";
import { clearFault } from "../fault";
import { member, setMember } from "../record";
import { cachesOff } from "../versions";

const BASE: u32 = 0x800;
const MIN_KERNEL_END: u32 = 0xa00;

const enum Caching {
  NONE = 0,
  FULL = 1,
  PARTIAL = 2,
}

function align(value: u32, to: u32): u32 {
  return (value + to - 1) & ~(to - 1);
}

/** Sets the kernel pattern, which depends on the number of output channels only. */
function setPattern(job: usize): void {
  const channels = member(job, NnJob.OUT_Z);
  let msb = 0x3f;
  let low: u32 = 0xfffffffe;
  let high: u32 = 0xffffffff;
  if (channels >= 1024) {
    msb = 0x13;
    low = 0x00080000;
    high = 0;
  } else if (channels >= 512) {
    msb = 0x3d;
    low = 0;
    high = 0x2aaaaaa0;
  } else if (channels >= 256) {
    msb = 0x3e;
    low = 0xffffaaaa;
    high = 0x7fffffff;
  } else if (channels >= 160) {
    msb = 0x06;
    low = 0x7e;
    high = 0;
  }
  setMember(job, NnJob.PATTERN_MSB, msb);
  setMember(job, NnJob.PATTERN_LOW, low);
  setMember(job, NnJob.PATTERN_HIGH, high);
}

/**
 * Plans the cache members of a job record; needs TILE_X, TILE_Y, SUPERBLOCKS and COEF_CACHE_BYTES.
 * Nothing of it changes results.
 */
export function planSram(job: usize): Status {
  clearFault();
  const sram = <u32>member(job, NnJob.SRAM_BYTES);
  const coefficients = <u32>member(job, NnJob.COEF_CACHE_BYTES);
  let image: u32 = 0;
  if (member(job, NnJob.SUPERBLOCKS) != 1) {
    const columns = <u32>(member(job, NnJob.TILE_X) + member(job, NnJob.CACHE_KERNEL_X) - 1);
    const rows = <u32>(member(job, NnJob.TILE_Y) + member(job, NnJob.CACHE_KERNEL_Y) - 1);
    image = align(align(columns * rows, 16) * <u32>member(job, NnJob.IN_Z), 128);
  }

  const split = member(job, NnJob.CACHE_SPLIT);
  if (split == CacheSplit.KERNELS && BASE + coefficients < sram) image = 0;
  let kernelEnd: u32;
  if (BASE + coefficients + image < sram) {
    setMember(job, NnJob.KERNEL_MODE, Caching.FULL);
    setMember(job, NnJob.PATTERN_MSB, 0);
    setMember(job, NnJob.PATTERN_LOW, 0);
    setMember(job, NnJob.PATTERN_HIGH, 0);
    kernelEnd = max(min(align(BASE + coefficients, 128), sram), MIN_KERNEL_END);
  } else {
    setMember(job, NnJob.KERNEL_MODE, Caching.PARTIAL);
    setPattern(job);
    if (split == CacheSplit.IMAGE && image != 0 && image + MIN_KERNEL_END <= sram) {
      kernelEnd = sram - image;
    } else if (BASE + coefficients >= sram) {
      kernelEnd = sram;
      image = 0;
    } else if (image > sram) {
      kernelEnd = (member(job, NnJob.QUIRKS) & QuirkFlag.KERNEL_END_ZERO) != 0 ? 0 : sram;
      image = 0;
    } else {
      kernelEnd = sram - image;
    }
  }

  const cached = image != 0;
  const own = cached && image >= BASE;
  setMember(job, NnJob.KERNEL_START, BASE);
  setMember(job, NnJob.KERNEL_END, kernelEnd);
  setMember(job, NnJob.IMAGE_MODE, cached ? Caching.FULL : Caching.NONE);
  setMember(job, NnJob.IMAGE_START, own ? kernelEnd : 0);
  setMember(job, NnJob.IMAGE_END, own ? min(kernelEnd + image, sram) : BASE);
  if (cachesOff(job)) {
    setMember(job, NnJob.KERNEL_MODE, Caching.NONE);
    setMember(job, NnJob.IMAGE_MODE, Caching.NONE);
  }
  return Status.OK;
}
