// NN descriptors: which fields may say what, and the bytes that the job can read and write (spec/hardware.md 5).
// SPDX-License-Identifier: MIT
import { Access, Status } from "../abi";
import { CheckReason } from "../abi-check";
import { readField } from "../bits/fields";
import { BlockId, Nn } from "../gen/fields";
import { checkRange } from "./buffers";
import { checkCoefficients } from "./coefficients";
import { checkConstants } from "./descriptor";
import { nnShape } from "./nn-shape";
import { noteField, noteRange, refuse, refuseRange } from "./report";
import { checkSram } from "./sram";

/** Fields with rules of their own, here and in sram.ts, or that only change values: ReLU, zero points, scale. */
const COVERED = memory.data<i32>([
  Nn.KERNEL_X_SIZE,
  Nn.KERNEL_Y_SIZE,
  Nn.KERNEL_Z_SIZE,
  Nn.KERNELS_PER_CORE,
  Nn.NO_Z_OFFSET,
  Nn.NO_FLUSH,
  Nn.POOLING,
  Nn.POOLING_XY_SIZE,
  Nn.IN_X_SIZE,
  Nn.IN_Y_SIZE,
  Nn.IN_X_OFFSET,
  Nn.IN_Y_OFFSET,
  Nn.IN_X_STRIDE,
  Nn.IN_Y_STRIDE,
  Nn.IN_IMAGE_ADDR,
  Nn.IN_BORDER_CONST,
  Nn.OUT_X_SIZE,
  Nn.OUT_Y_SIZE,
  Nn.OUT_Z_SIZE,
  Nn.OUT_X_STRIDE,
  Nn.OUT_Y_STRIDE,
  Nn.OUT_IMAGE_ADDR,
  Nn.TILE_X_SIZE,
  Nn.TILE_Y_SIZE,
  Nn.KERNEL_ADDR,
  Nn.DEPTHWISE,
  Nn.IMAGE_CACHING_MODE,
  Nn.KERNEL_CACHING_MODE,
  Nn.KERNEL_PATTERN_MSB,
  Nn.KERNEL_PATTERN_LOW,
  Nn.KERNEL_PATTERN_HIGH,
  Nn.KERNEL_CACHE_START,
  Nn.KERNEL_CACHE_END,
  Nn.IMAGE_CACHE_START,
  Nn.IMAGE_CACHE_END,
  Nn.RELU,
  Nn.POST_MULTIPLIER,
  Nn.POST_SHIFT,
  Nn.COEF_ZERO_POINT,
  Nn.OUT_ZERO_POINT,
]);
const COVERED_COUNT = 40;

const POOLING_NONE: u32 = 0;
const POOLING_FIRST_PIXEL: u32 = 3;
const NO_LIMIT: i64 = 0xffffffff;

let source: usize = 0;
let version: u32 = 0;
let nnCores: u32 = 0;
let sramBytes: u32 = 0;

/** Sets the chip for all following descriptors. */
export function setNnChip(coreVersion: u32, cores: u32, sram: u32): void {
  version = coreVersion;
  nnCores = cores;
  sramBytes = sram;
}

/** A field of the descriptor that is being checked; signed fields as two's complement. */
function get(field: Nn): u32 {
  return readField(BlockId.NN, source, field, version);
}

/** Demands low <= field <= high (unsigned). */
function demand(field: Nn, low: i64, high: i64): Status {
  const value = get(field);
  if (<i64>value >= low && <i64>value <= high) return Status.OK;
  return refuseRange(BlockId.NN, field, value, low, high);
}

/** Checks the descriptor of 136 bytes at `src` (in WASM memory) and what it points to. */
export function checkNn(src: usize): Status {
  source = src;
  let status = checkConstants(BlockId.NN, src, version, COVERED, COVERED_COUNT);
  if (status == Status.OK) status = checkSizes();
  if (status == Status.OK) status = checkVersion();
  if (status == Status.OK) status = checkSram(src, version, sramBytes);
  if (status == Status.OK) status = checkImages();
  if (status == Status.OK) status = checkCoefficients(nnShape, version, nnCores);
  return status;
}

function checkSizes(): Status {
  const pooling = get(Nn.POOLING);
  const firstPixel = pooling == POOLING_FIRST_PIXEL;
  if (!firstPixel && pooling != POOLING_NONE) return demand(Nn.POOLING, 0, 0);
  let status = demand(Nn.POOLING_XY_SIZE, firstPixel ? 0 : 1, firstPixel ? 0 : 1);
  if (status == Status.OK) status = demand(Nn.KERNEL_X_SIZE, 1, NO_LIMIT);
  if (status == Status.OK) status = demand(Nn.KERNEL_Y_SIZE, 1, NO_LIMIT);
  if (status == Status.OK) status = demand(Nn.KERNEL_Z_SIZE, 1, NO_LIMIT);
  if (status == Status.OK) status = demand(Nn.KERNELS_PER_CORE, 1, NO_LIMIT);
  if (status == Status.OK) status = demand(Nn.IN_X_SIZE, 1, NO_LIMIT);
  if (status == Status.OK) status = demand(Nn.IN_Y_SIZE, 1, NO_LIMIT);
  if (status == Status.OK) status = demand(Nn.OUT_X_SIZE, 1, NO_LIMIT);
  if (status == Status.OK) status = demand(Nn.OUT_Y_SIZE, 1, NO_LIMIT);
  if (status == Status.OK) status = demand(Nn.OUT_Z_SIZE, 1, NO_LIMIT);
  if (status == Status.OK) status = demand(Nn.TILE_X_SIZE, 1, NO_LIMIT);
  if (status == Status.OK) status = demand(Nn.TILE_Y_SIZE, 1, NO_LIMIT);
  if (status == Status.OK) status = demand(Nn.IN_BORDER_CONST, 0, 255);
  if (status == Status.OK) status = demandPadding(Nn.IN_X_OFFSET);
  if (status == Status.OK) status = demandPadding(Nn.IN_Y_OFFSET);
  return status;
}

/** Offsets were captured as padding only; what a positive one makes the image unit fetch is unknown. */
function demandPadding(field: Nn): Status {
  const value = <i32>get(field);
  return value <= 0 ? Status.OK : refuseRange(BlockId.NN, field, value, -16, 0);
}

function checkVersion(): Status {
  const flags: i64 = version == 8 ? 1 : 0;
  let status = demand(Nn.NO_Z_OFFSET, flags, flags);
  if (status == Status.OK) status = demand(Nn.NO_FLUSH, flags, flags);
  if (status != Status.OK) return status;
  if (version != 8) return demand(Nn.DEPTHWISE, 0, 0);
  // Output channel o reads input plane o: there must be that plane.
  const planes = <i64>get(Nn.OUT_Z_SIZE);
  return get(Nn.DEPTHWISE) != 0 ? demand(Nn.KERNEL_Z_SIZE, planes, planes) : Status.OK;
}

/** Bytes from the first to the end of the last pixel of an image. */
function imageBytes(columns: u32, rows: u32, planes: u32, row: u32, plane: u64): u64 {
  return <u64>(planes - 1) * plane + <u64>(rows - 1) * <u64>row + <u64>columns;
}

/** Input bytes that kernels reach: at most the image, less where the last rows or planes are in no window. */
function reachedBytes(step: u32, columns: u32, rows: u32, inRow: u32, inPlane: u64): u64 {
  const spanX = <i64>((columns - 1) * step + get(Nn.KERNEL_X_SIZE));
  const spanY = <i64>((rows - 1) * step + get(Nn.KERNEL_Y_SIZE));
  const right = min<i64>(<i64>get(Nn.IN_X_SIZE), <i64>(<i32>get(Nn.IN_X_OFFSET)) + spanX);
  const bottom = min<i64>(<i64>get(Nn.IN_Y_SIZE), <i64>(<i32>get(Nn.IN_Y_OFFSET)) + spanY);
  if (right <= 0 || bottom <= 0) return 0;
  return imageBytes(<u32>right, <u32>bottom, get(Nn.KERNEL_Z_SIZE), inRow, inPlane);
}

/** Both images with their real strides; leaves what coefficients.ts needs in nnShape. */
function checkImages(): Status {
  const step: u32 = get(Nn.POOLING) == POOLING_FIRST_PIXEL ? 2 : 1;
  const columns = get(Nn.OUT_X_SIZE) / step;
  const rows = get(Nn.OUT_Y_SIZE) / step;
  if (get(Nn.OUT_X_SIZE) % step != 0) return refuseOdd(Nn.OUT_X_SIZE);
  if (get(Nn.OUT_Y_SIZE) % step != 0) return refuseOdd(Nn.OUT_Y_SIZE);
  let status = demand(Nn.IN_X_STRIDE, get(Nn.IN_X_SIZE), NO_LIMIT);
  if (status == Status.OK) status = demand(Nn.IN_Y_STRIDE, get(Nn.IN_Y_SIZE), NO_LIMIT);
  if (status == Status.OK) status = demand(Nn.OUT_X_STRIDE, columns, NO_LIMIT);
  if (status == Status.OK) status = demand(Nn.OUT_Y_STRIDE, rows, NO_LIMIT);
  if (status != Status.OK) return status;

  const inAddr = get(Nn.IN_IMAGE_ADDR);
  const inRow = get(Nn.IN_X_STRIDE);
  const inPlane = <u64>inRow * <u64>get(Nn.IN_Y_STRIDE);
  const planes = get(Nn.KERNEL_Z_SIZE);
  const reads = imageBytes(get(Nn.IN_X_SIZE), get(Nn.IN_Y_SIZE), planes, inRow, inPlane);
  const reached = reachedBytes(step, columns, rows, inRow, inPlane);
  status = checkRange(BlockId.NN, Nn.IN_IMAGE_ADDR, inAddr, reads, Access.READ);
  if (status != Status.OK) return status;

  const shape = nnShape;
  const outRow = get(Nn.OUT_X_STRIDE);
  shape.outAddr = get(Nn.OUT_IMAGE_ADDR);
  shape.outZ = get(Nn.OUT_Z_SIZE);
  shape.outPlane = <u64>outRow * <u64>get(Nn.OUT_Y_STRIDE);
  shape.outPlaneBytes = <u64>(rows - 1) * <u64>outRow + <u64>columns;
  const writes = <u64>(shape.outZ - 1) * shape.outPlane + shape.outPlaneBytes;
  status = checkRange(BlockId.NN, Nn.OUT_IMAGE_ADDR, shape.outAddr, writes, Access.WRITE);
  if (status != Status.OK) return status;
  if (<u64>inAddr < <u64>shape.outAddr + writes && <u64>shape.outAddr < <u64>inAddr + reached) {
    noteField(BlockId.NN, Nn.OUT_IMAGE_ADDR);
    noteRange(inAddr, <u64>inAddr + reached);
    return refuse(Status.CHECK_ADDRESS, CheckReason.READS_OUTPUT, shape.outAddr);
  }
  noteKernels();
  return Status.OK;
}

function refuseOdd(field: Nn): Status {
  return refuseRange(BlockId.NN, field, get(field), get(field) + 1, get(field) + 1);
}

function noteKernels(): void {
  const shape = nnShape;
  shape.kernelX = get(Nn.KERNEL_X_SIZE);
  shape.kernelY = get(Nn.KERNEL_Y_SIZE);
  shape.kernelZ = get(Nn.KERNEL_Z_SIZE);
  shape.kernelsPerCore = get(Nn.KERNELS_PER_CORE);
  shape.depthwise = get(Nn.DEPTHWISE) != 0;
  shape.weightZp = get(Nn.COEF_ZERO_POINT);
  shape.kernelAddr = get(Nn.KERNEL_ADDR);
}
