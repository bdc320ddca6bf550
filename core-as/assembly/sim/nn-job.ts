// An NN descriptor as a record: read through the generated table, refused when it asks for what is
// not modelled (spec/hardware.md 5 to 7). What differs between core versions is in nn-v7.ts.
// SPDX-License-Identifier: MIT
import { Status } from "../abi";
import { readField } from "../bits/fields";
import { BlockId, Nn } from "../gen/fields";
import { checkDescriptor } from "./descriptor";
import { failField } from "./faults";

@unmanaged
export class NnJob {
  kernelX: u32;
  kernelY: u32;
  kernelZ: u32;
  kernelsPerCore: u32;
  /** Distance of kept output pixels: 2 with first-pixel pooling, else 1. */
  step: u32;
  inX: u32;
  inY: u32;
  /** Input pixel that output pixel (0, 0) reads first. */
  offsetX: i32;
  offsetY: i32;
  inRow: u32;
  inPlane: u64;
  inAddr: u32;
  border: u32;
  /** Kept output pixels. */
  outX: u32;
  outY: u32;
  outZ: u32;
  outRow: u32;
  outPlane: u64;
  outAddr: u32;
  kernelAddr: u32;
  relu: bool;
  weightZp: u32;
  outZp: i32;
  /** As in the descriptor; their meaning depends on the version. */
  postMultiplier: u32;
  postShift: u32;
}

export const nnJob: NnJob = changetype<NnJob>(memory.data(offsetof<NnJob>(), 8));

/** Fields that this file and the executor read. All others must have their reset values. */
const MODELLED = memory.data<i32>([
  Nn.KERNEL_X_SIZE,
  Nn.KERNEL_Z_SIZE,
  Nn.KERNELS_PER_CORE,
  Nn.POOLING,
  Nn.POOLING_XY_SIZE,
  Nn.IN_X_SIZE,
  Nn.IN_Y_SIZE,
  Nn.IN_X_OFFSET,
  Nn.IN_Y_OFFSET,
  Nn.RELU,
  Nn.POST_MULTIPLIER,
  Nn.POST_SHIFT,
  Nn.NO_Z_OFFSET,
  Nn.NO_FLUSH,
  Nn.DEPTHWISE,
  Nn.OUT_X_SIZE,
  Nn.OUT_Y_SIZE,
  Nn.OUT_Z_SIZE,
  Nn.TILE_X_SIZE,
  Nn.TILE_Y_SIZE,
  Nn.KERNEL_ADDR,
  Nn.IN_IMAGE_ADDR,
  Nn.OUT_IMAGE_ADDR,
  Nn.IMAGE_CACHING_MODE,
  Nn.KERNEL_CACHING_MODE,
  Nn.KERNEL_PATTERN_MSB,
  Nn.KERNEL_Y_SIZE,
  Nn.OUT_Y_STRIDE,
  Nn.KERNEL_PATTERN_LOW,
  Nn.KERNEL_PATTERN_HIGH,
  Nn.KERNEL_CACHE_START,
  Nn.KERNEL_CACHE_END,
  Nn.IMAGE_CACHE_START,
  Nn.IMAGE_CACHE_END,
  Nn.IN_BORDER_CONST,
  Nn.IN_X_STRIDE,
  Nn.IN_Y_STRIDE,
  Nn.OUT_X_STRIDE,
  Nn.COEF_ZERO_POINT,
  Nn.OUT_ZERO_POINT,
]);
const MODELLED_COUNT = 40;

const POOLING_NONE: u32 = 0;
const POOLING_FIRST_PIXEL: u32 = 3;
const CACHE_FULL: u32 = 1;
const CACHE_PARTIAL: u32 = 2;
/** Both SRAM regions are multiples of this. */
const SRAM_ALIGN: u32 = 128;

/** Kernel patterns of partial caching that were captured: last bit, low word, high word. */
const PATTERNS = memory.data<u32>([
  0x13, 0x00080000, 0, 0x3d, 0, 0x2aaaaaa0, 0x3e, 0xffffaaaa, 0x7fffffff, 0x06, 0x7e, 0, 0x3f,
  0xfffffffe, 0xffffffff,
]);

function field(src: usize, name: Nn, version: u32): u32 {
  return readField(BlockId.NN, src, name, version);
}

function bad(name: Nn, value: u32): Status {
  return failField(BlockId.NN, name, value);
}

/** Reads and checks a descriptor into nnJob. */
export function parseNn(src: usize, version: u32): Status {
  let status = checkDescriptor(BlockId.NN, src, version, MODELLED, MODELLED_COUNT);
  if (status == Status.OK) status = parseShape(src, version);
  if (status == Status.OK) status = parseMemory(src, version);
  if (status == Status.OK) status = checkPlan(src, version);
  return status;
}

function parseShape(src: usize, version: u32): Status {
  const job = nnJob;
  const pooling = field(src, Nn.POOLING, version);
  const firstPixel = pooling == POOLING_FIRST_PIXEL;
  if (!firstPixel && pooling != POOLING_NONE) return bad(Nn.POOLING, pooling);
  const poolingSize = field(src, Nn.POOLING_XY_SIZE, version);
  if (poolingSize != (firstPixel ? 0 : 1)) return bad(Nn.POOLING_XY_SIZE, poolingSize);
  job.step = firstPixel ? 2 : 1;

  job.kernelX = field(src, Nn.KERNEL_X_SIZE, version);
  job.kernelY = field(src, Nn.KERNEL_Y_SIZE, version);
  job.kernelZ = field(src, Nn.KERNEL_Z_SIZE, version);
  job.kernelsPerCore = field(src, Nn.KERNELS_PER_CORE, version);
  if (job.kernelX == 0) return bad(Nn.KERNEL_X_SIZE, 0);
  if (job.kernelY == 0) return bad(Nn.KERNEL_Y_SIZE, 0);
  if (job.kernelZ == 0) return bad(Nn.KERNEL_Z_SIZE, 0);
  if (job.kernelsPerCore == 0) return bad(Nn.KERNELS_PER_CORE, 0);

  job.inX = field(src, Nn.IN_X_SIZE, version);
  job.inY = field(src, Nn.IN_Y_SIZE, version);
  if (job.inX == 0) return bad(Nn.IN_X_SIZE, 0);
  if (job.inY == 0) return bad(Nn.IN_Y_SIZE, 0);
  job.offsetX = <i32>field(src, Nn.IN_X_OFFSET, version);
  job.offsetY = <i32>field(src, Nn.IN_Y_OFFSET, version);
  // Only padding was captured; a job that skips columns or rows moves its input address instead.
  if (job.offsetX > 0) return bad(Nn.IN_X_OFFSET, job.offsetX);
  if (job.offsetY > 0) return bad(Nn.IN_Y_OFFSET, job.offsetY);

  const outX = field(src, Nn.OUT_X_SIZE, version);
  const outY = field(src, Nn.OUT_Y_SIZE, version);
  job.outZ = field(src, Nn.OUT_Z_SIZE, version);
  if (outX == 0 || outX % job.step != 0) return bad(Nn.OUT_X_SIZE, outX);
  if (outY == 0 || outY % job.step != 0) return bad(Nn.OUT_Y_SIZE, outY);
  if (job.outZ == 0) return bad(Nn.OUT_Z_SIZE, 0);
  job.outX = outX / job.step;
  job.outY = outY / job.step;
  return Status.OK;
}

function parseMemory(src: usize, version: u32): Status {
  const job = nnJob;
  job.kernelAddr = field(src, Nn.KERNEL_ADDR, version);
  job.inAddr = field(src, Nn.IN_IMAGE_ADDR, version);
  job.outAddr = field(src, Nn.OUT_IMAGE_ADDR, version);

  job.inRow = field(src, Nn.IN_X_STRIDE, version);
  if (job.inRow < job.inX) return bad(Nn.IN_X_STRIDE, job.inRow);
  const inRows = field(src, Nn.IN_Y_STRIDE, version);
  if (inRows < job.inY) return bad(Nn.IN_Y_STRIDE, inRows);
  job.inPlane = <u64>job.inRow * <u64>inRows;

  job.outRow = field(src, Nn.OUT_X_STRIDE, version);
  if (job.outRow < job.outX) return bad(Nn.OUT_X_STRIDE, job.outRow);
  const outRows = field(src, Nn.OUT_Y_STRIDE, version);
  if (outRows < job.outY) return bad(Nn.OUT_Y_STRIDE, outRows);
  job.outPlane = <u64>job.outRow * <u64>outRows;

  job.border = field(src, Nn.IN_BORDER_CONST, version);
  if (job.border > 255) return bad(Nn.IN_BORDER_CONST, job.border);
  job.weightZp = field(src, Nn.COEF_ZERO_POINT, version);
  job.outZp = <i32>field(src, Nn.OUT_ZERO_POINT, version);
  job.relu = field(src, Nn.RELU, version) != 0;
  job.postMultiplier = field(src, Nn.POST_MULTIPLIER, version);
  job.postShift = field(src, Nn.POST_SHIFT, version);
  return Status.OK;
}

/** Tiles and SRAM plan change no result; what cannot be a plan is still refused. */
function checkPlan(src: usize, version: u32): Status {
  const tileX = field(src, Nn.TILE_X_SIZE, version);
  const tileY = field(src, Nn.TILE_Y_SIZE, version);
  if (tileX == 0) return bad(Nn.TILE_X_SIZE, 0);
  if (tileY == 0) return bad(Nn.TILE_Y_SIZE, 0);

  const imageMode = field(src, Nn.IMAGE_CACHING_MODE, version);
  if (imageMode > CACHE_FULL) return bad(Nn.IMAGE_CACHING_MODE, imageMode);
  const kernelMode = field(src, Nn.KERNEL_CACHING_MODE, version);
  if (kernelMode > CACHE_PARTIAL) return bad(Nn.KERNEL_CACHING_MODE, kernelMode);

  const msb = field(src, Nn.KERNEL_PATTERN_MSB, version);
  const low = field(src, Nn.KERNEL_PATTERN_LOW, version);
  const high = field(src, Nn.KERNEL_PATTERN_HIGH, version);
  let known = kernelMode != CACHE_PARTIAL && msb == 0 && low == 0 && high == 0;
  for (let i: usize = 0; i < 5 && kernelMode != CACHE_FULL; i++) {
    const pattern = PATTERNS + i * 12;
    if (load<u32>(pattern) == msb && load<u32>(pattern, 4) == low && load<u32>(pattern, 8) == high)
      known = true;
  }
  if (!known) return bad(Nn.KERNEL_PATTERN_MSB, msb);

  const kernelEnd = field(src, Nn.KERNEL_CACHE_END, version);
  const kernelStart = field(src, Nn.KERNEL_CACHE_START, version);
  if (kernelStart % SRAM_ALIGN != 0) return bad(Nn.KERNEL_CACHE_START, kernelStart);
  // An end of 0 was captured with partial caching (quirk Q21).
  if (kernelEnd % SRAM_ALIGN != 0 || (kernelEnd < kernelStart && kernelEnd != 0))
    return bad(Nn.KERNEL_CACHE_END, kernelEnd);
  const imageStart = field(src, Nn.IMAGE_CACHE_START, version);
  const imageEnd = field(src, Nn.IMAGE_CACHE_END, version);
  if (imageStart % SRAM_ALIGN != 0) return bad(Nn.IMAGE_CACHE_START, imageStart);
  if (imageEnd % SRAM_ALIGN != 0 || imageEnd < imageStart) return bad(Nn.IMAGE_CACHE_END, imageEnd);
  return Status.OK;
}
