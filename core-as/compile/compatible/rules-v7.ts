// What the reference does for NN core version 7 only (spec/lowering.md 2, 4, 5).
// SPDX-License-Identifier: MIT
import { CoefOrder, NnJob, RunSearch, WeightSource } from "../../assembly/abi.ts";
import type { Chip } from "../../hw/chips.ts";
import type { Tensor } from "../../ir/graph.ts";
import type { NnRecord, WeightPlan } from "../jobs.ts";
import {
  addFactors,
  extentOf,
  isSigned,
  rawZeroPoint,
  referenceAddRow,
  roundAway,
  scaleOf,
  storedWeights,
} from "../lower-shared.ts";
import type { ConvShape } from "./conv.ts";
import { additionQuantisation, referenceGeometry } from "./records.ts";
import type { AddParts, QuirkText, ReferenceRules } from "./rules.ts";

/** 1x1 kernels of more output channels than this are read in blocks of input channels. */
const BLOCK_ORDER_ABOVE = 8;

function firstPixel({ stride, depthwise, pointwise }: ConvShape): boolean {
  return stride > 1 && (depthwise || pointwise);
}

function needsReshuffle({ stride, depthwise, pointwise, in: from }: ConvShape): boolean {
  if (stride === 1 || pointwise) return false;
  return !(depthwise && (from.s > 5 || from.s < 3));
}

/** Depthwise kernels become dense ones; small images lose first-pixel pooling. */
function lowerDepthwise(shape: ConvShape, plan: WeightPlan): void {
  if (shape.out.c === 1 && shape.stride === 1) return;
  if (shape.in.s > 2 && shape.in.s < 8) shape.firstPixel = false;
  plan.layout = "depthwise";
}

function coefficients(_shape: ConvShape, weights: WeightPlan): NnRecord {
  return {
    [NnJob.SOURCE]: weights.layout === "depthwise" ? WeightSource.DEPTHWISE : WeightSource.DENSE,
  };
}

function convQuirks(first: ConvShape, lowered: ConvShape, weight: Tensor): QuirkText[] {
  const notes: QuirkText[] = [];
  const note = (quirk: string, why: string): void => void notes.push({ quirk, why });
  const { s, c } = first.in;
  if (isSigned(weight)) note("Q4", "int8 weights are sent as unsigned bytes");
  if (lowered.in.c === 1 && lowered.kF > 3 && !lowered.depthwise && lowered.in.s <= 64)
    note("Q7", `rows of ${lowered.kF} weights are not split for a one-channel image of ${s} rows`);
  if (first.depthwise && first.out.c !== c)
    note("Q35", `depth multiplier ${first.out.c / c} is not expanded`);
  if (first.depthwise && first.stride > 1 && (s === 6 || s === 7))
    note("Q36", `weights are folded for a depthwise image of ${s} rows, the image is not`);
  const oneWeight = lowered.kS === 1 && lowered.kF === 1 && !lowered.pointwise;
  if (oneWeight && first.out.c > BLOCK_ORDER_ABOVE && lowered.in.c > 1)
    note("Q59", "a folded kernel of one weight is not in the order that its descriptor promises");
  return notes;
}

function addQuirks(inputs: readonly Tensor[], total: number, row: number): QuirkText[] {
  const notes: QuirkText[] = [];
  if (inputs.some(isSigned))
    notes.push({ quirk: "Q37", why: "zero points of int8 are squeezed into unsigned bytes" });
  if (total / row > 0x1fff)
    notes.push({ quirk: "Q19", why: `${total} values make a row longer than ${0x1fff}` });
  return notes;
}

/** An addition as an NN job over a pseudo image of two planes (spec/lowering.md 5, 8). */
function addParts(chip: Chip, a: Tensor, b: Tensor, output: Tensor): AddParts {
  const [sa, sb] = [scaleOf(a), scaleOf(b)];
  const { weightScale, w0, addOff } = addFactors(sa, sb);
  // Zero points go through 8 bits unshifted: wrong for signed tensors (Q37).
  const [za, zb] = [rawZeroPoint(a) & 0xff, rawZeroPoint(b) & 0xff];
  const distance = Math.fround(Math.fround(za - zb) * sb) / Math.fround(weightScale * sa);
  const scaled = roundAway(Math.fround(sb / sa) / weightScale);
  const from = extentOf(a);
  const out = extentOf(output);

  const row = referenceAddRow(from.s * from.f);
  const rows = (from.s * from.f * from.c) / row;
  const outRows = (out.s * out.f * out.c) / row;
  const shape: ConvShape = {
    in: { s: row, f: rows, c: 2 },
    out: { s: row, f: outRows, c: 1 },
    kS: 2,
    kF: 2,
    stride: 1,
    same: false,
    depthwise: false,
    pointwise: false,
    firstPixel: false,
  };
  const record: NnRecord = {
    ...referenceGeometry(chip, shape, 0),
    ...additionQuantisation(a, output, weightScale),
    [NnJob.TILE_OUT_X]: row,
    [NnJob.TILE_OUT_Y]: outRows,
    [NnJob.TILE_OUT_Z]: 1,
    [NnJob.TILE_KERNEL_X]: 2,
    [NnJob.TILE_KERNEL_Y]: 2,
    [NnJob.TILE_ONE_ROW]: 0,
    [NnJob.STRIDE]: 1,
    ...addCoefficients(addOff),
  };
  return {
    record,
    weights: storedWeights(Uint8Array.of(w0, 0, 0, 0)),
    biases: Int32Array.of(roundAway(distance) - scaled * za),
  };
}

/** The encoder's side of an addition: one 2x2 kernel, its second weight in place of the output offset. */
function addCoefficients(addOff: number): NnRecord {
  return {
    [NnJob.ORDER]: CoefOrder.INTERLEAVED,
    [NnJob.COEF_PLANES]: 1,
    [NnJob.COEF_KERNELS]: 1,
    [NnJob.ROWS]: 2,
    [NnJob.COLS]: 2,
    [NnJob.REST_END]: 2,
    [NnJob.SPLIT_ROWS]: 0,
    [NnJob.SOURCE]: WeightSource.DENSE,
    [NnJob.DW_PLANES]: 1,
    [NnJob.DW_MULTIPLIER]: 1,
    [NnJob.PAD_BYTE]: 0,
    [NnJob.IS_ADD]: 1,
    [NnJob.ADD_WORD]: addOff,
    // A run would hide the second weight, which is a word to the encoder and four weights to the hardware.
    [NnJob.RUN_SEARCH]: RunSearch.NONE,
  };
}

export const RULES_V7: ReferenceRules = {
  firstPixel,
  needsReshuffle,
  lowerDepthwise,
  coefficients,
  addParts,
  convQuirks,
  addQuirks,
  fullyConnectedQuirk: "coefficients are in another order than the descriptor promises",
  readsPastEnd: true,
};
