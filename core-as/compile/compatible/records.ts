// Job records as the reference fills them, overflowing fields and exchanged axes included (spec/lowering.md 5-8).
// SPDX-License-Identifier: MIT
import { CoefOrder, NnJob, QuirkFlag, RunSearch, WeightSource } from "../../assembly/abi.ts";
import type { Chip } from "../../hw/chips.ts";
import type { Tensor } from "../../ir/graph.ts";
import type { NnRecord, WeightPlan } from "../jobs.ts";
import {
  chipRecord,
  floatBits,
  isSigned,
  largestFactor,
  rawZeroPoint,
  scaleOf,
  zp8,
} from "../lower-shared.ts";
import { offsetOf, type ConvShape } from "./conv.ts";

const QUIRKS =
  QuirkFlag.READ_PAST_END |
  QuirkFlag.KERNEL_END_ZERO |
  QuirkFlag.TRUNCATE_MULTIPLIER |
  QuirkFlag.WRAP_SHIFT |
  QuirkFlag.WRAP_ROWS |
  QuirkFlag.COUNT_STORED |
  QuirkFlag.FLUSH_PLANES;

/** Fields of 13 and 14 bits overflow silently in the reference (Q18, Q19). */
const BITS_13 = 0x1fff;
const BITS_14 = 0x3fff;

/** The record of a convolution after its weight steps. */
export function convRecord(
  chip: Chip,
  shape: ConvShape,
  weights: WeightPlan,
  input: Tensor,
  weight: Tensor,
  output: Tensor,
): NnRecord {
  const { kS, kF, in: from, out } = shape;
  const pointwise = shape.pointwise && out.c > 8;
  const doubling = shape.firstPixel ? 2 : 1;
  return {
    ...referenceGeometry(chip, shape, offsetOf(shape)),
    ...quantisation(input, weight, output),
    [NnJob.TILE_OUT_X]: out.s * doubling,
    [NnJob.TILE_OUT_Y]: out.f * doubling,
    [NnJob.TILE_OUT_Z]: out.c,
    [NnJob.TILE_KERNEL_X]: kF,
    [NnJob.TILE_KERNEL_Y]: kF,
    [NnJob.TILE_ONE_ROW]: kS === 1 ? 1 : 0,
    [NnJob.STRIDE]: shape.stride,
    [NnJob.ORDER]: pointwise ? CoefOrder.POINTWISE : CoefOrder.INTERLEAVED,
    [NnJob.COEF_PLANES]: from.c,
    [NnJob.COEF_KERNELS]: out.c,
    [NnJob.ROWS]: kS,
    [NnJob.COLS]: kF,
    [NnJob.REST_END]: kS,
    // One-channel kernels are split only for depthwise jobs and big images (Q7).
    [NnJob.SPLIT_ROWS]: from.c > 1 || shape.depthwise || from.s > 64 ? 1 : 0,
    [NnJob.DW_PLANES]: weights.destride ? 4 : 1,
    [NnJob.DW_MULTIPLIER]: 1,
    [NnJob.PAD_BYTE]: weights.pad,
    [NnJob.WEIGHT_FLIP]: isSigned(weight) ? 0x80 : 0,
    [NnJob.RUN_SEARCH]: shape.pointwise ? RunSearch.NONE : RunSearch.GREEDY,
  };
}

/** Sizes, strides and offset as the descriptor says them: x gets the larger side (Q15), kS goes to x (Q16). */
export function referenceGeometry(chip: Chip, shape: ConvShape, offset: number): NnRecord {
  const { in: from, out, kS, kF } = shape;
  const exchange = from.f > from.s;
  const [inX, inY] = exchange ? [from.f, from.s] : [from.s, from.f];
  const [outX, outY] = exchange ? [out.f, out.s] : [out.s, out.f];
  const doubling = shape.firstPixel ? 2 : 1;
  return {
    ...chipRecord(chip),
    [NnJob.QUIRKS]: QUIRKS,
    [NnJob.IN_X]: inX & BITS_13,
    [NnJob.IN_Y]: inY & BITS_13,
    [NnJob.IN_Z]: from.c & BITS_14,
    [NnJob.OUT_X]: (outX * doubling) & BITS_13,
    [NnJob.OUT_Y]: (outY * doubling) & BITS_13,
    [NnJob.OUT_Z]: out.c & BITS_14,
    [NnJob.KERNEL_X]: kS,
    [NnJob.KERNEL_Y]: kF,
    [NnJob.OFFSET_X]: offset,
    [NnJob.OFFSET_Y]: offset,
    [NnJob.IN_X_STRIDE]: inX & 0xffff,
    [NnJob.IN_Y_STRIDE]: inY & 0xffff,
    [NnJob.OUT_X_STRIDE]: outX & 0xffff,
    [NnJob.OUT_Y_STRIDE]: outY & 0xffff,
    [NnJob.FIRST_PIXEL]: shape.firstPixel ? 1 : 0,
    // Both axes of the cached footprint use the x size (Q20).
    [NnJob.CACHE_KERNEL_X]: kS,
    [NnJob.CACHE_KERNEL_Y]: kS,
    [NnJob.OUT_PLANE]: out.s * out.f,
  };
}

function quantisation(input: Tensor, weight: Tensor, output: Tensor): NnRecord {
  return {
    [NnJob.IN_ZP]: zp8(input),
    [NnJob.OUT_ZP]: zp8(output),
    [NnJob.WEIGHT_ZP]: zp8(weight),
    [NnJob.IN_SCALE]: floatBits(scaleOf(input)),
    [NnJob.WEIGHT_SCALE]: floatBits(scaleOf(weight)),
    [NnJob.OUT_SCALE]: floatBits(scaleOf(output)),
  };
}

/** Quantisation of an addition: the pseudo weights have a scale of their own, and no activation is taken over. */
export function additionQuantisation(a: Tensor, output: Tensor, weightScale: number): NnRecord {
  return {
    [NnJob.IN_ZP]: zp8(a),
    [NnJob.OUT_ZP]: zp8(output),
    [NnJob.WEIGHT_ZP]: 0,
    [NnJob.IN_SCALE]: floatBits(scaleOf(a)),
    [NnJob.WEIGHT_SCALE]: floatBits(weightScale),
    [NnJob.OUT_SCALE]: floatBits(scaleOf(output)),
    [NnJob.RELU]: 0,
  };
}

/** A fully connected layer: one kernel over the whole input, seen as a small image (spec/lowering.md 6, 8). */
export function fullyConnectedRecord(
  chip: Chip,
  input: Tensor,
  weight: Tensor,
  output: Tensor,
): NnRecord {
  const values = input.shape[1] ?? 1;
  const outC = output.shape[1] ?? 1;
  const kS = weight.shape[1] ?? 1;
  const kernelX = largestFactor(values, 15);
  const kernelY = largestFactor(values / kernelX, 15);
  const raw = (tensor: Tensor): number => rawZeroPoint(tensor) & 0xff;
  const planes = values / kernelX / kernelY;
  return {
    ...referenceGeometry(
      chip,
      {
        in: { s: kernelX, f: kernelY, c: planes },
        out: { s: 1, f: 1, c: outC },
        kS: kernelX,
        kF: kernelY,
        stride: 1,
        same: false,
        depthwise: false,
        pointwise: false,
        firstPixel: false,
      },
      0,
    ),
    ...quantisation(input, weight, output),
    // Neither zero points nor weights are shifted for signed tensors (Q38).
    [NnJob.IN_ZP]: raw(input),
    [NnJob.OUT_ZP]: raw(output),
    [NnJob.WEIGHT_ZP]: raw(weight),
    [NnJob.IN_X]: kernelX,
    [NnJob.IN_Y]: kernelY,
    [NnJob.IN_X_STRIDE]: kernelX,
    [NnJob.IN_Y_STRIDE]: kernelY,
    [NnJob.RELU]: 0,
    [NnJob.TILE_OUT_X]: 1,
    [NnJob.TILE_OUT_Y]: 1,
    [NnJob.TILE_OUT_Z]: outC,
    [NnJob.TILE_KERNEL_X]: 1,
    [NnJob.TILE_KERNEL_Y]: 1,
    [NnJob.TILE_ONE_ROW]: kS === 1 ? 1 : 0,
    [NnJob.STRIDE]: 1,
    // Plain order although the descriptor promises another one (Q59).
    [NnJob.ORDER]: CoefOrder.INTERLEAVED,
    [NnJob.COEF_PLANES]: 1,
    [NnJob.COEF_KERNELS]: outC,
    [NnJob.ROWS]: kS,
    [NnJob.COLS]: 1,
    [NnJob.REST_END]: 1,
    [NnJob.SPLIT_ROWS]: 0,
    [NnJob.SOURCE]: WeightSource.DENSE,
    [NnJob.DW_PLANES]: 1,
    [NnJob.DW_MULTIPLIER]: 1,
    [NnJob.PAD_BYTE]: 0,
    [NnJob.RUN_SEARCH]: RunSearch.GREEDY,
  };
}
