// Job records of optimised mode: x = columns, y = rows, everything as the hardware reads it.
// SPDX-License-Identifier: MIT
import { CoefOrder, NnJob, RunSearch, WeightSource } from "../../assembly/abi.ts";
import type { Chip } from "../../hw/chips.ts";
import type { Extent } from "../../ir/extent.ts";
import type { Tensor } from "../../ir/graph.ts";
import type { ConvGeometry } from "../../legalise/conv-geometry.ts";
import type { NnRecord, WeightPlan } from "../jobs.ts";
import { chipRecord, isSigned, zp8 } from "../lower-shared.ts";

/** Geometry, tiling and coefficient members of a convolution. */
export function convRecord(
  chip: Chip,
  geometry: ConvGeometry,
  weights: Pick<WeightPlan, "layout" | "pad">,
): NnRecord {
  const { folded, out, depthwise, widen, firstPixel } = geometry;
  const rows = folded?.rows ?? geometry.in.s;
  const columns = folded?.columns ?? geometry.in.f;
  const phases = folded ? folded.x * folded.y : 1;
  const planes = geometry.in.c * phases;
  const kernelX = widen ? 2 : Math.ceil(geometry.kF / (folded?.x ?? 1));
  const kernelY = widen ? 2 : Math.ceil(geometry.kS / (folded?.y ?? 1));
  const doubled = firstPixel ? 2 : 1;
  // The hardware picks its order by the descriptor: kernels of one weight go in blocks of channels.
  const pointwise = kernelX === 1 && kernelY === 1 && out.c > 8;
  return {
    ...imageRecord(chip, {
      in: { s: rows, f: columns, c: planes },
      out,
      kernelX,
      kernelY,
      doubled,
    }),
    [NnJob.OFFSET_X]: folded ? 0 : -geometry.padLeft,
    [NnJob.OFFSET_Y]: folded ? 0 : -geometry.padTop,
    [NnJob.FIRST_PIXEL]: firstPixel ? 1 : 0,
    [NnJob.STRIDE]: geometry.stride,
    [NnJob.ORDER]: pointwise ? CoefOrder.POINTWISE : CoefOrder.INTERLEAVED,
    [NnJob.COEF_PLANES]: planes,
    [NnJob.COEF_KERNELS]: out.c,
    // With one input channel every stored plane is a whole kernel.
    [NnJob.SOURCE]:
      weights.layout === "depthwise" && geometry.in.c > 1 && !geometry.expanded
        ? WeightSource.DEPTHWISE
        : WeightSource.DENSE,
    [NnJob.NATIVE_DEPTHWISE]: geometry.native ? 1 : 0,
    [NnJob.DW_PLANES]: phases,
    [NnJob.DW_MULTIPLIER]: depthwise ? out.c / geometry.in.c : 1,
    [NnJob.PAD_BYTE]: weights.pad,
  };
}

/** Members of a convolution that its time depends on. */
export function sizedRecord(chip: Chip, geometry: ConvGeometry): NnRecord {
  const layout = geometry.depthwise ? "depthwise" : "transposed";
  return convRecord(chip, geometry, { layout, pad: 0 });
}

export interface ImageShape {
  in: Extent;
  out: Extent;
  kernelX: number;
  kernelY: number;
  /** 2 when the output is computed at twice its size and pixels are dropped. */
  doubled: number;
}

/** Members that follow from the sizes alone: descriptor geometry, tiling and the kernel's sides. */
export function imageRecord(
  chip: Chip,
  { in: from, out, kernelX, kernelY, doubled }: ImageShape,
): NnRecord {
  return {
    ...chipRecord(chip),
    [NnJob.QUIRKS]: 0,
    [NnJob.IN_X]: from.f,
    [NnJob.IN_Y]: from.s,
    [NnJob.IN_Z]: from.c,
    [NnJob.OUT_X]: out.f * doubled,
    [NnJob.OUT_Y]: out.s * doubled,
    [NnJob.OUT_Z]: out.c,
    [NnJob.KERNEL_X]: kernelX,
    [NnJob.KERNEL_Y]: kernelY,
    [NnJob.IN_X_STRIDE]: from.f,
    [NnJob.IN_Y_STRIDE]: from.s,
    [NnJob.OUT_X_STRIDE]: out.f,
    [NnJob.OUT_Y_STRIDE]: out.s,
    [NnJob.OUT_PLANE]: out.s * out.f,
    [NnJob.TILE_OUT_X]: out.f * doubled,
    [NnJob.TILE_OUT_Y]: out.s * doubled,
    [NnJob.TILE_OUT_Z]: out.c,
    [NnJob.TILE_KERNEL_X]: kernelX,
    [NnJob.TILE_KERNEL_Y]: kernelY,
    [NnJob.TILE_ONE_ROW]: kernelX === 1 || kernelY === 1 ? 1 : 0,
    [NnJob.CACHE_KERNEL_X]: kernelX,
    [NnJob.CACHE_KERNEL_Y]: kernelY,
    [NnJob.ROWS]: kernelY,
    [NnJob.COLS]: kernelX,
    [NnJob.REST_END]: kernelX,
    [NnJob.SPLIT_ROWS]: 1,
    [NnJob.RUN_SEARCH]: RunSearch.EXHAUSTIVE,
  };
}

/** Weights of a convolution in the encoder's order, signed ones shifted by 128 (Q4). */
export function convWeights(geometry: ConvGeometry, weight: Tensor): WeightPlan {
  const { depthwise, widen, folded, dilationS, dilationF, in: from, out } = geometry;
  const side = widen ? 2 : 0;
  const kS = (geometry.kS - 1) / dilationS + 1;
  const kF = (geometry.kF - 1) / dilationF + 1;
  const taps = kS * kF;
  return {
    ...(folded && { strides: { x: folded.x, y: folded.y } }),
    dilation: { x: dilationF, y: dilationS },
    ...(geometry.expanded && { expand: from.c }),
    bytes: weight.constant!,
    layout: widen
      ? "widened"
      : depthwise
        ? "depthwise"
        : folded
          ? "destrided"
          : taps === 1 || from.c === 1
            ? "as-is"
            : "transposed",
    outC: out.c,
    kS: side || kS,
    kF: side || kF,
    // Depthwise weights have one channel per kernel.
    inC: depthwise ? out.c : from.c,
    channels: out.c,
    destride: folded !== null,
    widen,
    pad: zp8(weight),
    flip: isSigned(weight) ? 0x80 : 0,
  };
}
