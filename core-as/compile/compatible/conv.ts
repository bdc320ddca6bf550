// Convolutions as the reference's lowering changes them, step by step (spec/lowering.md 2, 4, 8).
// SPDX-License-Identifier: MIT
import type { Extent } from "../../ir/extent.ts";
import { optionsOf, type Op, type Tensor } from "../../ir/graph.ts";
import type { WeightPlan } from "../jobs.ts";
import { ceilDiv, extentOf, isSigned } from "../lower-shared.ts";

/** The convolution as the reference's lowering sees it, step by step changed. */
export interface ConvShape {
  in: Extent;
  out: Extent;
  kS: number;
  kF: number;
  stride: number;
  same: boolean;
  depthwise: boolean;
  pointwise: boolean;
  firstPixel: boolean;
}

/** The convolution before any step of lowering. */
export function initialShape(op: Op, input: Tensor, weight: Tensor, output: Tensor): ConvShape {
  const options =
    op.kind === "CONV_2D" ? optionsOf(op, "CONV_2D") : optionsOf(op, "DEPTHWISE_CONV_2D");
  const [, kS = 1, kF = 1] = weight.shape;
  const depthwise = op.kind === "DEPTHWISE_CONV_2D";
  const pointwise = kS === 1 && kF === 1;
  const stride = options.strideW;
  return {
    in: extentOf(input),
    out: extentOf(output),
    kS,
    kF,
    stride,
    same: options.padding === "same",
    depthwise,
    pointwise,
    firstPixel: stride > 1 && (depthwise || pointwise),
  };
}

/** Whether the reference folds the stride into channels by a TP job (v7). */
export function needsReshuffle({ stride, depthwise, pointwise, in: from }: ConvShape): boolean {
  if (stride === 1 || pointwise) return false;
  return !(depthwise && (from.s > 5 || from.s < 3));
}

/**
 * Weight steps of spec/lowering.md 4; changes `shape` to what the NN job sees.
 * @param zeroPoint weight zero point in the NN cores' unsigned form
 */
export function lowerWeights(shape: ConvShape, weight: Tensor, zeroPoint: number): WeightPlan {
  const signed = isSigned(weight);
  const plan: WeightPlan = {
    bytes: weight.constant!,
    layout: "as-is",
    outC: shape.out.c,
    kS: shape.kS,
    kF: shape.kF,
    inC: shape.in.c,
    channels: Math.min(shape.in.c, shape.out.c),
    destride: false,
    widen: false,
    pad: signed ? (zeroPoint - 128) & 0xff : zeroPoint,
    // Signed weights are sent as they are stored (Q4).
    flip: 0,
  };
  if (shape.pointwise && shape.in.c === 1) {
    shape.kS = shape.kF = plan.kS = plan.kF = 2;
    shape.pointwise = false;
    plan.widen = true;
    plan.layout = "widened";
  }
  if (shape.depthwise && (shape.out.c > 1 || shape.stride > 1)) {
    if (shape.in.s > 2 && shape.in.s < 8) shape.firstPixel = false;
    plan.layout = "depthwise";
  }
  if (shape.stride > 1 && !shape.firstPixel) {
    const more = shape.same ? (shape.kS === 5 ? 2 : 1) : 0;
    shape.in = {
      s: ceilDiv(shape.in.s, 2) + more,
      f: ceilDiv(shape.in.f, 2) + more,
      c: shape.in.c * 4,
    };
    shape.kS = ceilDiv(shape.kS, 2);
    shape.kF = ceilDiv(shape.kF, 2);
    plan.destride = true;
    if (plan.layout === "as-is") plan.layout = "destrided";
  } else if (shape.in.c > 1 && plan.layout === "as-is" && shape.kS * shape.kF > 1) {
    plan.layout = "transposed";
  }
  return plan;
}

/** The one padding offset that the reference gives to both axes (spec/lowering.md 8). */
export function offsetOf(shape: ConvShape): number {
  if (!shape.same || shape.kS <= 2) return 0;
  if (shape.stride === 1) return shape.kS < 5 ? -1 : -2;
  const x = Math.max(shape.in.s, shape.in.f);
  const kx = shape.kS;
  if (!(x < 5 || (shape.depthwise && (kx === 5 || x === 5)))) return 0;
  return (x <= 5 && kx < 5) || (x > 5 && kx >= 5) ? -1 : -2;
}
