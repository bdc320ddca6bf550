// Additions as NN jobs, for both ways in which cores can see two operands (spec/lowering.md 5).
// SPDX-License-Identifier: MIT
import { CoefOrder, NnJob, WeightSource } from "../../../assembly/abi.ts";
import { generationOf, type Chip } from "../../../hw/chips.ts";
import { bytesOf, flatExtent } from "../../../ir/extent.ts";
import type { Op, Tensor } from "../../../ir/graph.ts";
import { addSides } from "../../../legalise/conv-geometry.ts";
import type { NnRecord, WeightPlan } from "../../jobs.ts";
import { floatBits, scaleOf, storedWeights, zp8, type AddFactors } from "../../lower-shared.ts";
import type { LoweringContext } from "../context.ts";
import { closestAddFactors, lowestOf, pairTerms, reluOf } from "../numerics.ts";
import {
  encodable,
  fitOutputStage,
  stageLimits,
  stageRecord,
  type OutputStage,
} from "../output-stage.ts";
import { PairSums } from "../pair-sums.ts";
import { imageRecord } from "../records.ts";
import { lowerWithConstants } from "./rescale.ts";

/** Factors of two operands; weights are stored with `zero` added. */
export interface PairFactors extends AddFactors {
  zero: number;
}

export function lowerAddition(context: LoweringContext, op: Op): void {
  if (lowerWithConstants(context, op)) return;
  const [a, b] = op.inputs.map((id) => context.tensor(id)) as [Tensor, Tensor];
  const choices = closestAddFactors(scaleOf(a), scaleOf(b));
  draftPair(
    context,
    op,
    choices.map((factors) => ({ ...factors, zero: 0 })),
  );
}

/** Drafts the job of a weighted sum of two operands, with the best of some weights. */
export function draftPair(context: LoweringContext, op: Op, choices: PairFactors[]): void {
  const [a, b] = op.inputs.map((id) => context.tensor(id)) as [Tensor, Tensor];
  const output = context.tensor(op.outputs[0]!);
  const values = context.bytes(output.id);
  // Both operands lie behind each other: one image with twice the planes. What lies behind one of them already stays there.
  const isLast = context.bytesBehind(a.id) > context.bytesBehind(b.id);
  const [first, second] = isLast ? [b, a] : [a, b];
  const behind = context.bytesBehind(second.id);
  const all = context.placement.add(2 * values + behind);
  context.place(op, first.id, all, 0);
  context.place(op, second.id, all, values, behind);
  const pair = behind > 0 ? context.placement.addPiece(2 * values, all, 0) : all;

  const { factors, stage } = fitPair(context, op, choices);
  const fraction = context.channels.supplied.get(output.id) ?? null;
  const parts = addParts(context.chip, factors, [a, b], output, { isLast, fraction });
  parts.biases.forEach((bias, i) => (parts.biases[i] = bias + stage.offset));
  const record: NnRecord = {
    ...parts.record,
    ...context.quantisation(first, output),
    ...stageRecord(stage, zp8(output), reluOf(op)),
  };
  const target = context.produce(output.id);
  context.nn(op, {
    op: "add",
    record,
    weights: parts.weights,
    biases: parts.biases,
    from: pair,
    to: fraction === null ? target : context.withFractions(target, fraction),
  });
  context.publish(op);
}

/** The weights and the output stage nearest to TFLite's sums. */
function fitPair(
  context: LoweringContext,
  op: Op,
  choices: PairFactors[],
): { factors: PairFactors; stage: OutputStage } {
  const [a, b] = op.inputs.map((id) => context.tensor(id)) as [Tensor, Tensor];
  const output = context.tensor(op.outputs[0]!);
  const lowest = lowestOf(op, output);
  const sign = choices[0]!.addOff < 0 ? -1 : 1;
  const sums = new PairSums(pairTerms([a, b], output, sign, lowest));
  const limits = stageLimits(context.chip, lowest, PAIR_SUM);
  let best: { factors: PairFactors; stage: OutputStage } | null = null;
  let least = Infinity;
  for (const factors of choices) {
    const { w0, addOff } = factors;
    const weights = { weightA: w0, zeroA: zp8(a), weightB: addOff, zeroB: zp8(b) };
    // Exact for the operand with the larger steps, or for both as near as the error of the weights' ratio lets it.
    const exact = scaleOf(a) < scaleOf(b) ? scaleOf(b) / Math.abs(addOff) : scaleOf(a) / w0;
    const both = (scaleOf(a) * w0 + scaleOf(b) * Math.abs(addOff)) / (w0 ** 2 + addOff ** 2);
    const plain = [exact, both].map((factor) => ({
      factor: encodable(factor / scaleOf(output), limits.multiplierBits),
      offset: 0,
      zeroPoint: zp8(output),
    }));
    const fitted = fitOutputStage(sums.steps(weights, both / scaleOf(output)), limits);
    for (const stage of fitted ? [...plain, fitted] : plain) {
      const cost = sums.mismatch(weights, stage);
      if (cost < CLEARLY * least) [best, least] = [{ factors, stage }, cost];
    }
    if (least === 0) break;
  }
  return best!;
}

/** What is not better by this factor is within the error of the guess how likely bytes are: the plainer choice stays. */
const CLEARLY = 0.9;

/** Largest weighted sum of two bytes. */
const PAIR_SUM = 2 * 255 * 255;

/** What a weighted sum's job is made of; input and output quantisation and ReLU are the caller's. */
interface AddParts {
  record: NnRecord;
  weights: WeightPlan;
  biases: Int32Array;
}

interface AddLayout {
  /** The second operand lies before the first. */
  isLast: boolean;
  /** The sum is supplied a second time, behind the first: this part of it (per-channel/supply.ts). */
  fraction: number | null;
}

/** acc = w0 (a - za) + addOff (b - zb); the operands lie behind each other. */
function addParts(
  chip: Chip,
  factors: PairFactors,
  [a, b]: [Tensor, Tensor],
  output: Tensor,
  { isLast, fraction }: AddLayout,
): AddParts {
  const { w0, addOff, zero, weightScale } = factors;
  const [first, second] = isLast ? [addOff, w0] : [w0, addOff];
  // The encoder corrects both operands by the first one's zero point; the bias adds the difference.
  const difference = isLast ? zp8(b) - zp8(a) : zp8(a) - zp8(b);
  const sums = (fraction === null ? [1] : [1, fraction]).map((part) => ({
    weights: [Math.round(first / part), Math.round(second / part)],
    bias: Math.round(second / part) * difference,
  }));
  const { record, weights } = sumParts(chip, output, { sums: sums.map((s) => s.weights), zero });
  const kernels = record[NnJob.COEF_KERNELS]! / sums.length;
  return {
    record: { ...record, [NnJob.WEIGHT_SCALE]: floatBits(weightScale) },
    weights,
    biases: Int32Array.from(sums.flatMap(({ bias }) => new Array<number>(kernels).fill(bias))),
  };
}

/** Weights are stored with `zero` added. */
interface SumWeights {
  /** For each sum that is computed, a weight for each operand. */
  sums: readonly (readonly number[])[];
  zero: number;
}

/**
 * Record without scales, and weights, of a job that adds operands which lie behind each other; sums come to lie so as well.
 * @param output shape of each operand and of the result
 */
export function sumParts(
  chip: Chip,
  output: Tensor,
  sum: SumWeights,
): { record: NnRecord; weights: WeightPlan } {
  const parts = { planes: addPlanes, channels: addChannels }[generationOf(chip).addition];
  const { record, weights } = parts(chip, output, sum);
  return {
    record: {
      ...record,
      [NnJob.WEIGHT_ZP]: sum.zero,
      [NnJob.PAD_BYTE]: sum.zero,
      [NnJob.STRIDE]: 1,
      [NnJob.ORDER]: CoefOrder.INTERLEAVED,
      [NnJob.SOURCE]: WeightSource.DENSE,
      [NnJob.DW_PLANES]: 1,
      [NnJob.DW_MULTIPLIER]: 1,
    },
    weights: storedWeights(weights),
  };
}

type Shape = { record: NnRecord; weights: Uint8Array };

/** Each operand is one plane of a pseudo image; a 2x2 kernel uses only its first weight in each. */
function addPlanes(chip: Chip, output: Tensor, { sums, zero }: SumWeights): Shape {
  const [columns, rows] = addSides(bytesOf(flatExtent(output.shape)))!;
  const operands = sums[0]!.length;
  return {
    record: {
      ...imageRecord(chip, {
        in: { s: rows, f: columns, c: operands },
        out: { s: rows, f: columns, c: sums.length },
        kernelX: 2,
        kernelY: 2,
        doubled: 1,
      }),
      [NnJob.COEF_PLANES]: operands,
      [NnJob.COEF_KERNELS]: sums.length,
    },
    weights: Uint8Array.from(sums.flat().flatMap((weight) => [zero + weight, zero, zero, zero])),
  };
}

/** A 1x1 convolution over the channels of all operands: a diagonal for each. */
function addChannels(chip: Chip, output: Tensor, { sums, zero }: SumWeights): Shape {
  const { s, f, c } = flatExtent(output.shape);
  const planes = sums[0]!.length * c;
  const kernels = sums.length * c;
  const stored = new Uint8Array(kernels * planes).fill(zero);
  for (let kernel = 0; kernel < kernels; kernel++)
    sums[Math.floor(kernel / c)]!.forEach((weight, k) => {
      stored[kernel * planes + k * c + (kernel % c)] = zero + weight;
    });
  return {
    record: {
      ...imageRecord(chip, {
        in: { s, f, c: planes },
        out: { s, f, c: kernels },
        kernelX: 1,
        kernelY: 1,
        doubled: 1,
      }),
      [NnJob.COEF_PLANES]: planes,
      [NnJob.COEF_KERNELS]: kernels,
    },
    weights: stored,
  };
}
