// What a descriptor says differently for NN core version 7 (spec/hardware.md 7).
// SPDX-License-Identifier: MIT
import { NnJob, QuirkFlag } from "../abi";
import { member, setMember } from "../record";

/** Splits the bits of a positive binary32 factor: 15 bits below the leading one, and a right shift. */
export function postScaleV7(job: usize, ratioBits: u32): void {
  let bits = ratioBits;
  // Rounding half up in the integer form carries into the exponent by itself.
  if ((member(job, NnJob.QUIRKS) & QuirkFlag.TRUNCATE_MULTIPLIER) == 0) bits += 0x80;
  setMember(job, NnJob.POST_MULTIPLIER, (bits & 0x7fffff) >> 8);
  setMember(job, NnJob.POST_SHIFT, 142 - <i32>(bits >> 23));
}
