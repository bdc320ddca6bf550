// What both lowerings need: tensor sizes, quantisation in hardware terms, records that do not depend on the mode.
// SPDX-License-Identifier: MIT
import { NnJob } from "../assembly/abi.ts";
import type { Chip } from "../hw/chips.ts";
import type { Graph, Op, Tensor } from "../ir/graph.ts";
import type { NnRecord, WeightPlan } from "./jobs.ts";
import { leadingExtent, type Extent } from "../ir/extent.ts";

/** floor((a + b - 1) / b) for non-negative a. */
export const ceilDiv = (a: number, b: number): number => Math.floor((a + b - 1) / b);

/** Rounds half away from zero, as C's round(). */
export const roundAway = (value: number): number =>
  value < 0 ? -Math.floor(-value + 0.5) : Math.floor(value + 0.5);

/** Sizes of a tensor as the reference reads them. */
export const extentOf = (tensor: Tensor): Extent => leadingExtent(tensor.shape);

/** True for types that the reference shifts by 128 (everything that is not unsigned). */
export const isSigned = (tensor: Tensor): boolean => !tensor.type.startsWith("uint");

/** Scale of a per-tensor quantised tensor. */
export const scaleOf = (tensor: Tensor): number => tensor.quant?.scales[0] ?? 0;

/** Zero point as stored. */
export const rawZeroPoint = (tensor: Tensor): number => tensor.quant?.zeroPoints[0] ?? 0;

/** Zero point in the NN cores' unsigned form: shifted by 128 for signed tensors, 8 bits. */
export const zp8 = (tensor: Tensor): number =>
  (rawZeroPoint(tensor) + (isSigned(tensor) ? 128 : 0)) & 0xff;

const bitsView = new DataView(new ArrayBuffer(4));

/** The 32 bits of a binary32 value. */
export function floatBits(value: number): number {
  bitsView.setFloat32(0, value);
  return bitsView.getInt32(0);
}

/** The chip's part of a job record. */
export function chipRecord(chip: Chip): NnRecord {
  return {
    [NnJob.CORE_VERSION]: chip.nnCoreVersion,
    [NnJob.NN_CORES]: chip.nnCores,
    [NnJob.ZRL_MAX]: chip.zrlBits,
    [NnJob.INPUT_DEPTH]: chip.inputBufferDepth,
    [NnJob.ACCUM_DEPTH]: chip.accumulationBufferDepth,
    [NnJob.SRAM_BYTES]: chip.vipSramBytes,
  };
}

/** Weights and offset word of an addition: acc = w0 * a + addOff * b (spec/lowering.md 5). */
export interface AddFactors {
  /** Scale of the pseudo weights, binary32. */
  weightScale: number;
  w0: number;
  addOff: number;
}

/** Factors as the reference chooses them: the operand with the larger scale gets 255. */
export function addFactors(sa: number, sb: number): AddFactors {
  const ratio = Math.fround(sb / sa);
  const weightScale = Math.fround(Math.max(ratio, 1) / 255);
  return {
    weightScale,
    w0: roundAway(1 / weightScale) & 0xff,
    addOff: roundAway(ratio / weightScale) & 0xff,
  };
}

/** Weights that are in stream order already. */
export function storedWeights(bytes: Uint8Array): WeightPlan {
  return {
    bytes,
    layout: "as-is",
    outC: 1,
    kS: 1,
    kF: 1,
    inC: bytes.length,
    channels: 0,
    destride: false,
    widen: false,
    pad: 0,
    flip: 0,
  };
}

/** Row length that the reference gives the pseudo image of an addition of `values` bytes. */
export function referenceAddRow(values: number): number {
  for (const row of [128, 64, 32]) if (values % row === 0) return row;
  return largestFactor(values, 63);
}

/** Largest divisor of n that is at most `limit`. */
export function largestFactor(n: number, limit: number): number {
  for (let factor = Math.min(limit, n); factor > 1; factor--) if (n % factor === 0) return factor;
  return 1;
}

/** Activations that cross a partition's border, each in order of first mention. */
export function partitionBorder(
  graph: Graph,
  ops: readonly Op[],
): { entering: number[]; leaving: number[] } {
  const inside = new Set(ops.map((op) => op.id));
  const produced = new Set(ops.flatMap((op) => op.outputs));
  const wanted = new Set([
    ...graph.outputs,
    ...graph.ops.filter((op) => !inside.has(op.id)).flatMap((op) => op.inputs),
  ]);
  const entering = ops
    .flatMap((op) => op.inputs)
    .filter((id) => id >= 0 && !produced.has(id) && graph.tensors[id]!.constant === null);
  return {
    entering: [...new Set(entering)],
    leaving: ops.flatMap((op) => op.outputs).filter((id) => wanted.has(id)),
  };
}
