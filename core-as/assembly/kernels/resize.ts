// RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR; positions and weights come in tables by output row and column.
// SPDX-License-Identifier: MIT
import { Status } from "../abi";
import { Element, ResizeParam } from "../abi-kernels";
import { clearFault } from "../fault";
import { param, paramPtr } from "./requantise";

// Addresses of the four pixels around the current one: above and below, left and right.
let aboveLeft: usize = 0;
let belowLeft: usize = 0;
let aboveRight: usize = 0;
let belowRight: usize = 0;

/** Four bytes as binary32. */
function loadFour(src: usize): v128 {
  const wide = i16x8.extend_low_i8x16_u(v128.load32_zero(src));
  return f32x4.convert_i32x4_u(i32x4.extend_low_i16x8_u(wide));
}

/**
 * Channels of one uint8 pixel. The order of operations counts: TFLite rounds each of them to binary32, adds a half last and
 * drops the fraction.
 */
function blendBytes(row: usize, column: usize, channels: i32, dst: usize): void {
  const above = v128.splat<f32>(load<f32>(row, 8));
  const below = v128.splat<f32>(load<f32>(row, 12));
  const left = v128.splat<f32>(load<f32>(column, 8));
  const right = v128.splat<f32>(load<f32>(column, 12));
  for (let c = 0; c < channels; c += 4) {
    // The last four may overlap those before; fewer than four channels are blended one by one.
    const at = <usize>min(c, channels - 4);
    let sum = f32x4.mul(f32x4.mul(loadFour(aboveLeft + at), above), left);
    sum = f32x4.add(sum, f32x4.mul(f32x4.mul(loadFour(belowLeft + at), below), left));
    sum = f32x4.add(sum, f32x4.mul(f32x4.mul(loadFour(aboveRight + at), above), right));
    sum = f32x4.add(sum, f32x4.mul(f32x4.mul(loadFour(belowRight + at), below), right));
    const whole = i32x4.trunc_sat_f32x4_s(f32x4.add(sum, v128.splat<f32>(0.5)));
    const narrow = i16x8.narrow_i32x4_s(whole, whole);
    v128.store32_lane(dst + at, i8x16.narrow_i16x8_u(narrow, narrow), 0);
  }
}

/** One number of type T, the same in binary32. */
function blendOne<T>(row: usize, column: usize, at: usize): f32 {
  const above = load<f32>(row, 8);
  const below = load<f32>(row, 12);
  const left = load<f32>(column, 8);
  const right = load<f32>(column, 12);
  return (
    <f32>load<T>(aboveLeft + at) * above * left +
    <f32>load<T>(belowLeft + at) * below * left +
    <f32>load<T>(aboveRight + at) * above * right +
    <f32>load<T>(belowRight + at) * below * right
  );
}

/** Channels of one int8 pixel in fixed point, rounded half away from zero. */
function blendSigned(row: usize, column: usize, channels: i32, dst: usize): void {
  const weightAL = load<i32>(row, 8) * load<i32>(column, 8);
  const weightBL = load<i32>(row, 12) * load<i32>(column, 8);
  const weightAR = load<i32>(row, 8) * load<i32>(column, 12);
  const weightBR = load<i32>(row, 12) * load<i32>(column, 12);
  for (let c: usize = 0; c < <usize>channels; c++) {
    // Weights beyond one pixel cancel each other, so a sum that wraps on the way ends right.
    const sum =
      <i32>load<i8>(aboveLeft + c) * weightAL +
      <i32>load<i8>(belowLeft + c) * weightBL +
      <i32>load<i8>(aboveRight + c) * weightAR +
      <i32>load<i8>(belowRight + c) * weightBR;
    const half = sum > 0 ? 1 << 19 : -(1 << 19);
    store<i8>(dst + c, <i8>((sum + half) / (1 << 20)));
  }
}

function blendPixel(element: i32, row: usize, column: usize, channels: i32, dst: usize): void {
  if (element == Element.I8) {
    blendSigned(row, column, channels, dst);
  } else if (element == Element.F32) {
    for (let c: usize = 0; c < (<usize>channels) << 2; c += 4)
      store<f32>(dst + c, blendOne<f32>(row, column, c));
  } else if (channels >= 4) {
    blendBytes(row, column, channels, dst);
  } else {
    for (let c: usize = 0; c < <usize>channels; c++)
      store<u8>(dst + c, <u8>(<i32>(blendOne<u8>(row, column, c) + 0.5)));
  }
}

/**
 * RESIZE_BILINEAR on float32, uint8 or int8 NHWC tensors; TFLite 2.14 reference semantics.
 * @param block ResizeParam words; all positions in the tables are inside of the input
 * @returns OK
 */
export function runResizeBilinear(block: usize): Status {
  clearFault();
  const element = param(block, ResizeParam.ELEMENT);
  const channels = param(block, ResizeParam.CHANNELS);
  const outputH = param(block, ResizeParam.OUTPUT_H);
  const outputW = param(block, ResizeParam.OUTPUT_W);
  const pixel = <usize>channels * <usize>param(block, ResizeParam.ELEMENT_BYTES);
  const line = <usize>param(block, ResizeParam.INPUT_W) * pixel;
  let plane = paramPtr(block, ResizeParam.INPUT);
  let dst = paramPtr(block, ResizeParam.OUTPUT);
  for (let batch = param(block, ResizeParam.BATCHES); batch > 0; batch--) {
    let row = paramPtr(block, ResizeParam.ROWS);
    for (let y = 0; y < outputH; y++) {
      const above = plane + <usize>load<u32>(row) * line;
      const below = plane + <usize>load<u32>(row, 4) * line;
      let column = paramPtr(block, ResizeParam.COLUMNS);
      for (let x = 0; x < outputW; x++) {
        const left = <usize>load<u32>(column) * pixel;
        const right = <usize>load<u32>(column, 4) * pixel;
        aboveLeft = above + left;
        aboveRight = above + right;
        belowLeft = below + left;
        belowRight = below + right;
        blendPixel(element, row, column, channels, dst);
        dst += pixel;
        column += 16;
      }
      row += 16;
    }
    plane += <usize>param(block, ResizeParam.INPUT_H) * line;
  }
  return Status.OK;
}

/**
 * RESIZE_NEAREST_NEIGHBOR on NHWC tensors of any element size.
 * @param block ResizeParam words; all positions in the tables are inside of the input
 * @returns OK
 */
export function runResizeNearest(block: usize): Status {
  clearFault();
  const outputH = param(block, ResizeParam.OUTPUT_H);
  const outputW = param(block, ResizeParam.OUTPUT_W);
  const pixel =
    <usize>param(block, ResizeParam.CHANNELS) * <usize>param(block, ResizeParam.ELEMENT_BYTES);
  const line = <usize>param(block, ResizeParam.INPUT_W) * pixel;
  const rows = paramPtr(block, ResizeParam.ROWS);
  const columns = paramPtr(block, ResizeParam.COLUMNS);
  let plane = paramPtr(block, ResizeParam.INPUT);
  let dst = paramPtr(block, ResizeParam.OUTPUT);
  for (let batch = param(block, ResizeParam.BATCHES); batch > 0; batch--) {
    for (let y = 0; y < outputH; y++) {
      const src = plane + <usize>param(rows, y) * line;
      for (let x = 0; x < outputW; x++) {
        memory.copy(dst, src + <usize>param(columns, x) * pixel, pixel);
        dst += pixel;
      }
    }
    plane += <usize>param(block, ResizeParam.INPUT_H) * line;
  }
  return Status.OK;
}
