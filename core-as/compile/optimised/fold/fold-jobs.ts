// Operators that only rescale, clamp or look up values, folded into the jobs before or behind them: only where the folded job gives
// the same byte as the two did, whatever the input, which is proved over all bytes or all accumulators.
// SPDX-License-Identifier: MIT
import { NnJob, TpJob } from "../../../assembly/abi.ts";
import type { Chip } from "../../../hw/chips.ts";
import type { BufferRef, Fold, Lowered, NnWork, TpWork, Work } from "../../jobs.ts";
import { readsOf } from "../accesses.ts";
import { byteTable, lowestOf, stageOf, type ByteTable } from "./byte-jobs.ts";
import { tableOf } from "./lookup-results.ts";
import { isInside, isSame, mapPlaces, meets, moved, usersOf, withoutUnused } from "./places.ts";
import { foldIntoStage } from "./stage-fold.ts";

/**
 * Folds as much as can be proved exact.
 * @param lowered jobs over buffers that share no memory yet
 */
export function foldJobs(lowered: Lowered, chip: Chip): Lowered {
  let now = lowered;
  for (let next: Lowered | null = now; next !== null; next = step(now, chip)) now = next;
  return now === lowered ? lowered : withoutUnused(now);
}

/** The jobs with one fold more, or null. */
function step(lowered: Lowered, chip: Chip): Lowered | null {
  for (let job = 0; job < lowered.jobs.length; job++) {
    const folded = dropUnread(lowered, job) ?? foldByteJob(lowered, job, chip);
    if (folded !== null) return folded;
  }
  return null;
}

/** Changes some jobs, leaves out one, and notes why. */
function change(
  lowered: Lowered,
  without: number,
  changed: ReadonlyMap<number, Work>,
  fold: Fold,
): Lowered {
  return {
    ...lowered,
    jobs: lowered.jobs.flatMap((work, i) => (i === without ? [] : [changed.get(i) ?? work])),
    folds: [...(lowered.folds ?? []), fold],
  };
}

/** A job whose output nobody reads: those behind it have other ways to what it read. */
function dropUnread(lowered: Lowered, job: number): Lowered | null {
  const { output, sourceOp } = lowered.jobs[job]!;
  const { readers, leaving } = usersOf(lowered, output);
  if (readers.length > 0 || leaving.length > 0) return null;
  const how = "those that would read it read its input in another order";
  return change(lowered, job, new Map(), { op: sourceOp, into: null, how });
}

function foldByteJob(lowered: Lowered, job: number, chip: Chip): Lowered | null {
  const work = lowered.jobs[job]!;
  const table = byteTable(work, chip);
  if (table === null || usersOf(lowered, work.output).writers.length > 1) return null;
  const { writers, readers, entering, leaving } = usersOf(lowered, work.input);
  const isPrivate = readers.length === 1 && entering.length + leaving.length === 0;
  const before = writers.map((i) => lowered.jobs[i]!);
  const all = before.every(({ output }) => isInside(output, work.input)) && writers.length > 0;
  const context = { lowered, job, table, chip };
  if (isPrivate && all)
    return absorb(context, writers) ?? (writers.length === 1 ? join(context, writers[0]!) : null);
  return skipIdentity(context, before);
}

interface Context {
  lowered: Lowered;
  job: number;
  /** What the job makes of every byte. */
  table: ByteTable;
  chip: Chip;
}

/** Smallest byte that some jobs write. */
const lowestBefore = (before: readonly Work[]): number =>
  Math.min(...before.map((work) => (work.kind === "NN" ? lowestOf(work.record) : 0)), 255);

/** Jobs that write for a job which changes nothing, or only clamps as an NN job can itself, write its output. */
function absorb({ lowered, job, table }: Context, writers: readonly number[]): Lowered | null {
  const { input, output, sourceOp } = lowered.jobs[job]!;
  const before = writers.map((i) => lowered.jobs[i]!);
  const same = isIdentity(table, lowestBefore(before));
  if (!same && !before.every((work) => work.kind === "NN" && clampsLike(work, table))) return null;
  const changed = new Map(
    writers.map((i): [number, Work] => {
      const work = { ...lowered.jobs[i]!, output: moved(lowered.jobs[i]!.output, input, output) };
      if (same || work.kind === "TP") return [i, work];
      return [i, { ...work, record: { ...work.record, [NnJob.RELU]: 1 } }];
    }),
  );
  const how = same ? "it changes no byte" : "the output stage clamps";
  return change(lowered, job, changed, { op: sourceOp, into: before[0]!.sourceOp, how });
}

function isIdentity(table: ByteTable, lowest: number): boolean {
  for (let byte = lowest; byte < 256; byte++) if (table[byte] !== byte) return false;
  return true;
}

/** The function is a ReLU at the job's own zero point. */
function clampsLike({ record }: NnWork, table: ByteTable): boolean {
  const zero = record[NnJob.OUT_ZP]!;
  for (let byte = lowestOf(record); byte < 256; byte++)
    if (table[byte] !== Math.max(byte, zero)) return false;
  return true;
}

/** Readers of a job that changes nothing read its input, which others want as well. */
function skipIdentity({ lowered, job, table }: Context, before: readonly Work[]): Lowered | null {
  const { jobs } = lowered;
  const { input, output, sourceOp } = jobs[job]!;
  const lowest = before.length > 0 ? lowestBefore(before) : 0;
  if (!isIdentity(table, lowest) || input.offset % 64 !== output.offset % 64) return null;
  const isStable = jobs.every((work, i) => i <= job || !meets(work.output, input));
  const { readers, leaving } = usersOf(lowered, output);
  const places = [
    ...readers.flatMap((i) => readsOf(jobs[i]!).filter((read) => meets(read, output))),
    ...leaving.map(({ place }) => place),
  ];
  if (!isStable || !places.every((place) => isInside(place, output))) return null;
  const move = (place: BufferRef): BufferRef =>
    meets(place, output) ? moved(place, output, input) : place;
  const changed = new Map(
    readers.map((i): [number, Work] => [
      i,
      { ...mapPlaces(jobs[i]!, move), output: jobs[i]!.output },
    ]),
  );
  const how = "it changes no byte, so its input is read instead";
  const next = change(lowered, job, changed, { op: sourceOp, into: null, how });
  const outputs = lowered.outputs.map((port) => ({ ...port, place: move(port.place) }));
  return { ...next, outputs };
}

/** Two functions of bytes as one table, or an NN job whose output stage does what the job behind it does. */
function join({ lowered, job, table, chip }: Context, writer: number): Lowered | null {
  const [first, second] = [lowered.jobs[writer]!, lowered.jobs[job]!];
  if (!isSame(first.output, second.input)) return null;
  const both = byteTable(first, chip);
  const tables = both && [first, second].find((work): work is TpWork => work.kind === "TP");
  if (tables) {
    const composed = both.map((byte) => table[byte]!);
    const work = lookupJob(tables, first, second, composed);
    if (work === null) return null;
    const how = "one look-up table computes both";
    const fold = { op: first.sourceOp, into: second.sourceOp, how };
    return change(lowered, writer, new Map([[job, work]]), fold);
  }
  if (first.kind !== "NN") return null;
  const slope = second.kind === "NN" ? slopeOf(second, chip) : null;
  const work =
    slope && foldIntoStage(first, table, { zeroPoint: zeroPointOf(second), slope }, chip);
  if (!work) return null;
  const how = "one output stage rounds exactly as both did";
  const fold = { op: second.sourceOp, into: first.sourceOp, how };
  return change(lowered, job, new Map([[writer, { ...work, output: second.output }]]), fold);
}

function lookupJob(
  { programs }: TpWork,
  first: Work,
  second: Work,
  composed: ByteTable,
): TpWork | null {
  const [inZp, outZp] = [inZeroPointOf(first), zeroPointOf(second)];
  const table = tableOf(composed, inZp, outZp);
  if (table === null) return null;
  return {
    kind: "TP",
    op: "lut",
    sourceOp: second.sourceOp,
    programs: programs.map((program) => ({
      ...program,
      record: { ...program.record, [TpJob.IN_ZP]: inZp, [TpJob.OUT_ZP]: outZp },
    })),
    table,
    input: first.input,
    output: second.output,
  };
}

const zeroPointOf = (work: Work): number =>
  work.kind === "NN" ? work.record[NnJob.OUT_ZP]! : (work.programs[0]!.record[TpJob.OUT_ZP] ?? 0);

const inZeroPointOf = (work: Work): number =>
  work.kind === "NN" ? work.record[NnJob.IN_ZP]! : (work.programs[0]!.record[TpJob.IN_ZP] ?? 0);

/** Output steps for each input step of a rescaling job. */
function slopeOf({ record, weights }: NnWork, chip: Chip): number {
  const weight = weights.bytes[0]! - record[NnJob.WEIGHT_ZP]!;
  return weight * (stageOf(record, chip)?.factor ?? 0);
}
