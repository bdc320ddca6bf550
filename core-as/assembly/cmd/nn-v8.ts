// What a descriptor says differently for NN core version 8 (spec/hardware.md 5, 7).
// SPDX-License-Identifier: MIT
import { NnJob } from "../abi";
import { setMember } from "../record";

/** Splits the bits of a positive binary32 factor: all 23 bits below the leading one, and a right shift. */
export function postScaleV8(job: usize, ratioBits: u32): void {
  setMember(job, NnJob.POST_MULTIPLIER, ratioBits & 0x7fffff);
  setMember(job, NnJob.POST_SHIFT, 127 - <i32>(ratioBits >> 23));
}
