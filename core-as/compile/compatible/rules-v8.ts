// What the reference does for NN core version 8 only (spec/lowering.md 2, 4, 5).
// SPDX-License-Identifier: MIT
import { NnJob, WeightSource } from "../../assembly/abi.ts";
import type { Chip } from "../../hw/chips.ts";
import type { Tensor } from "../../ir/graph.ts";
import type { NnRecord, WeightPlan } from "../jobs.ts";
import {
  addFactors,
  extentOf,
  rawZeroPoint,
  referenceAddRow,
  roundAway,
  scaleOf,
  storedWeights,
} from "../lower-shared.ts";
import type { ConvShape } from "./conv.ts";
import { additionQuantisation, referenceGeometry } from "./records.ts";
import type { AddParts, QuirkText, ReferenceRules } from "./rules.ts";

/** 1x1 convolutions that keep every second pixel instead of folding the image. */
function dropsPixels({ same, in: from }: ConvShape): boolean {
  return same || (from.s >= 3 && from.c > 1);
}

function firstPixel(shape: ConvShape): boolean {
  return shape.stride > 1 && (shape.depthwise || (shape.pointwise && dropsPixels(shape)));
}

function needsReshuffle(shape: ConvShape): boolean {
  return shape.stride > 1 && !firstPixel(shape);
}

/** One small kernel per channel, channel by channel. */
function lowerDepthwise(shape: ConvShape, plan: WeightPlan): void {
  if (shape.out.c === 1) return;
  plan.layout = "depthwise";
  plan.inC = plan.channels = shape.out.c;
}

function coefficients(shape: ConvShape): NnRecord {
  return {
    [NnJob.SOURCE]: shape.depthwise ? WeightSource.DEPTHWISE : WeightSource.DENSE,
    [NnJob.NATIVE_DEPTHWISE]: shape.depthwise ? 1 : 0,
  };
}

/** An addition as a 1x1 convolution of both operands' channels with two diagonals. */
function addParts(chip: Chip, a: Tensor, b: Tensor, output: Tensor): AddParts {
  const [sa, sb] = [scaleOf(a), scaleOf(b)];
  const { weightScale, w0 } = addFactors(sa, sb);
  const second = roundAway(Math.fround(Math.fround(sb / sa) / weightScale)) & 0xff;
  const difference = Math.fround(rawZeroPoint(a) - rawZeroPoint(b));
  const distance = Math.fround(difference * sb) / Math.fround(weightScale * sa);
  const from = extentOf(a);
  const out = extentOf(output);
  const channels = out.c;
  const matrix = new Uint8Array(channels * 2 * channels);
  for (let channel = 0; channel < channels; channel++) {
    matrix[channel * 2 * channels + channel] = w0;
    matrix[channel * 2 * channels + channels + channel] = second;
  }
  const shape: ConvShape = {
    in: { s: from.s, f: from.f, c: 2 * channels },
    out,
    kS: 1,
    kF: 1,
    stride: 1,
    same: false,
    depthwise: false,
    pointwise: false,
    firstPixel: false,
  };
  // The tile comes from the pseudo image that only version 7 uses (Q39).
  const row = referenceAddRow(from.s * from.f);
  const record: NnRecord = {
    ...referenceGeometry(chip, shape, 0),
    ...additionQuantisation(a, output, weightScale),
    [NnJob.TILE_OUT_X]: row,
    [NnJob.TILE_OUT_Y]: (out.s * out.f * out.c) / row,
    [NnJob.TILE_OUT_Z]: channels,
    [NnJob.TILE_KERNEL_X]: 1,
    [NnJob.TILE_KERNEL_Y]: 1,
    [NnJob.TILE_ONE_ROW]: 1,
    [NnJob.STRIDE]: 1,
    [NnJob.COEF_PLANES]: 2 * channels,
    [NnJob.COEF_KERNELS]: channels,
    [NnJob.ROWS]: 1,
    [NnJob.COLS]: 1,
    [NnJob.SOURCE]: WeightSource.DENSE,
  };
  return {
    record,
    weights: storedWeights(matrix),
    biases: new Int32Array(channels).fill(roundAway(distance)),
  };
}

function convQuirks(
  first: ConvShape,
  _lowered: ConvShape,
  _weight: Tensor,
  chip: Chip,
): QuirkText[] {
  const { depthwise, out, in: from } = first;
  const notes: QuirkText[] = [];
  if (depthwise && out.c > 1 && out.c < chip.nnCores)
    notes.push({
      quirk: "Q13",
      why: `${out.c} depthwise channels on ${chip.nnCores} cores crash it`,
    });
  if (depthwise && out.c !== from.c)
    notes.push({ quirk: "Q35", why: `depth multiplier ${out.c / from.c} is not modelled` });
  return notes;
}

export const RULES_V8: ReferenceRules = {
  firstPixel,
  needsReshuffle,
  lowerDepthwise,
  coefficients,
  addParts,
  convQuirks,
  addQuirks: () => [],
  fullyConnectedQuirk: null,
  readsPastEnd: false,
};
