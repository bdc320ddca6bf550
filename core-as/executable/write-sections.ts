// Executable -> bytes of each section of a .twx file.
// SPDX-License-Identifier: MIT
import { SCHEMA_VERSION } from "../model/schema.ts";
import { writeModel } from "../model/write.ts";
import type {
  Executable,
  ExecutableJob,
  ExecutablePartition,
  LayerBound,
  Port,
} from "./executable.ts";
import {
  ACCURACY_LEVELS,
  ALIGNMENT,
  alignUp,
  JOB_KINDS,
  MODES,
  NONE,
  EVIDENCES,
  INPUT_MODELS,
  PLACES,
  RELOCATION_KINDS,
  ROLES,
  STEP_KINDS,
  type SectionTag,
  type SometimesTag,
} from "./format.ts";
import { memberIndex } from "./member-index.ts";
import { stripConstants } from "./strip-constants.ts";
import { wordBytes } from "./bytes.ts";

/** Every distinct string once; the others sections hold indices. */
class StringTable {
  private readonly indices = new Map<string, number>();
  private readonly encoded: Uint8Array[] = [];

  /** Index of a string; NONE for null. */
  add(text: string | null): number {
    if (text === null) return NONE;
    let index = this.indices.get(text);
    if (index === undefined) {
      index = this.encoded.push(new TextEncoder().encode(text)) - 1;
      this.indices.set(text, index);
    }
    return index;
  }

  /** Count, byte lengths, then the bytes. */
  bytes(): Uint8Array {
    const lengths = this.encoded.map((bytes) => bytes.length);
    return concat([wordBytes([lengths.length, ...lengths]), ...this.encoded]);
  }
}

/** Writes all sections. Same executable, same bytes. */
export function writeSections(
  executable: Executable,
): Record<SectionTag, Uint8Array> & Partial<Record<SometimesTag, Uint8Array>> {
  const strings = new StringTable();
  const { partitions } = executable;
  const meta = [
    strings.add(executable.producer),
    strings.add(executable.chip.name),
    memberIndex(MODES, executable.mode),
    strings.add(executable.modelSha256),
  ];
  const { buffers, contents } = writeBuffers(partitions);
  const words = {
    META: meta,
    PART: partitions.flatMap((partition) => [
      partition.buffers.length,
      partition.relocations.length,
      partition.jobs.length,
      partition.inputs.length,
      partition.outputs.length,
      partition.stream,
    ]),
    BUFS: buffers,
    RELO: partitions.flatMap(({ relocations }) =>
      relocations.flatMap(({ buffer, byteOffset, target, addend, kind }) => [
        buffer,
        byteOffset,
        target,
        addend,
        memberIndex(RELOCATION_KINDS, kind),
      ]),
    ),
    JOBS: partitions.flatMap(({ jobs }) => jobs.flatMap((job) => jobWords(job, strings))),
    PORT: partitions.flatMap(({ inputs, outputs }) => [...inputs, ...outputs].flatMap(portWords)),
    STEP: executable.steps.flatMap((step) =>
      step.kind === "npu"
        ? [memberIndex(STEP_KINDS, "npu"), step.partition]
        : [memberIndex(STEP_KINDS, "cpu"), step.ops.length, ...step.ops],
    ),
    PLAC: executable.placements.flatMap(({ op, name, place, constraint, reason, evidence }) => [
      op,
      strings.add(name),
      memberIndex(PLACES, place),
      strings.add(constraint),
      strings.add(reason),
      memberIndex(EVIDENCES, evidence),
    ]),
    ACCU: executable.accuracies.flatMap(accuracyWords),
    QUIR: [
      executable.quirks.length,
      executable.undefinedJobs.length,
      ...[...executable.quirks, ...executable.undefinedJobs].map((text) => strings.add(text)),
    ],
  };
  const sections = Object.fromEntries(
    Object.entries(words).map(([tag, list]) => [tag, wordBytes(list)]),
  ) as Record<keyof typeof words, Uint8Array>;
  const planar = planarWords(partitions);
  return {
    ...sections,
    GRAF: graphBytes(executable),
    DATA: contents,
    STRS: strings.bytes(),
    ...(planar.length > 0 && { PLNR: wordBytes(planar) }),
  };
}

/** Partition, and index of the port, its inputs before its outputs: of every port in planar order. */
function planarWords(partitions: readonly ExecutablePartition[]): number[] {
  return partitions.flatMap(({ inputs, outputs }, partition) =>
    [...inputs, ...outputs].flatMap(({ planar }, port) => (planar ? [partition, port] : [])),
  );
}

/** The graph as a TFLite file, without the constants that only NPU operators use. */
function graphBytes({ graph, steps }: Executable): Uint8Array {
  return writeModel({
    description: "",
    schemaVersion: SCHEMA_VERSION,
    graph: stripConstants(graph, steps),
    otherSubgraphs: [],
  });
}

function writeBuffers(partitions: readonly ExecutablePartition[]): {
  buffers: number[];
  contents: Uint8Array;
} {
  const buffers: number[] = [];
  const pieces: { at: number; bytes: Uint8Array }[] = [];
  let end = 0;
  for (const partition of partitions)
    for (const { role, access, bytes, contents } of partition.buffers) {
      buffers.push(memberIndex(ROLES, role) | (access << 8), bytes);
      if (contents === null) {
        buffers.push(NONE, 0);
        continue;
      }
      buffers.push(end, contents.length);
      pieces.push({ at: end, bytes: contents });
      end += alignUp(contents.length, ALIGNMENT);
    }
  const contents = new Uint8Array(end);
  for (const { at, bytes } of pieces) contents.set(bytes, at);
  return { buffers, contents };
}

function jobWords(job: ExecutableJob, strings: StringTable): number[] {
  return [
    memberIndex(JOB_KINDS, job.kind),
    strings.add(job.op),
    job.sourceOp,
    job.coefficients ?? NONE,
    job.output,
    job.descriptors.length,
    job.inputs.length,
    ...job.descriptors,
    ...job.inputs,
  ];
}

function accuracyWords(layer: LayerBound): number[] {
  return [
    layer.op,
    memberIndex(ACCURACY_LEVELS, layer.accuracy),
    layer.groups,
    layer.fractions,
    layer.remainders,
    Number(layer.reorders),
    memberIndex(INPUT_MODELS, layer.inputs),
    ...new Uint32Array(
      Float32Array.of(layer.deviation, layer.bound, layer.worst, layer.withinOne).buffer,
    ),
  ];
}

function portWords({ tensor, buffer, offset, bytes }: Port): number[] {
  return [tensor, buffer, offset, bytes];
}

function concat(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
