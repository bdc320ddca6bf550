// What convolutions do with an accumulator: bias, requantisation per channel, zero point, clamp.
// SPDX-License-Identifier: MIT
import { ConvParam } from "../abi";
import { clampTo, multiplyByQuantised, param, paramPtr } from "./requantise";

let biasPtr: usize = 0;
let multiplierPtr: usize = 0;
let shiftPtr: usize = 0;
let outputZero: i32 = 0;
let clampMin: i32 = 0;
let clampMax: i32 = 0;

/** Takes the output stage of the convolution that runs now from its parameter block. */
export function setOutputStage(block: usize): void {
  biasPtr = paramPtr(block, ConvParam.BIAS);
  multiplierPtr = paramPtr(block, ConvParam.MULTIPLIERS);
  shiftPtr = paramPtr(block, ConvParam.SHIFTS);
  outputZero = param(block, ConvParam.OUTPUT_ZERO);
  clampMin = param(block, ConvParam.CLAMP_MIN);
  clampMax = param(block, ConvParam.CLAMP_MAX);
}

/** Finishes `count` accumulators (int32 at `sums`) of consecutive channels into bytes at `output`. */
export function finishChannels(sums: usize, channel: i32, count: i32, output: usize): void {
  const first = (<usize>channel) << 2;
  for (let i = 0; i < count; i++) {
    const offset = (<usize>i) << 2;
    const bias = biasPtr == 0 ? 0 : load<i32>(biasPtr + first + offset);
    const scaled = multiplyByQuantised(
      load<i32>(sums + offset) + bias,
      load<i32>(multiplierPtr + first + offset),
      load<i32>(shiftPtr + first + offset),
    );
    // TFLite adds the zero point before it clamps, also where that wraps.
    store<u8>(output + i, <u8>clampTo(scaled + outputZero, clampMin, clampMax));
  }
}
