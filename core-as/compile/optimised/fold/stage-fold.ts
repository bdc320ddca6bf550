// An NN job and a function of single bytes behind it as one NN job, where one output stage computes exactly both roundings.
// SPDX-License-Identifier: MIT
import { NnJob } from "../../../assembly/abi.ts";
import type { Chip } from "../../../hw/chips.ts";
import type { NnWork } from "../../jobs.ts";
import {
  fitOutputStage,
  levelStarts,
  plainStage,
  stageLimits,
  stageRecord,
  type OutputStage,
  type Steps,
} from "../output-stage.ts";
import { lowestOf, stageOf, type ByteTable } from "./byte-jobs.ts";

/**
 * The job with the function in its output stage, or null when no stage was found that gives the same byte for every accumulator
 * that the job can have: those within what its weights, its biases and 256 input bytes allow.
 * @param table what the function makes of the job's output bytes
 * @param zeroPoint output zero point of the function
 * @param slope output steps for each input step of the function, about
 */
export function foldIntoStage(
  work: NnWork,
  table: ByteTable,
  { zeroPoint, slope }: { zeroPoint: number; slope: number },
  chip: Chip,
): NnWork | null {
  const stage = stageOf(work.record, chip);
  const lowestIn = lowestOf(work.record);
  if (stage === null) return null;
  for (let byte = lowestIn + 1; byte < 256; byte++)
    if (table[byte]! < table[byte - 1]! && byte > lowestIn) return null;
  const range = accumulatorRange(work);
  const starts = levelStarts(stage, lowestIn);
  /** Smallest accumulator whose byte the function takes to a level. */
  const wanted = Float64Array.from({ length: 255 }, (_, i) => {
    const first = firstByte(table, lowestIn, i + 1);
    if (first === null) return Infinity;
    return first === lowestIn ? -Infinity : starts[first - lowestIn - 1]!;
  });
  const steps: Steps = {
    zeroPoint,
    lowest: 0,
    lower: wanted.map((start) => Math.min(start - 1, range)),
    upper: wanted.map((start) => Math.max(start, -range)),
    factor: stage.factor * slope,
  };
  const limits = stageLimits(chip, 0, range);
  if (!(steps.factor > 0 && steps.factor < limits.maxFactor)) return null;
  for (const found of [plainStage(steps, limits), fitOutputStage(steps, limits)])
    if (found !== null && isExact(found, wanted, range)) return withStage(work, found);
  return null;
}

/** Smallest byte from `lowest` on that the function takes to `level`. */
function firstByte(table: ByteTable, lowest: number, level: number): number | null {
  for (let byte = lowest; byte < 256; byte++) if (table[byte]! >= level) return byte;
  return null;
}

/** No accumulator of the job is farther from 0: every weight could meet the input byte that counts most. */
function accumulatorRange({ record, weights, biases }: NnWork): number {
  const inZp = record[NnJob.IN_ZP]!;
  const zero = record[NnJob.WEIGHT_ZP]!;
  const most = Math.max(inZp, 255 - inZp);
  const largest = weights.bytes.reduce(
    (size, byte) => Math.max(size, Math.abs((byte ^ weights.flip) - zero)),
    0,
  );
  const taps = record[NnJob.KERNEL_X]! * record[NnJob.KERNEL_Y]! * record[NnJob.IN_Z]!;
  const bias = biases.reduce((size, value) => Math.max(size, Math.abs(value)), 0);
  return largest * most * taps + bias;
}

/** Every level begins where it should, as far as accumulators get. */
function isExact(stage: OutputStage, wanted: Float64Array, range: number): boolean {
  const clip = (start: number): number => Math.min(Math.max(start, -range), range + 1);
  const starts = levelStarts(stage, 0);
  return wanted.every((start, i) => clip(start) === clip(starts[i]!));
}

function withStage(work: NnWork, stage: OutputStage): NnWork | null {
  const biases = work.biases.map((bias) => bias + stage.offset);
  if (biases.some((bias, i) => bias !== work.biases[i]! + stage.offset)) return null;
  return {
    ...work,
    record: { ...work.record, ...stageRecord(stage, stage.zeroPoint, 0) },
    biases,
  };
}
