// Runs TP descriptors: walks the input, counts the output loops, moves one run of elements at a
// time. A run is as long as both the innermost step of the walk and the innermost output loop go
// on, so that one element and a run of them give the same result by construction.
// SPDX-License-Identifier: MIT
import { Access, Fault, Rounding, Status } from "../abi";
import { noteFault } from "../fault";
import { BlockId, Tp } from "../gen/fields";
import { failAddress, simFail } from "./faults";
import { spend } from "./limits";
import { SimBuffer, bufferAt, prepareWritten, resolve, touchBuffer } from "./memory";
import { LOOP_BYTES, STEP_BYTES, TpLoop, TpStep, parseTp, tpJob } from "./tp-job";
import { touchSpan } from "./overlap";
import { prepareLookup, tableMeets, touchTable } from "./tp-lookup";

/** Work units per element: it costs more than a multiply-add. */
const ELEMENT_WORK: u64 = 16;

// Position of the walk.
let x: i32 = 0;
let y: i32 = 0;
let z: i32 = 0;
let outOffset: u64 = 0;

/** Input bytes that the job has read: lowest and highest address, over its descriptors. */
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

/** Runs one descriptor of a job. */
export function runTp(descriptor: usize, rounding: Rounding): Status {
  let status = parseTp(descriptor);
  if (status == Status.OK) status = prepareLookup(rounding);
  const job = tpJob;
  if (status != Status.OK || job.elements == 0) return status;
  status = spend(job.elements > (<u64>1) << 40 ? job.elements : job.elements * ELEMENT_WORK);
  if (status != Status.OK) return status;

  x = job.startX;
  y = job.startY;
  z = 0;
  outOffset = 0;
  let left = job.elements;
  while (left > 0) {
    const rows = interleavedLength();
    const count = rows != 0 ? rows : runLength(left);
    status = rows != 0 ? moveInterleaved(count) : moveNext(count);
    if (status != Status.OK) return status;
    left -= count;
    advanceWalk(count);
    if (rows != 0) advanceLoops(1, count / loopAt(0).count);
    else advanceLoops(0, count);
  }
  // Reading what the same job writes depends on the order of cores and tiles, which is not
  // modelled.
  const apart = readTo <= writeFrom || writeTo <= readFrom;
  if (tableMeets(writeFrom, writeTo)) return failAddress(BlockId.TP, Tp.LUT_ADDR, writeFrom);
  if (!apart) return failAddress(BlockId.TP, Tp.OUT_BASE_ADDR, writeFrom);
  status = touchTable();
  if (status == Status.OK) status = touchSpan(readFrom, readTo, false);
  return status == Status.OK ? touchSpan(writeFrom, writeTo, true) : status;
}

function stepAt(index: i32): TpStep {
  return changetype<TpStep>(tpJob.steps + <usize>index * STEP_BYTES);
}

function loopAt(index: i32): TpLoop {
  return changetype<TpLoop>(tpJob.loops + <usize>index * LOOP_BYTES);
}

/** Elements until the innermost step or the innermost loop carries. */
function runLength(left: u64): u32 {
  const loop = loopAt(0);
  let count = <u32>min<u64>(left, loop.count - loop.taken);
  if (tpJob.stepCount > 0) {
    const step = stepAt(0);
    count = min(count, step.count - step.taken);
  }
  return count;
}

function advanceWalk(count: u32): void {
  for (let i = 0; i < tpJob.stepCount; i++) {
    const step = stepAt(i);
    step.taken += count;
    x += step.dx * count;
    y += step.dy * count;
    z += step.dz * count;
    if (step.taken < step.count) return;
    x -= step.dx * step.count;
    y -= step.dy * step.count;
    z -= step.dz * step.count;
    step.taken = 0;
    count = 1;
  }
}

/** Counts loop `first` up by `count`; loops inside it have gone round. */
function advanceLoops(first: i32, count: u32): void {
  for (let i = first; i < tpJob.loopCount; i++) {
    const loop = loopAt(i);
    loop.taken += count;
    outOffset += loop.increment * <u64>count;
    if (loop.taken < loop.count) return;
    outOffset -= loop.increment * <u64>loop.count;
    loop.taken = 0;
    count = 1;
  }
}

/** First of the elements 0..count-1 that is at or above 0 in a coordinate that starts at `at`. */
function firstInside(at: i32, delta: i32, count: i32): i32 {
  if (at >= 0) return 0;
  if (delta == 0) return count;
  return min(count, (-at + delta - 1) / delta);
}

/** First element after those that are below `size`. */
function endInside(at: i32, delta: i32, size: i32, count: i32): i32 {
  if (at >= size) return 0;
  if (delta == 0) return count;
  return min(count, (size - 1 - at) / delta + 1);
}

/** Moves `count` elements from the position of the walk to the position of the loops. */
function moveNext(count: u32): Status {
  const moving = tpJob.stepCount > 0;
  const dx = moving ? stepAt(0).dx : 0;
  const dy = moving ? stepAt(0).dy : 0;
  const dz = moving ? stepAt(0).dz : 0;
  return moveRun(count, x, y, z, dx, dy, dz, outOffset, loopAt(0).increment);
}

/**
 * Elements until the innermost step carries, if until then a short innermost loop goes round a
 * whole number of times and the next loop does not carry; else 0.
 */
function interleavedLength(): u32 {
  if (tpJob.stepCount == 0 || tpJob.loopCount < 2) return 0;
  const step = stepAt(0);
  const loop = loopAt(0);
  const next = loopAt(1);
  const count = step.count - step.taken;
  const rounds = count / loop.count;
  if (loop.taken != 0 || rounds <= loop.count || count % loop.count != 0) return 0;
  return rounds <= next.count - next.taken ? count : 0;
}

/**
 * The same moves as `count` elements one by one, in another order: for each count of the innermost
 * loop, a run of every loop.count-th element along the next loop.
 */
function moveInterleaved(count: u32): Status {
  const step = stepAt(0);
  const loop = loopAt(0);
  const every = <i32>loop.count;
  for (let j = 0; j < every; j++) {
    const status = moveRun(
      count / loop.count,
      x + step.dx * j,
      y + step.dy * j,
      z + step.dz * j,
      step.dx * every,
      step.dy * every,
      step.dz * every,
      outOffset + loop.increment * <u64>j,
      loopAt(1).increment,
    );
    if (status != Status.OK) return status;
  }
  return Status.OK;
}

/** Moves elements x + i*dx, y + i*dy, z + i*dz (0 <= i < count) to offset + i*increment. */
function moveRun(
  count: i32,
  x: i32,
  y: i32,
  z: i32,
  dx: i32,
  dy: i32,
  dz: i32,
  offset: u64,
  increment: u64,
): Status {
  const job = tpJob;
  const from = max(firstInside(x, dx, count), firstInside(y, dy, count));
  const to = max(from, min(endInside(x, dx, job.inX, count), endInside(y, dy, job.inY, count)));

  const address = <u64>job.outAddr + offset;
  const bytes = increment * <u64>(count - 1) + 1;
  const output = resolve(address, bytes, Access.WRITE);
  if (output == 0) return failAddress(BlockId.TP, Tp.OUT_BASE_ADDR, address);
  const status = markRun(address, <u32>increment, count);
  if (status != Status.OK) return status;

  const stride = <u64>dx + <u64>dy * <u64>job.inRow + <u64>dz * <u64>job.inSlice;
  if (to > from) {
    const first =
      <u64>job.inAddr +
      <u64>(x + dx * from) +
      <u64>(y + dy * from) * <u64>job.inRow +
      <u64>(z + dz * from) * <u64>job.inSlice;
    const length = stride * <u64>(to - from - 1) + 1;
    const input = resolve(first, length, Access.READ);
    if (input == 0) return failAddress(BlockId.TP, Tp.IN_BASE_ADDR, first);
    readFrom = min(readFrom, first);
    readTo = max(readTo, first + length);
    copyRun(
      output + <usize>from * <usize>increment,
      <usize>increment,
      input,
      <usize>stride,
      to - from,
    );
  }
  if (from > 0) fillRun(output, <usize>increment, from);
  if (to < count) fillRun(output + <usize>to * <usize>increment, <usize>increment, count - to);
  return Status.OK;
}

/** Inside: byte - input zero point + output zero point, clamped; or what the look-up says. */
function copyRun(dst: usize, dstStep: usize, src: usize, srcStep: usize, count: i32): void {
  const lookup = tpJob.lookup;
  if (lookup != 0) {
    for (let i = 0; i < count; i++, dst += dstStep, src += srcStep)
      store<u8>(dst, load<u8>(lookup + <usize>load<u8>(src)));
    return;
  }
  const shift = tpJob.outZp - tpJob.inZp;
  if (shift == 0 && dstStep == 1 && srcStep == 1) return memory.copy(dst, src, <usize>count);
  if (shift == 0) {
    for (let i = 0; i < count; i++, dst += dstStep, src += srcStep) store<u8>(dst, load<u8>(src));
    return;
  }
  for (let i = 0; i < count; i++, dst += dstStep, src += srcStep)
    store<u8>(dst, <u8>max(0, min(255, <i32>load<u8>(src) + shift)));
}

/** Outside: the real value 0. */
function fillRun(dst: usize, dstStep: usize, count: i32): void {
  for (let i = 0; i < count; i++, dst += dstStep) store<u8>(dst, <u8>tpJob.outZp);
}

function failTwice(address: u64): Status {
  noteFault(Fault.BLOCK, BlockId.TP);
  noteFault(Fault.ADDRESS, <i32>address);
  return simFail(Status.SIM_DOUBLE_WRITE);
}

/** Marks the bytes of a run, all in one buffer, as written; each may be written once in a job. */
function markRun(address: u64, step: u32, count: i32): Status {
  const buffer = bufferAt(address);
  if (!prepareWritten(buffer)) return simFail(Status.NO_MEMORY);
  if (step == 0 && count > 1) return failTwice(address);
  let at = <u32>(address - buffer.address);
  const length = step * <u32>(count - 1) + 1;
  noteWritten(buffer, at, at + length, address);
  if (step == 1) return markBytes(buffer, at, count);
  for (let i = 0; i < count; i++, at += step) {
    const place = buffer.written + (at >> 3);
    const bit = 1 << (at & 7);
    const old = load<u8>(place);
    if ((old & bit) != 0) return failTwice(<u64>buffer.address + <u64>at);
    store<u8>(place, old | bit);
  }
  return Status.OK;
}

/** The same for bytes one behind the other: those that share a byte of the map at once. */
function markBytes(buffer: SimBuffer, at: u32, count: i32): Status {
  for (const end = at + <u32>count; at < end;) {
    const place = buffer.written + (at >> 3);
    const next = min<u32>(end, (at | 7) + 1);
    const bits = ((1 << (next - at)) - 1) << (at & 7);
    const old = <u32>load<u8>(place);
    const twice = old & bits;
    if (twice != 0) return failTwice(<u64>buffer.address + <u64>((at & ~7) + ctz(twice)));
    store<u8>(place, old | bits);
    at = next;
  }
  return Status.OK;
}

function noteWritten(buffer: SimBuffer, from: u32, to: u32, address: u64): void {
  if (buffer.writtenTo == 0) touchBuffer(buffer);
  buffer.writtenFrom = min(buffer.writtenFrom, from);
  buffer.writtenTo = max(buffer.writtenTo, to);
  writeFrom = min(writeFrom, address);
  writeTo = max(writeTo, address + <u64>(to - from));
}
