// What is special about NN cores of version 7 (spec/hardware.md 5, 7): outputs placed by the
// kernels' offset words, raw inputs in the accumulator, a multiplier of 16 bits.
// SPDX-License-Identifier: MIT
import { Status } from "../abi";
import { readField } from "../bits/fields";
import { BlockId, Nn } from "../gen/fields";
import { failField } from "./faults";
import { NnJob } from "./nn-job";

/** Inputs are multiplied as they are. */
export const INPUT_CENTRE_V7: i32 = 0;

/** Fields that version 7 does not have, or that were captured with one value only. */
export function checkNnV7(job: NnJob, src: usize): Status {
  const noZOffset = readField(BlockId.NN, src, Nn.NO_Z_OFFSET, 7);
  if (noZOffset != 0) return failField(BlockId.NN, Nn.NO_Z_OFFSET, noZOffset);
  const noFlush = readField(BlockId.NN, src, Nn.NO_FLUSH, 7);
  if (noFlush != 0) return failField(BlockId.NN, Nn.NO_FLUSH, noFlush);
  const depthwise = readField(BlockId.NN, src, Nn.DEPTHWISE, 7);
  if (depthwise != 0) return failField(BlockId.NN, Nn.DEPTHWISE, depthwise);
  return Status.OK;
}

/** Leading one and 15 bits below it. */
export function requantMultiplierV7(job: NnJob): u32 {
  return 0x8000 + job.postMultiplier;
}

/** Right shift of the product with the multiplier. */
export function requantShiftV7(job: NnJob): u32 {
  return job.postShift;
}

/** Every kernel carries the offset of its output plane. */
export function planeOffsetV7(word: u32): u64 {
  return word;
}
