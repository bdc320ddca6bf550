// What the command stream panel shows: lines of the disassembly, and what their words and descriptors say.
// SPDX-License-Identifier: MIT
import {
  blockTable,
  describeJobDescriptors,
  explainLine,
  streamLines,
  UsageError,
  type ExecutablePartition,
  type ExplainedWord,
  type StreamLine,
} from "../../../core-as/index.ts";
import type { Held } from "../service.ts";
import { fieldsOfJob, partitionOf, type JobArgs } from "./job-fields.ts";

/** A line of the list; explained by `explainData` when it is pointed at. */
export interface StreamRow {
  index: number;
  words: number[];
  text: string;
  /** Null before the first and behind the last job. */
  job: number | null;
  /** The job and TP core whose descriptor the line starts. */
  starts: { job: number; core: number } | null;
}

export interface StreamData {
  partition: number;
  partitions: number;
  words: number;
  rows: StreamRow[];
  /** Kind and work of every job. */
  jobs: { kind: "NN" | "TP"; op: string; sourceOp: number; descriptors: number }[];
}

const kept = new WeakMap<ExecutablePartition, StreamLine[]>();

function linesOf(partition: ExecutablePartition): StreamLine[] {
  const lines = kept.get(partition) ?? streamLines(partition);
  kept.set(partition, lines);
  return lines;
}

/** @throws UsageError TW_USAGE when there is no such partition */
export function streamData(held: Held, { partition: index }: { partition: number }): StreamData {
  const partition = partitionOf(held, index);
  const rows = linesOf(partition).map((line): StreamRow => {
    const { index, words, text, job, descriptor } = line;
    const { job: started, core } = descriptor ?? { job: null, core: null };
    const starts = started === null || core === null ? null : { job: started, core };
    return { index, words, text, job, starts };
  });
  return {
    partition: index,
    partitions: held.executable.partitions.length,
    words: rows.reduce((sum, { words }) => sum + words.length, 0),
    rows,
    jobs: partition.jobs.map(({ kind, op, sourceOp, descriptors }) => {
      return { kind, op, sourceOp, descriptors: descriptors.length };
    }),
  };
}

/**
 * The words of one line, field by field.
 * @param row number of the line in StreamData.rows
 * @throws UsageError TW_USAGE when there is no such line
 */
export function explainData(
  held: Held,
  { partition: index, row }: { partition: number; row: number },
): ExplainedWord[] {
  const partition = partitionOf(held, index);
  const line = linesOf(partition)[row];
  if (!line) throw new UsageError(`there is no line ${row} in partition ${index}`, "row");
  return explainLine(partition, line);
}

/** Bits hi..lo of a word of a descriptor. */
export interface FieldPart {
  word: number;
  hi: number;
  lo: number;
}

export interface DescriptorField {
  name: string;
  value: number;
  /** For people: buffer and offset of an address, name of an enumeration, number. */
  text: string;
  doc: string;
  evidence: string;
  /** The value is the one that a fresh descriptor has. */
  isReset: boolean;
  /** Where its bits are, lowest first. */
  parts: FieldPart[];
  /** Where an address points to. */
  target: { buffer: number; offset: number; role: string } | null;
}

export interface DescriptorData {
  partition: number;
  job: number;
  core: number;
  cores: number;
  kind: "NN" | "TP";
  doc: string;
  op: string;
  sourceOp: number;
  words: number[];
  fields: DescriptorField[];
  undeclared: { word: number; bits: number }[];
}

/**
 * One descriptor of a job, field by field.
 * @param core TP core; 0 for NN jobs
 * @throws UsageError TW_USAGE when the job or the core does not exist
 */
export function descriptorData(held: Held, args: JobArgs & { core: number }): DescriptorData {
  const { partition, job, version } = fieldsOfJob(held, args);
  const { core } = args;
  const buffer = job.descriptors[core];
  if (buffer === undefined)
    throw new UsageError(`job ${args.partition}.${args.job} has no core ${core}`, "core");
  const block = blockTable(job.kind);
  const view = describeJobDescriptors(partition, args.job, version)[core]!;
  const bytes = partition.buffers[buffer]!.contents ?? new Uint8Array(0);
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const wordAt = (word: number): number =>
    4 * word + 4 <= bytes.length ? data.getUint32(4 * word, true) : 0;
  const fields = view.fields.map((field, i): DescriptorField => {
    const { parts, kind } = block.fields[i]!;
    const own = parts.filter(([, , , since]) => since <= version);
    const [first] = own;
    const relocation = partition.relocations.find(
      (entry) =>
        kind === "gpuAddr" &&
        entry.buffer === buffer &&
        entry.byteOffset === 4 * (first?.[0] ?? -1),
    );
    const target = relocation
      ? {
          buffer: relocation.target,
          offset: relocation.addend,
          role: partition.buffers[relocation.target]!.role,
        }
      : null;
    return {
      ...field,
      parts: own.map(([word, hi, lo]) => ({ word, hi, lo })),
      target,
      text: target ? `buffer ${target.buffer} + ${target.offset}` : field.text,
    };
  });
  return {
    ...args,
    cores: job.descriptors.length,
    kind: job.kind,
    doc: block.doc,
    op: job.op,
    sourceOp: job.sourceOp,
    words: Array.from({ length: block.words }, (_, word) => wordAt(word)),
    fields: fields.filter(({ parts }) => parts.length > 0),
    undeclared: view.undeclared,
  };
}
