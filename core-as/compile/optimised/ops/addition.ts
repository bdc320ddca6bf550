// Additions as NN jobs, for both ways in which cores can see two operands (spec/lowering.md 5).
// SPDX-License-Identifier: MIT
import { CoefOrder, NnJob, WeightSource } from "../../../assembly/abi.ts";
import { generationOf, type Chip } from "../../../hw/chips.ts";
import { bytesOf, flatExtent } from "../../../ir/extent.ts";
import type { Op, Tensor } from "../../../ir/graph.ts";
import { scalarArithmetic } from "../../../legalise/arithmetic.ts";
import { addSides } from "../../../legalise/conv-geometry.ts";
import type { NnRecord, WeightPlan } from "../../jobs.ts";
import { floatBits, scaleOf, storedWeights, zp8, type AddFactors } from "../../lower-shared.ts";
import type { LoweringContext } from "../context.ts";
import { closestAddFactors, reluOf } from "../numerics.ts";
import { imageRecord } from "../records.ts";
import { lowerScalar } from "./rescale.ts";

/** Factors of two operands; weights are stored with `zero` added. */
export interface PairFactors extends AddFactors {
  zero: number;
}

export function lowerAddition(context: LoweringContext, op: Op): void {
  if (scalarArithmetic(context.graph, op)) return lowerScalar(context, op);
  const [a, b] = op.inputs.map((id) => context.tensor(id)) as [Tensor, Tensor];
  draftPair(context, op, { ...closestAddFactors(scaleOf(a), scaleOf(b)), zero: 0 });
}

/** Drafts the job of a weighted sum of two operands. */
export function draftPair(context: LoweringContext, op: Op, factors: PairFactors): void {
  const [a, b] = op.inputs.map((id) => context.tensor(id)) as [Tensor, Tensor];
  const output = context.tensor(op.outputs[0]!);
  const values = context.bytes(output.id);
  // Both operands lie behind each other: one image with twice the planes.
  const pair = context.placement.add(2 * values);
  context.place(op, a.id, pair, 0);
  context.place(op, b.id, pair, values);

  const parts = addParts(context.chip, factors, [a, b], output);
  const record: NnRecord = {
    ...parts.record,
    ...context.quantisation(a, output),
    [NnJob.RELU]: reluOf(op),
  };
  const target = context.produce(output.id);
  context.nn(op, {
    op: "add",
    record,
    weights: parts.weights,
    biases: parts.biases,
    from: pair,
    to: target,
  });
  context.publish(op);
}

/** What an addition's job is made of; input and output quantisation and ReLU are the caller's. */
interface AddParts {
  record: NnRecord;
  weights: WeightPlan;
  biases: Int32Array;
}

/** acc = w0 (a - za) + addOff (b - zb); the operands lie behind each other, a first. */
function addParts(
  chip: Chip,
  factors: PairFactors,
  [a, b]: [Tensor, Tensor],
  output: Tensor,
): AddParts {
  // The encoder corrects both operands by the first one's zero point; the bias adds the difference.
  const bias = factors.addOff * (zp8(a) - zp8(b));
  const parts = { planes: addPlanes, channels: addChannels }[generationOf(chip).addition];
  const { record, weights } = parts(chip, output, factors);
  return {
    record: {
      ...record,
      [NnJob.WEIGHT_ZP]: factors.zero,
      [NnJob.PAD_BYTE]: factors.zero,
      [NnJob.WEIGHT_SCALE]: floatBits(factors.weightScale),
      [NnJob.STRIDE]: 1,
      [NnJob.ORDER]: CoefOrder.INTERLEAVED,
      [NnJob.SOURCE]: WeightSource.DENSE,
      [NnJob.DW_PLANES]: 1,
      [NnJob.DW_MULTIPLIER]: 1,
    },
    weights: storedWeights(weights),
    biases: new Int32Array(record[NnJob.COEF_KERNELS]!).fill(bias),
  };
}

type Shape = { record: NnRecord; weights: Uint8Array };

/** Each operand is one plane of a pseudo image; a 2x2 kernel uses only its first weight in each. */
function addPlanes(chip: Chip, output: Tensor, { w0, addOff, zero }: PairFactors): Shape {
  const [columns, rows] = addSides(bytesOf(flatExtent(output.shape)))!;
  return {
    record: {
      ...imageRecord(chip, {
        in: { s: rows, f: columns, c: 2 },
        out: { s: rows, f: columns, c: 1 },
        kernelX: 2,
        kernelY: 2,
        doubled: 1,
      }),
      [NnJob.COEF_PLANES]: 2,
      [NnJob.COEF_KERNELS]: 1,
    },
    weights: Uint8Array.of(zero + w0, zero, zero, zero, zero + addOff, zero, zero, zero),
  };
}

/** A 1x1 convolution over the channels of both operands: two diagonals. */
function addChannels(chip: Chip, output: Tensor, { w0, addOff, zero }: PairFactors): Shape {
  const { s, f, c } = flatExtent(output.shape);
  const weights = new Uint8Array(c * 2 * c).fill(zero);
  for (let channel = 0; channel < c; channel++) {
    weights[channel * 2 * c + channel] = zero + w0;
    weights[channel * 2 * c + c + channel] = zero + addOff;
  }
  return {
    record: {
      ...imageRecord(chip, {
        in: { s, f, c: 2 * c },
        out: { s, f, c },
        kernelX: 1,
        kernelY: 1,
        doubled: 1,
      }),
      [NnJob.COEF_PLANES]: 2 * c,
      [NnJob.COEF_KERNELS]: c,
    },
    weights,
  };
}
