// A TP descriptor as an address program: nested steps through the input, a counter of nested loops
// for the output (spec/hardware.md 8). Nothing here knows transposes, reshuffles or padding.
// SPDX-License-Identifier: MIT
import { Status } from "../abi";
import { readField } from "../bits/fields";
import { BlockId, Tp } from "../gen/fields";
import { checkDescriptor } from "./descriptor";
import { failField } from "./faults";

/** One nested step of the walk: how often, and how far x, y, z move each time. */
@unmanaged
export class TpStep {
  count: u32;
  dx: i32;
  dy: i32;
  dz: i32;
  /** How often it was taken since the last carry. */
  taken: u32;
}

/** One output loop. */
@unmanaged
export class TpLoop {
  count: u32;
  taken: u32;
  increment: u64;
}

export const STEP_BYTES: usize = offsetof<TpStep>();
export const LOOP_BYTES: usize = offsetof<TpLoop>();
export const STEPS_MAX = 5;
export const LOOPS_MAX = 7;

@unmanaged
export class TpJob {
  inX: i32;
  inY: i32;
  inRow: u32;
  inSlice: u32;
  inAddr: u32;
  startX: i32;
  startY: i32;
  outAddr: u32;
  inZp: i32;
  outZp: i32;
  /** 256 bytes: what every input byte becomes; 0 = only zero points and a clamp (tp-lookup.ts). */
  lookup: usize;
  /** Elements that are written. */
  elements: u64;
  /** Innermost first; steps and loops that run once are left out. */
  steps: usize;
  stepCount: i32;
  loops: usize;
  loopCount: i32;
}

export const tpJob: TpJob = changetype<TpJob>(memory.data(offsetof<TpJob>(), 8));
const steps = memory.data(STEPS_MAX * 20, 8);
const loops = memory.data(LOOPS_MAX * 16, 8);

const MODELLED = memory.data<i32>([
  Tp.IN_X_SIZE,
  Tp.IN_Y_SIZE,
  Tp.IN_Z_SIZE,
  Tp.IN_STRIDE,
  Tp.IN_SLICE,
  Tp.WINDOW_X_START,
  Tp.WINDOW_Y_START,
  Tp.WINDOW_X_END,
  Tp.WINDOW_Y_END,
  Tp.TILE_X_SIZE,
  Tp.TILE_Y_SIZE,
  Tp.TILE_X_INC,
  Tp.TILE_Y_INC,
  Tp.IN_BASE_ADDR,
  Tp.LOOP_1_RESET,
  Tp.LOOP_3_RESET,
  Tp.NO_FLUSH,
  Tp.OUT_BASE_ADDR,
  Tp.OUT_LOOP_0_INC,
  Tp.OUT_LOOP_1_INC,
  Tp.OUT_LOOP_0_COUNT,
  Tp.OUT_LOOP_1_COUNT,
  Tp.OUT_LOOP_2_INC,
  Tp.OUT_LOOP_3_INC,
  Tp.OUT_LOOP_2_COUNT,
  Tp.OUT_LOOP_3_COUNT,
  Tp.OUT_LOOP_4_INC,
  Tp.OUT_LOOP_5_INC,
  Tp.OUT_LOOP_4_COUNT,
  Tp.OUT_LOOP_5_COUNT,
  Tp.OUT_LOOP_6_INC,
  Tp.IN_ZERO_POINT,
  Tp.OUT_ZERO_POINT,
  Tp.PWL,
  Tp.LOAD_LUT,
  Tp.LUT_GLOBAL_MEM,
  Tp.LUT_ADDR,
  Tp.PWL_SIGN,
  Tp.OUT_POST_SHIFT,
  Tp.OUT_POST_MULTIPLIER,
]);
const MODELLED_COUNT = 40;

/** Increment and count of loops 0 to 5; loop 6 has no count. */
const LOOP_FIELDS = memory.data<i32>([
  Tp.OUT_LOOP_0_INC,
  Tp.OUT_LOOP_0_COUNT,
  Tp.OUT_LOOP_1_INC,
  Tp.OUT_LOOP_1_COUNT,
  Tp.OUT_LOOP_2_INC,
  Tp.OUT_LOOP_2_COUNT,
  Tp.OUT_LOOP_3_INC,
  Tp.OUT_LOOP_3_COUNT,
  Tp.OUT_LOOP_4_INC,
  Tp.OUT_LOOP_4_COUNT,
  Tp.OUT_LOOP_5_INC,
  Tp.OUT_LOOP_5_COUNT,
]);

let source: usize = 0;

/** A field of the descriptor that was parsed last: they are the same for all NN core versions. */
export function field(name: Tp): u32 {
  return readField(BlockId.TP, source, name, 7);
}

export function bad(name: Tp, value: u32): Status {
  return failField(BlockId.TP, name, value);
}

/**
 * Reads and checks a descriptor into tpJob; elements = 0 if its tiles are empty (nothing else is
 * checked then).
 */
export function parseTp(src: usize): Status {
  source = src;
  let status = checkDescriptor(BlockId.TP, src, 7, MODELLED, MODELLED_COUNT);
  if (status != Status.OK) return status;
  const job = tpJob;
  job.elements = 0;
  job.inX = <i32>field(Tp.IN_X_SIZE);
  job.inY = <i32>field(Tp.IN_Y_SIZE);
  job.inRow = field(Tp.IN_STRIDE);
  job.inSlice = field(Tp.IN_SLICE);
  job.inAddr = field(Tp.IN_BASE_ADDR);
  job.outAddr = field(Tp.OUT_BASE_ADDR);
  job.startX = <i32>field(Tp.WINDOW_X_START);
  job.startY = <i32>field(Tp.WINDOW_Y_START);
  job.inZp = <i32>field(Tp.IN_ZERO_POINT);
  job.outZp = <i32>field(Tp.OUT_ZERO_POINT);

  const planes = field(Tp.IN_Z_SIZE);
  const tiles = field(Tp.TILE_X_SIZE) != 0 && field(Tp.TILE_Y_SIZE) != 0;
  if (!tiles || field(Tp.TILE_X_INC) == 0 || field(Tp.TILE_Y_INC) == 0 || planes == 0)
    return Status.OK;
  status = parseWalk(planes);
  return status == Status.OK ? parseLoops() : status;
}

/**
 * Tiles along one axis: one at every increment that is inside the window. 0 when the last one
 * sticks out of the window, which was never captured.
 */
function tileCount(start: i32, end: u32, size: u32, increment: u32): u32 {
  const length = <i64>end - <i64>start + 1;
  if (length <= 0) return 0;
  const count = (length - 1) / <i64>increment + 1;
  return (count - 1) * <i64>increment + <i64>size > length ? 0 : <u32>count;
}

function addStep(count: u32, dx: i32, dy: i32, dz: i32): void {
  const job = tpJob;
  if (count == 1) return;
  const step = changetype<TpStep>(steps + <usize>job.stepCount * STEP_BYTES);
  job.stepCount++;
  step.count = count;
  step.dx = dx;
  step.dy = dy;
  step.dz = dz;
  step.taken = 0;
}

function parseWalk(planes: u32): Status {
  const job = tpJob;
  const sizeX = field(Tp.TILE_X_SIZE);
  const sizeY = field(Tp.TILE_Y_SIZE);
  const incX = field(Tp.TILE_X_INC);
  const incY = field(Tp.TILE_Y_INC);
  const tilesX = tileCount(job.startX, field(Tp.WINDOW_X_END), sizeX, incX);
  const tilesY = tileCount(job.startY, field(Tp.WINDOW_Y_END), sizeY, incY);
  if (tilesX == 0) return bad(Tp.WINDOW_X_END, field(Tp.WINDOW_X_END));
  if (tilesY == 0) return bad(Tp.WINDOW_Y_END, field(Tp.WINDOW_Y_END));

  job.steps = steps;
  job.stepCount = 0;
  addStep(sizeX, 1, 0, 0);
  addStep(sizeY, 0, 1, 0);
  addStep(tilesX, <i32>incX, 0, 0);
  addStep(tilesY, 0, <i32>incY, 0);
  addStep(planes, 0, 0, 1);
  // Tiles lie within a window of less than 2^17 columns and rows, so this fits 64 bits.
  job.elements = <u64>(tilesX * sizeX) * <u64>(tilesY * sizeY) * <u64>planes;
  return Status.OK;
}

function parseLoops(): Status {
  const job = tpJob;
  job.loops = loops;
  job.loopCount = 0;
  for (let i: usize = 0; i < 6; i++) {
    const countField = <Tp>load<i32>(LOOP_FIELDS + 8 * i, 4);
    const count = field(countField);
    if (count == 0) return bad(countField, 0);
    if (count != 1) addLoop(count, field(<Tp>load<i32>(LOOP_FIELDS + 8 * i)));
  }
  addLoop(0xffffffff, field(Tp.OUT_LOOP_6_INC));
  return Status.OK;
}

function addLoop(count: u32, increment: u32): void {
  const loop = changetype<TpLoop>(loops + <usize>tpJob.loopCount * LOOP_BYTES);
  tpJob.loopCount++;
  loop.count = count;
  loop.taken = 0;
  loop.increment = <u64>increment;
}
