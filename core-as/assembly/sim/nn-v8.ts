// What is special about NN cores of version 8 (spec/hardware.md 5, 7): output planes follow each
// other, inputs centred at 128 in the accumulator, a multiplier of 24 bits, depthwise jobs.
// SPDX-License-Identifier: MIT
import { Status } from "../abi";
import { readField } from "../bits/fields";
import { BlockId, Nn } from "../gen/fields";
import { failField } from "./faults";
import { NnJob } from "./nn-job";

/** Subtracted from every input byte; the biases hold what that adds. */
export const INPUT_CENTRE_V8: i32 = 128;

/** Bits of the multiplier below its leading one. */
const MANTISSA_BITS: u32 = 23;

/** Fields that were captured with one value only, and what depthwise jobs must be like. */
export function checkNnV8(job: NnJob, src: usize): Status {
  const noZOffset = readField(BlockId.NN, src, Nn.NO_Z_OFFSET, 8);
  if (noZOffset != 1) return failField(BlockId.NN, Nn.NO_Z_OFFSET, noZOffset);
  const noFlush = readField(BlockId.NN, src, Nn.NO_FLUSH, 8);
  if (noFlush != 1) return failField(BlockId.NN, Nn.NO_FLUSH, noFlush);
  // Output channel o reads input plane o: with other counts nobody knows what is read.
  if (job.depthwise && job.kernelZ != job.outZ)
    return failField(BlockId.NN, Nn.KERNEL_Z_SIZE, job.kernelZ);
  return Status.OK;
}

/** Leading one and mantissa. */
export function requantMultiplierV8(job: NnJob): u32 {
  return (1 << MANTISSA_BITS) + job.postMultiplier;
}

/** Right shift of the product with the multiplier. */
export function requantShiftV8(job: NnJob): u32 {
  return job.postShift + MANTISSA_BITS;
}

/** Output planes follow each other in the order of channels. */
export function planeOffsetV8(job: NnJob, channel: u32): u64 {
  return <u64>channel * job.outPlane;
}
