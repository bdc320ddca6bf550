// AVERAGE_POOL_2D and MAX_POOL_2D; taps outside the input do not count.
// SPDX-License-Identifier: MIT
import { Fault, PoolParam, Status } from "../abi";
import { arenaAlloc, arenaMark, arenaReset } from "../arena";
import { clearFault, fail, noteFault } from "../fault";
import { clampTo, loadElement, param, paramPtr } from "./requantise";

// The window of the current output pixel, cut to the input.
let firstY: i32 = 0;
let endY: i32 = 0;
let firstX: i32 = 0;
let endX: i32 = 0;

function setWindow(block: usize, outY: i32, outX: i32): void {
  const y = outY * param(block, PoolParam.STRIDE_H) - param(block, PoolParam.PAD_TOP);
  const x = outX * param(block, PoolParam.STRIDE_W) - param(block, PoolParam.PAD_LEFT);
  firstY = max(y, 0);
  endY = min(y + param(block, PoolParam.FILTER_H), param(block, PoolParam.INPUT_H));
  firstX = max(x, 0);
  endX = min(x + param(block, PoolParam.FILTER_W), param(block, PoolParam.INPUT_W));
}

/** Mean with TFLite's rounding: half away from zero. */
function roundedMean(sum: i32, count: i32): i32 {
  return (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
}

function averagePixel(block: usize, plane: usize, totals: usize, output: usize): void {
  const channels = param(block, PoolParam.CHANNELS);
  const inputW = param(block, PoolParam.INPUT_W);
  const clampMin = param(block, PoolParam.CLAMP_MIN);
  const clampMax = param(block, PoolParam.CLAMP_MAX);
  const isSigned = param(block, PoolParam.SIGNED) != 0;
  memory.fill(totals, 0, (<usize>channels) << 2);
  for (let y = firstY; y < endY; y++) {
    for (let x = firstX; x < endX; x++) {
      const src = plane + <usize>(y * inputW + x) * <usize>channels;
      for (let c = 0; c < channels; c++) {
        const total = totals + ((<usize>c) << 2);
        store<i32>(total, load<i32>(total) + loadElement(src + c, isSigned));
      }
    }
  }
  const count = (endY - firstY) * (endX - firstX);
  for (let c = 0; c < channels; c++) {
    const mean = roundedMean(load<i32>(totals + ((<usize>c) << 2)), count);
    store<u8>(output + c, <u8>clampTo(mean, clampMin, clampMax));
  }
}

/** Element by element maximum of `count` channels into `dst`. */
function maxInto<T>(dst: usize, src: usize, count: i32): void {
  let c = 0;
  for (; c + 16 <= count; c += 16) {
    v128.store(dst + c, v128.max<T>(v128.load(dst + c), v128.load(src + c)));
  }
  for (; c < count; c++) store<T>(dst + c, max<T>(load<T>(dst + c), load<T>(src + c)));
}

function maxPixel<T>(block: usize, plane: usize, output: usize): void {
  const channels = param(block, PoolParam.CHANNELS);
  const inputW = param(block, PoolParam.INPUT_W);
  const clampMin = param(block, PoolParam.CLAMP_MIN);
  const clampMax = param(block, PoolParam.CLAMP_MAX);
  memory.copy(output, plane + <usize>(firstY * inputW + firstX) * <usize>channels, channels);
  for (let y = firstY; y < endY; y++) {
    for (let x = firstX; x < endX; x++) {
      maxInto<T>(output, plane + <usize>(y * inputW + x) * <usize>channels, channels);
    }
  }
  for (let c = 0; c < channels; c++) {
    store<u8>(output + c, <u8>clampTo(<i32>load<T>(output + c), clampMin, clampMax));
  }
}

/** Runs every output pixel; `totals` is scratch for means, 0 = maximum. */
function runPool(block: usize, totals: usize): Status {
  const channels = param(block, PoolParam.CHANNELS);
  const outputH = param(block, PoolParam.OUTPUT_H);
  const outputW = param(block, PoolParam.OUTPUT_W);
  const inputH = param(block, PoolParam.INPUT_H);
  const inputW = param(block, PoolParam.INPUT_W);
  const isSigned = param(block, PoolParam.SIGNED) != 0;
  let output = paramPtr(block, PoolParam.OUTPUT);
  let plane = paramPtr(block, PoolParam.INPUT);
  for (let batch = param(block, PoolParam.BATCHES); batch > 0; batch--) {
    for (let outY = 0; outY < outputH; outY++) {
      for (let outX = 0; outX < outputW; outX++) {
        setWindow(block, outY, outX);
        if (firstY >= endY || firstX >= endX) {
          noteFault(Fault.VALUE, outY * outputW + outX);
          return fail(Status.BAD_ARGUMENT);
        }
        if (totals != 0) averagePixel(block, plane, totals, output);
        else if (isSigned) maxPixel<i8>(block, plane, output);
        else maxPixel<u8>(block, plane, output);
        output += channels;
      }
    }
    plane += <usize>inputH * <usize>inputW * <usize>channels;
  }
  return Status.OK;
}

/**
 * AVERAGE_POOL_2D on int8 or uint8 NHWC tensors whose input and output share their quantisation; TFLite 2.14 reference.
 * @param block PoolParam words
 * @returns OK, NO_MEMORY, or BAD_ARGUMENT when a window lies outside the input altogether
 */
export function runAveragePool2d(block: usize): Status {
  clearFault();
  const mark = arenaMark();
  const totals = arenaAlloc((<usize>param(block, PoolParam.CHANNELS)) << 2);
  if (totals == 0) return fail(Status.NO_MEMORY);
  const status = runPool(block, totals);
  arenaReset(mark);
  return status;
}

/**
 * MAX_POOL_2D on int8 or uint8 NHWC tensors; TFLite 2.14 reference.
 * @param block PoolParam words
 * @returns OK, or BAD_ARGUMENT when a window lies outside the input altogether
 */
export function runMaxPool2d(block: usize): Status {
  clearFault();
  return runPool(block, 0);
}
