// What of the reference's lowering depends on the NN core version.
// SPDX-License-Identifier: MIT
import type { Chip } from "../../hw/chips.ts";
import type { Tensor } from "../../ir/graph.ts";
import type { NnRecord, QuirkNote, WeightPlan } from "../jobs.ts";
import type { ConvShape } from "./conv.ts";

export type QuirkText = Omit<QuirkNote, "job">;

/** What an addition's job is made of. */
export interface AddParts {
  record: NnRecord;
  weights: WeightPlan;
  biases: Int32Array;
}

export interface ReferenceRules {
  /** Stride two by keeping every second output pixel. */
  firstPixel(shape: ConvShape): boolean;
  /** Stride two by folding pixels into channels, which needs a TP job before. */
  needsReshuffle(shape: ConvShape): boolean;
  /** The weight step for depthwise kernels. */
  lowerDepthwise(shape: ConvShape, plan: WeightPlan): void;
  /** Members of a convolution's record that say how its kernels are stored. */
  coefficients(shape: ConvShape, weights: WeightPlan): NnRecord;
  addParts(chip: Chip, a: Tensor, b: Tensor, output: Tensor): AddParts;
  convQuirks(first: ConvShape, lowered: ConvShape, weight: Tensor, chip: Chip): QuirkText[];
  addQuirks(inputs: readonly Tensor[], total: number, row: number): QuirkText[];
  /** Why fully connected layers come out wrong, or null. */
  fullyConnectedQuirk: string | null;
  /** Kernels of channels that do not exist are encoded (Q1). */
  readsPastEnd: boolean;
}
