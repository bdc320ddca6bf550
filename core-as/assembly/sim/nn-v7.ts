// What is special about NN cores of version 7 (spec/hardware.md 5, 7): outputs placed by the
// kernels' offset words, raw inputs in the accumulator, a multiplier of 16 bits.
// SPDX-License-Identifier: MIT
import { Status } from "../abi";
import { readField } from "../bits/fields";
import { BlockId, Nn } from "../gen/fields";
import { failField } from "./faults";
import { NnJob } from "./nn-job";

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

/**
 * (2^15 + mantissa) * 2^-shift. A product with a 32-bit accumulator has at most 48 bits, so it is
 * exact in binary64, and so is its sum with a half wherever that can change the rounding.
 */
export function requantFactorV7(job: NnJob): f64 {
  const power = reinterpret<f64>((<u64>(1023 - job.postShift)) << 52);
  return <f64>(0x8000 + job.postMultiplier) * power;
}
