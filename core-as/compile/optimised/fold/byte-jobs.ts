// Jobs that turn every byte into another one, whatever its place: what they make of all 256 bytes, by the hardware's arithmetic
// (spec/hardware.md 7, spec/newer-driver.md 2.3).
// SPDX-License-Identifier: MIT
import { NnJob, TpJob } from "../../../assembly/abi.ts";
import { generationOf, type Chip } from "../../../hw/chips.ts";
import type { NnRecord, NnWork, TpWork, Work } from "../../jobs.ts";
import { encodable, levelStarts, type OutputStage } from "../output-stage.ts";
import { lookupResults } from "./lookup-results.ts";

/** Output bytes by input bytes. */
export type ByteTable = Uint8Array;

/** What a job does to every byte; null when it does anything else, or when that is not known exactly. */
export function byteTable(work: Work, chip: Chip): ByteTable | null {
  if (work.kind === "TP") return work.op === "lut" ? lookupTable(work) : null;
  const isOne = work.op === "rescale" && work.record[NnJob.COEF_KERNELS] === 1;
  return isOne ? rescaleTable(work, chip) : null;
}

function lookupTable({ programs, table }: TpWork): ByteTable | null {
  const { record } = programs[0]!;
  if (table === undefined || record[TpJob.LOOKUP] !== 1) return null;
  return lookupResults(table, record[TpJob.IN_ZP] ?? 0, record[TpJob.OUT_ZP] ?? 0)?.bytes ?? null;
}

function rescaleTable(work: NnWork, chip: Chip): ByteTable | null {
  const stage = stageOf(work.record, chip);
  if (stage === null) return null;
  const { weight, zero } = rescaleWeight(work);
  const lowest = lowestOf(work.record);
  const starts = levelStarts(stage, lowest);
  const inZp = work.record[NnJob.IN_ZP]!;
  return Uint8Array.from({ length: 256 }, (_, byte) =>
    levelOf(starts, lowest, (weight - zero) * (byte - inZp) + work.biases[0]!),
  );
}

/** The only weight of a rescaling job, and what stands for 0. */
export function rescaleWeight({ weights, record }: NnWork): { weight: number; zero: number } {
  return { weight: weights.bytes[0]!, zero: record[NnJob.WEIGHT_ZP]! };
}

/** The output byte of an accumulator. */
function levelOf(starts: Float64Array, lowest: number, accumulator: number): number {
  let level = 0;
  while (level < starts.length && starts[level]! <= accumulator) level++;
  return lowest + level;
}

/** Smallest byte that a job can write. */
export const lowestOf = (record: NnRecord): number =>
  record[NnJob.RELU] === 1 ? record[NnJob.OUT_ZP]! : 0;

const bits = new DataView(new ArrayBuffer(4));

function floatOf(word: number): number {
  bits.setInt32(0, word);
  return bits.getFloat32(0);
}

/** The output stage as the descriptor will have it; biases hold its offset already. */
export function stageOf(record: NnRecord, chip: Chip): OutputStage | null {
  const scale = (member: NnJob): number => floatOf(record[member]!);
  const product = Math.fround(scale(NnJob.IN_SCALE) * scale(NnJob.WEIGHT_SCALE));
  const ratio = Math.fround(product / scale(NnJob.OUT_SCALE));
  const { multiplierBits, maxFactor } = generationOf(chip);
  if (!(ratio > 0 && ratio < maxFactor)) return null;
  return {
    factor: encodable(ratio, multiplierBits),
    offset: 0,
    zeroPoint: record[NnJob.OUT_ZP]!,
  };
}
