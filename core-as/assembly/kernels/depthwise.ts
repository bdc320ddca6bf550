// DEPTHWISE_CONV_2D: eight channels at a time straight from the input tensor.
// SPDX-License-Identifier: MIT
import { ConvParam, Fault, Status } from "../abi";
import { clearFault, fail, noteFault } from "../fault";
import { finishChannels, setOutputStage } from "./output-stage";
import { loadElement, param, paramPtr } from "./requantise";
import { LANES, preparedRowBytes } from "./weights";

const sums = memory.data(32, 16);

// The convolution that runs now, and the window of the current output pixel.
let inputW: i32 = 0;
let inputC: i32 = 0;
let kernelW: i32 = 0;
let dilationH: i32 = 0;
let dilationW: i32 = 0;
let inputZero: i32 = 0;
let weights: usize = 0;
let rowBytes: usize = 0;
/** Address of the input pixel under the kernel's first tap; may lie outside the tensor, then no tap uses it. */
let origin: usize = 0;
let firstKy: i32 = 0;
let endKy: i32 = 0;
let firstKx: i32 = 0;
let endKx: i32 = 0;

/** First kernel tap that lies inside: the smallest k >= 0 with start + k * dilation >= 0. */
function firstTap(start: i32, dilation: i32): i32 {
  return start >= 0 ? 0 : (dilation - 1 - start) / dilation;
}

/** Taps up to the end: the smallest k with start + k * dilation >= size, at most `taps`. */
function endTap(start: i32, dilation: i32, size: i32, taps: i32): i32 {
  return start >= size ? 0 : min(taps, (size - start + dilation - 1) / dilation);
}

/** Sums of eight consecutive channels whose inputs are consecutive too. */
function accumulateVector<T>(channel: i32): void {
  const zero = i16x8.splat(<i16>inputZero);
  let low = i32x4.splat(0);
  let high = low;
  const stepX = <usize>(dilationW * inputC);
  for (let ky = firstKy; ky < endKy; ky++) {
    let src = origin + <usize>((ky * dilationH * inputW + firstKx * dilationW) * inputC + channel);
    let w = weights + <usize>(ky * kernelW + firstKx) * rowBytes + ((<usize>channel) << 1);
    for (let kx = firstKx; kx < endKx; kx++) {
      const x = i16x8.sub(v128.load_ext<T>(src), zero);
      const k = v128.load(w);
      low = i32x4.add(low, i32x4.extmul_low_i16x8_s(x, k));
      high = i32x4.add(high, i32x4.extmul_high_i16x8_s(x, k));
      src += stepX;
      w += rowBytes;
    }
  }
  v128.store(sums, low);
  v128.store(sums, high, 16);
}

/** Sum of one output channel; for depth multipliers above 1. */
function accumulateScalar(channel: i32, depthMultiplier: i32, isSigned: bool): void {
  let sum = 0;
  const inputChannel = channel / depthMultiplier;
  for (let ky = firstKy; ky < endKy; ky++) {
    for (let kx = firstKx; kx < endKx; kx++) {
      const pixel = (ky * dilationH * inputW + kx * dilationW) * inputC;
      const x = loadElement(origin + <usize>(pixel + inputChannel), isSigned) - inputZero;
      const w = weights + <usize>(ky * kernelW + kx) * rowBytes + ((<usize>channel) << 1);
      sum += x * <i32>load<i16>(w);
    }
  }
  store<i32>(sums, sum);
}

/** All channels of one output pixel. */
function runPixel(output: usize, outputC: i32, depthMultiplier: i32, isSigned: bool): void {
  if (depthMultiplier != 1) {
    for (let channel = 0; channel < outputC; channel++) {
      accumulateScalar(channel, depthMultiplier, isSigned);
      finishChannels(sums, channel, 1, output + channel);
    }
    return;
  }
  for (let channel = 0; channel < outputC; channel += LANES) {
    if (isSigned) accumulateVector<i8>(channel);
    else accumulateVector<u8>(channel);
    finishChannels(sums, channel, min(LANES, outputC - channel), output + channel);
  }
}

/**
 * DEPTHWISE_CONV_2D on int8 or uint8 NHWC tensors, also dilated; TFLite 2.14 reference semantics with one multiplier per
 * output channel.
 * @param block ConvParam words with GROUPS = depth multiplier = OUTPUT_C / INPUT_C; WEIGHTS holds one group of
 *   KERNEL_H * KERNEL_W rows of OUTPUT_C weights, prepared
 * @returns OK or BAD_ARGUMENT
 */
export function runDepthwiseConv2d(block: usize): Status {
  clearFault();
  const outputC = param(block, ConvParam.OUTPUT_C);
  const depthMultiplier = param(block, ConvParam.GROUPS);
  inputC = param(block, ConvParam.INPUT_C);
  if (depthMultiplier < 1 || inputC * depthMultiplier != outputC) {
    noteFault(Fault.VALUE, depthMultiplier);
    return fail(Status.BAD_ARGUMENT);
  }
  setOutputStage(block);
  inputW = param(block, ConvParam.INPUT_W);
  kernelW = param(block, ConvParam.KERNEL_W);
  dilationH = param(block, ConvParam.DILATION_H);
  dilationW = param(block, ConvParam.DILATION_W);
  inputZero = param(block, ConvParam.INPUT_ZERO);
  weights = paramPtr(block, ConvParam.WEIGHTS);
  rowBytes = preparedRowBytes(outputC);
  const inputH = param(block, ConvParam.INPUT_H);
  const outputH = param(block, ConvParam.OUTPUT_H);
  const outputW = param(block, ConvParam.OUTPUT_W);
  const kernelH = param(block, ConvParam.KERNEL_H);
  const isSigned = param(block, ConvParam.SIGNED) != 0;

  let output = paramPtr(block, ConvParam.OUTPUT);
  let plane = paramPtr(block, ConvParam.INPUT);
  for (let batch = param(block, ConvParam.BATCHES); batch > 0; batch--) {
    for (let outY = 0; outY < outputH; outY++) {
      const y = outY * param(block, ConvParam.STRIDE_H) - param(block, ConvParam.PAD_TOP);
      firstKy = firstTap(y, dilationH);
      endKy = endTap(y, dilationH, inputH, kernelH);
      for (let outX = 0; outX < outputW; outX++) {
        const x = outX * param(block, ConvParam.STRIDE_W) - param(block, ConvParam.PAD_LEFT);
        firstKx = firstTap(x, dilationW);
        endKx = endTap(x, dilationW, inputW, kernelW);
        // wraps when the pixel lies outside; adding the offset of a tap that lies inside wraps back
        origin = plane + <usize>((y * inputW + x) * inputC);
        runPixel(output, outputC, depthMultiplier, isSigned);
        output += outputC;
      }
    }
    plane += <usize>(inputH * inputW * inputC);
  }
  return Status.OK;
}
