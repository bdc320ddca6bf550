// The cache plan of an NN descriptor: both ranges of on-chip SRAM exist, lie in it and apart (spec/hardware.md 6).
// SPDX-License-Identifier: MIT
import { Status } from "../abi";
import { CheckReason, CheckReport } from "../abi-check";
import { readField } from "../bits/fields";
import { BlockId, Nn } from "../gen/fields";
import { note, noteRange, refuseField, refuseRange } from "./report";

const NONE: u32 = 0;
const FULL: u32 = 1;
const PARTIAL: u32 = 2;
/** Bytes that no kernel cache uses; where image caches go that are no larger. */
const BASE: u32 = 0x800;
/** Ends of ranges are multiples of this. */
const ALIGN: u32 = 128;

/** Kernel patterns of partial caching that are known: last bit, low word, high word. */
const PATTERNS = memory.data<u32>([
  0x13, 0x00080000, 0, 0x3d, 0, 0x2aaaaaa0, 0x3e, 0xffffaaaa, 0x7fffffff, 0x06, 0x7e, 0, 0x3f,
  0xfffffffe, 0xffffffff,
]);
const PATTERN_COUNT: usize = 5;

let source: usize = 0;
let version: u32 = 0;

function get(field: Nn): u32 {
  return readField(BlockId.NN, source, field, version);
}

/** Checks the fields of the descriptor at `src` against `sramBytes` bytes of SRAM. */
export function checkSram(src: usize, coreVersion: u32, sramBytes: u32): Status {
  source = src;
  version = coreVersion;
  let status = checkModes();
  if (status == Status.OK) status = checkPattern();
  if (status == Status.OK) status = checkKernelRange(sramBytes);
  return status == Status.OK ? checkImageRange(sramBytes) : status;
}

/** Captures of version 8 leave both caches off; switched on, they must keep the same rules (docs/cost-model.md, Experimental). */
function checkModes(): Status {
  const image = get(Nn.IMAGE_CACHING_MODE);
  if (image > FULL) return refuseRange(BlockId.NN, Nn.IMAGE_CACHING_MODE, image, NONE, FULL);
  const kernel = get(Nn.KERNEL_CACHING_MODE);
  if (kernel > PARTIAL)
    return refuseRange(BlockId.NN, Nn.KERNEL_CACHING_MODE, kernel, NONE, PARTIAL);
  return Status.OK;
}

function checkPattern(): Status {
  const mode = get(Nn.KERNEL_CACHING_MODE);
  const msb = get(Nn.KERNEL_PATTERN_MSB);
  const low = get(Nn.KERNEL_PATTERN_LOW);
  const high = get(Nn.KERNEL_PATTERN_HIGH);
  if (mode != PARTIAL && msb == 0 && low == 0 && high == 0) return Status.OK;
  for (let i: usize = 0; i < PATTERN_COUNT && mode != FULL; i++) {
    const pattern = PATTERNS + i * 12;
    if (load<u32>(pattern) == msb && load<u32>(pattern, 4) == low && load<u32>(pattern, 8) == high)
      return Status.OK;
  }
  return refuseField(BlockId.NN, Nn.KERNEL_PATTERN_MSB, CheckReason.PATTERN, msb);
}

function refuseMultiple(field: Nn, value: u32): Status {
  note(CheckReport.DETAIL, ALIGN);
  return refuseField(BlockId.NN, field, CheckReason.MULTIPLE, value);
}

/**
 * The kernel cache begins behind the first 0x800 bytes and ends in the SRAM. It is empty when its end is 0, which was
 * captured with partial caching (Q21), or when the whole SRAM is smaller than that beginning, as on one part of
 * the database: the reference's formula then gives the SRAM's size as end.
 */
function checkKernelRange(sramBytes: u32): Status {
  const start = get(Nn.KERNEL_CACHE_START);
  const end = get(Nn.KERNEL_CACHE_END);
  if (start % ALIGN != 0) return refuseMultiple(Nn.KERNEL_CACHE_START, start);
  if (end % ALIGN != 0) return refuseMultiple(Nn.KERNEL_CACHE_END, end);
  if (start < BASE) return refuseRange(BlockId.NN, Nn.KERNEL_CACHE_START, start, BASE, sramBytes);
  if (end > sramBytes) return refuseRange(BlockId.NN, Nn.KERNEL_CACHE_END, end, start, sramBytes);
  const empty = end == 0 || (sramBytes < BASE && end == sramBytes);
  if (end < start && !empty)
    return refuseRange(BlockId.NN, Nn.KERNEL_CACHE_END, end, start, sramBytes);
  return Status.OK;
}

/** An image cache is the first 0x800 bytes or lies behind them; not used, it may name the former on any part. */
function checkImageRange(sramBytes: u32): Status {
  const start = get(Nn.IMAGE_CACHE_START);
  const end = get(Nn.IMAGE_CACHE_END);
  if (start % ALIGN != 0) return refuseMultiple(Nn.IMAGE_CACHE_START, start);
  if (end % ALIGN != 0) return refuseMultiple(Nn.IMAGE_CACHE_END, end);
  if (end < start) return refuseRange(BlockId.NN, Nn.IMAGE_CACHE_END, end, start, sramBytes);
  const first = start == 0 && end == BASE;
  if (first && get(Nn.IMAGE_CACHING_MODE) == NONE) return Status.OK;
  if (start < BASE && !first)
    return refuseRange(BlockId.NN, Nn.IMAGE_CACHE_START, start, BASE, sramBytes);
  if (end > sramBytes) return refuseRange(BlockId.NN, Nn.IMAGE_CACHE_END, end, start, sramBytes);
  if (start < get(Nn.KERNEL_CACHE_END) && get(Nn.KERNEL_CACHE_START) < end) {
    noteRange(get(Nn.KERNEL_CACHE_START), get(Nn.KERNEL_CACHE_END));
    return refuseField(BlockId.NN, Nn.IMAGE_CACHE_START, CheckReason.SRAM_OVERLAP, start);
  }
  return Status.OK;
}
