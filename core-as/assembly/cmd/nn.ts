// Packs an NN descriptor from a planned job record (spec/hardware.md 5, 7). Addresses stay 0: relocations fill them.
// SPDX-License-Identifier: MIT
import { Fault, NnJob, QuirkFlag, Status } from "../abi";
import { resetBlock, writeField } from "../bits/fields";
import { clearFault, fail, noteFault } from "../fault";
import { BlockId, Nn } from "../gen/fields";
import { member, setMember, wordMember } from "../record";
import { planPostFactor, planesFollow } from "../versions";

const POOLING_FIRST_PIXEL = 3;

let target: usize = 0;
let version: u32 = 0;
let status: Status = Status.OK;

/** Writes one field; the first that does not fit decides the status. */
function put(field: Nn, value: i64): void {
  if (status == Status.OK) status = writeField(BlockId.NN, target, field, value, version);
}

/** Sets POST_MULTIPLIER and POST_SHIFT from the three scales. */
function planPostScale(job: usize): Status {
  // Every operation rounds to binary32, as the hardware's driver computes it.
  const product: f32 =
    reinterpret<f32>(member(job, NnJob.IN_SCALE)) *
    reinterpret<f32>(member(job, NnJob.WEIGHT_SCALE));
  const ratio: f32 = product / reinterpret<f32>(member(job, NnJob.OUT_SCALE));
  if (!(ratio > 0) || ratio == Infinity) {
    noteFault(Fault.BLOCK, BlockId.NN);
    noteFault(Fault.FIELD, Nn.POST_SHIFT);
    noteFault(Fault.VALUE, reinterpret<i32>(ratio));
    noteFault(Fault.LIMIT, 7);
    return fail(Status.FIELD_RANGE);
  }
  planPostFactor(job, reinterpret<u32>(ratio));
  if ((member(job, NnJob.QUIRKS) & QuirkFlag.WRAP_SHIFT) != 0) {
    setMember(job, NnJob.POST_SHIFT, member(job, NnJob.POST_SHIFT) & 127);
  }
  return Status.OK;
}

function putGeometry(job: usize): void {
  const pooled = member(job, NnJob.FIRST_PIXEL) != 0;
  put(Nn.KERNEL_X_SIZE, member(job, NnJob.KERNEL_X));
  put(Nn.KERNEL_Y_SIZE, member(job, NnJob.KERNEL_Y));
  put(Nn.KERNEL_Z_SIZE, member(job, NnJob.IN_Z));
  put(Nn.KERNELS_PER_CORE, member(job, NnJob.KERNELS_PER_CORE));
  if (pooled) {
    put(Nn.POOLING, POOLING_FIRST_PIXEL);
    put(Nn.POOLING_XY_SIZE, 0);
  }
  put(Nn.IN_X_SIZE, member(job, NnJob.IN_X));
  put(Nn.IN_Y_SIZE, member(job, NnJob.IN_Y));
  put(Nn.IN_X_OFFSET, member(job, NnJob.OFFSET_X));
  put(Nn.IN_Y_OFFSET, member(job, NnJob.OFFSET_Y));
  put(Nn.OUT_X_SIZE, member(job, NnJob.OUT_X));
  put(Nn.OUT_Y_SIZE, member(job, NnJob.OUT_Y));
  put(Nn.OUT_Z_SIZE, member(job, NnJob.OUT_Z));
  put(Nn.IN_X_STRIDE, member(job, NnJob.IN_X_STRIDE));
  put(Nn.IN_Y_STRIDE, member(job, NnJob.IN_Y_STRIDE));
  put(Nn.OUT_X_STRIDE, member(job, NnJob.OUT_X_STRIDE));
  put(Nn.OUT_Y_STRIDE, member(job, NnJob.OUT_Y_STRIDE));
  put(Nn.TILE_X_SIZE, member(job, NnJob.TILE_X));
  put(Nn.TILE_Y_SIZE, member(job, NnJob.TILE_Y));
}

function putCaches(job: usize): void {
  put(Nn.IMAGE_CACHING_MODE, member(job, NnJob.IMAGE_MODE));
  put(Nn.KERNEL_CACHING_MODE, member(job, NnJob.KERNEL_MODE));
  put(Nn.KERNEL_PATTERN_MSB, member(job, NnJob.PATTERN_MSB));
  put(Nn.KERNEL_PATTERN_LOW, wordMember(job, NnJob.PATTERN_LOW));
  put(Nn.KERNEL_PATTERN_HIGH, wordMember(job, NnJob.PATTERN_HIGH));
  put(Nn.KERNEL_CACHE_START, wordMember(job, NnJob.KERNEL_START));
  put(Nn.KERNEL_CACHE_END, wordMember(job, NnJob.KERNEL_END));
  put(Nn.IMAGE_CACHE_START, wordMember(job, NnJob.IMAGE_START));
  put(Nn.IMAGE_CACHE_END, wordMember(job, NnJob.IMAGE_END));
}

/**
 * Writes the 34 words of a descriptor at `dst`; also sets POST_MULTIPLIER and POST_SHIFT of the record.
 * @returns Status.FIELD_RANGE with block, field, value and bits when a member does not fit its field
 */
export function packNn(job: usize, dst: usize): Status {
  clearFault();
  target = dst;
  version = member(job, NnJob.CORE_VERSION);
  status = planPostScale(job);
  resetBlock(BlockId.NN, dst, version);
  putGeometry(job);
  putCaches(job);
  if (planesFollow(job)) {
    put(Nn.NO_Z_OFFSET, 1);
    put(Nn.NO_FLUSH, 1);
  }
  put(Nn.DEPTHWISE, member(job, NnJob.NATIVE_DEPTHWISE));
  put(Nn.RELU, member(job, NnJob.RELU));
  put(Nn.POST_MULTIPLIER, member(job, NnJob.POST_MULTIPLIER));
  put(Nn.POST_SHIFT, member(job, NnJob.POST_SHIFT));
  put(Nn.IN_BORDER_CONST, member(job, NnJob.IN_ZP));
  put(Nn.COEF_ZERO_POINT, member(job, NnJob.WEIGHT_ZP));
  put(Nn.OUT_ZERO_POINT, member(job, NnJob.OUT_ZP));
  return status;
}
