// TP descriptors: the input pixels that the window walk reads and the bytes that the output loops reach
// (spec/hardware.md 8), computed from sizes and counts, never by walking.
// SPDX-License-Identifier: MIT
import { Access, Fault, Status } from "../abi";
import { CheckReason } from "../abi-check";
import { noteFault } from "../fault";
import { BlockId, Tp } from "../gen/fields";
import { checkRange } from "./buffers";
import { checkConstants } from "./descriptor";
import { checkLookup, checkNoLookup } from "./lookup";
import { noteField, noteRange, refuse, refuseField, refuseRange } from "./report";
import { TP_VERSION, get, openTp } from "./tp-fields";
import { checkLoops, loopsEnd } from "./tp-loops";

/** Fields with rules of their own, here, in tp-loops.ts and lookup.ts, or that only change values: zero points, flush. */
const COVERED = memory.data<i32>([
  Tp.IN_X_SIZE,
  Tp.IN_Y_SIZE,
  Tp.IN_Z_SIZE,
  Tp.IN_STRIDE,
  Tp.IN_SLICE,
  Tp.IN_BASE_ADDR,
  Tp.WINDOW_X_START,
  Tp.WINDOW_Y_START,
  Tp.WINDOW_X_END,
  Tp.WINDOW_Y_END,
  Tp.TILE_X_SIZE,
  Tp.TILE_Y_SIZE,
  Tp.TILE_X_INC,
  Tp.TILE_Y_INC,
  Tp.OUT_BASE_ADDR,
  Tp.OUT_LOOP_0_INC,
  Tp.OUT_LOOP_1_INC,
  Tp.OUT_LOOP_2_INC,
  Tp.OUT_LOOP_3_INC,
  Tp.OUT_LOOP_4_INC,
  Tp.OUT_LOOP_5_INC,
  Tp.OUT_LOOP_6_INC,
  Tp.OUT_LOOP_0_COUNT,
  Tp.OUT_LOOP_1_COUNT,
  Tp.OUT_LOOP_2_COUNT,
  Tp.OUT_LOOP_3_COUNT,
  Tp.OUT_LOOP_4_COUNT,
  Tp.OUT_LOOP_5_COUNT,
  Tp.LOOP_1_RESET,
  Tp.LOOP_3_RESET,
  Tp.PWL,
  Tp.LOAD_LUT,
  Tp.LUT_GLOBAL_MEM,
  Tp.LUT_ADDR,
  Tp.PWL_SIGN,
  Tp.OUT_POST_SHIFT,
  Tp.OUT_POST_MULTIPLIER,
  Tp.NO_FLUSH,
  Tp.IN_ZERO_POINT,
  Tp.OUT_ZERO_POINT,
]);
const COVERED_COUNT = 40;

// What all descriptors of the running job read and write: lowest address, end.
let readFrom: u64 = 0;
let readTo: u64 = 0;
let writeFrom: u64 = 0;
let writeTo: u64 = 0;

/** Forgets the addresses of the job before. */
export function startTpJob(): void {
  readFrom = u64.MAX_VALUE;
  readTo = 0;
  writeFrom = u64.MAX_VALUE;
  writeTo = 0;
}

/**
 * Checks the descriptor of 124 bytes at `src` (in WASM memory) and what it points to. Tiles without size or
 * increment and images without planes are no work: nothing is accessed (quirks Q44, Q45).
 */
export function checkTp(src: usize): Status {
  openTp(src);
  let status = checkConstants(BlockId.TP, src, TP_VERSION, COVERED, COVERED_COUNT);
  if (status != Status.OK) return status;
  const work =
    get(Tp.TILE_X_SIZE) != 0 &&
    get(Tp.TILE_Y_SIZE) != 0 &&
    get(Tp.TILE_X_INC) != 0 &&
    get(Tp.TILE_Y_INC) != 0 &&
    get(Tp.IN_Z_SIZE) != 0;
  if (work) status = checkWalk();
  if (status != Status.OK) return status;
  return get(Tp.PWL) != 0 ? checkLookup(work) : checkNoLookup();
}

/** One axis of the walk: tiles of `size` pixels, one every `step` pixels, from `start` on. */
@unmanaged
class Axis {
  start: i64;
  size: i64;
  step: i64;
  tiles: i64;
  /** First and last pixel that is visited and inside the image; last < first: none. */
  first: i64;
  last: i64;
}

const axisX: Axis = changetype<Axis>(memory.data(offsetof<Axis>(), 8));
const axisY: Axis = changetype<Axis>(memory.data(offsetof<Axis>(), 8));

/** Reads the window of one axis; tiles that stick out of it were never captured. */
function openAxis(axis: Axis, start: Tp, windowEnd: Tp, size: Tp, step: Tp, image: Tp): Status {
  axis.start = <i64>(<i32>get(start));
  axis.size = get(size);
  axis.step = get(step);
  const length = <i64>get(windowEnd) - axis.start + 1;
  if (length <= 0) return refuseRange(BlockId.TP, windowEnd, get(windowEnd), axis.start, 0xffff);
  axis.tiles = (length - 1) / axis.step + 1;
  if ((axis.tiles - 1) * axis.step + axis.size > length)
    return refuseField(BlockId.TP, size, CheckReason.PARTIAL_TILE, get(size));
  findInside(axis, <i64>get(image));
  return Status.OK;
}

function findInside(axis: Axis, image: i64): void {
  axis.first = max<i64>(axis.start, 0);
  if (axis.start < 0) {
    // The tile that pixel 0 lies in or behind; between tiles the next one is the first.
    const tile = -axis.start / axis.step;
    const next = axis.start + (tile + 1) * axis.step;
    if (tile >= axis.tiles) axis.first = i64.MAX_VALUE;
    else if (-axis.start - tile * axis.step >= axis.size)
      axis.first = tile + 1 < axis.tiles ? next : i64.MAX_VALUE;
  }
  axis.last = -1;
  if (image - 1 < axis.start) return;
  const tile = min<i64>((image - 1 - axis.start) / axis.step, axis.tiles - 1);
  const at = axis.start + tile * axis.step;
  axis.last = min<i64>(at + axis.size - 1, image - 1);
}

function checkWalk(): Status {
  let status = openAxis(
    axisX,
    Tp.WINDOW_X_START,
    Tp.WINDOW_X_END,
    Tp.TILE_X_SIZE,
    Tp.TILE_X_INC,
    Tp.IN_X_SIZE,
  );
  if (status != Status.OK) return status;
  status = openAxis(
    axisY,
    Tp.WINDOW_Y_START,
    Tp.WINDOW_Y_END,
    Tp.TILE_Y_SIZE,
    Tp.TILE_Y_INC,
    Tp.IN_Y_SIZE,
  );
  if (status != Status.OK) return status;
  status = checkReads();
  return status == Status.OK ? checkWrites() : status;
}

/** Strides have no sign: the first and the last visited pixel of the image have the lowest and highest address. */
function checkReads(): Status {
  if (axisX.last < axisX.first || axisY.last < axisY.first) return Status.OK;
  const base = <u64>get(Tp.IN_BASE_ADDR);
  const row = <u64>get(Tp.IN_STRIDE);
  const planes = <u64>(get(Tp.IN_Z_SIZE) - 1) * <u64>get(Tp.IN_SLICE);
  const from = base + <u64>axisX.first + <u64>axisY.first * row;
  const to = base + planes + <u64>axisX.last + <u64>axisY.last * row + 1;
  readFrom = min(readFrom, from);
  readTo = max(readTo, to);
  return checkRange(BlockId.TP, Tp.IN_BASE_ADDR, from, to - from, Access.READ);
}

function checkWrites(): Status {
  const rowElements = <u64>axisX.tiles * <u64>axisX.size;
  const elements = rowElements * <u64>(axisY.tiles * axisY.size) * <u64>get(Tp.IN_Z_SIZE);
  let status = checkLoops(elements, <u64>axisX.size, <u64>(axisX.size * axisY.size));
  if (status != Status.OK) return status;
  const from = <u64>get(Tp.OUT_BASE_ADDR);
  const bytes = loopsEnd();
  writeFrom = min(writeFrom, from);
  writeTo = max(writeTo, from + bytes);
  status = checkRange(BlockId.TP, Tp.OUT_BASE_ADDR, from, bytes, Access.WRITE);
  if (status != Status.OK) return status;
  if (elements > bytes) {
    noteField(BlockId.TP, Tp.OUT_LOOP_6_INC);
    noteRange(elements, bytes);
    return refuse(Status.CHECK_DESCRIPTOR, CheckReason.WRITES_TWICE, get(Tp.OUT_LOOP_6_INC));
  }
  if (readFrom < writeTo && writeFrom < readTo) {
    noteField(BlockId.TP, Tp.OUT_BASE_ADDR);
    noteRange(readFrom, readTo);
    noteFault(Fault.ADDRESS, <i32>from);
    return refuse(Status.CHECK_ADDRESS, CheckReason.READS_OUTPUT, <u32>from);
  }
  return Status.OK;
}
