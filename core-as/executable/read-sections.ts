// Sections of a .twx file -> Executable. Every index and every bound is checked where it is read.
// SPDX-License-Identifier: MIT
import { NpuError } from "../errors.ts";
import type { ChipIdentity } from "../hw/chips.ts";
import type { Graph } from "../ir/graph.ts";
import { verifyGraph } from "../ir/verify.ts";
import { readModel } from "../model/read.ts";
import { checkFlow } from "./check-flow.ts";
import type { Executable, ExecutablePartition, LayerBound, Placement, Step } from "./executable.ts";
import {
  ACCURACY_LEVELS,
  EVIDENCES,
  INPUT_MODELS,
  MODES,
  PLACES,
  STEP_KINDS,
  type SectionTag,
  type SometimesTag,
} from "./format.ts";
import { PartitionReader } from "./read-partitions.ts";
import { damaged, SectionReader, type Section } from "./section-reader.ts";

export type ChipIds = ChipIdentity;

/** Strings by index; null for NONE where a string may be missing. */
export interface Strings {
  /** The string whose index the reader finds next. */
  read(reader: SectionReader): string;
  readOptional(reader: SectionReader): string | null;
}

/**
 * Puts an executable together.
 * @param chip identity from the header
 * @throws ExecutableError TW_EXE_DAMAGED
 */
export function readSections(
  sections: Readonly<Record<SectionTag, Section> & Partial<Record<SometimesTag, Section>>>,
  chip: ChipIds,
): Executable {
  const strings = readStrings(sections.STRS);
  const graph = readGraph(sections.GRAF);
  const meta = new SectionReader(sections.META);
  const producer = strings.read(meta);
  const name = strings.read(meta);
  const mode = meta.member(MODES, "the mode");
  const modelSha256 = strings.read(meta);
  if (!/^([0-9a-f]{64})?$/.test(modelSha256)) meta.fail("the model's digest is no SHA-256");
  meta.end();
  const partitions = new PartitionReader(sections, strings, graph).readAll();
  if (sections.PLNR) markPlanar(sections.PLNR, partitions);
  const steps = readSteps(sections.STEP, partitions.length, graph.ops.length);
  const placements = readPlacements(sections.PLAC, strings, graph.ops.length);
  checkFlow(graph, partitions, steps, (message) => damaged(message, sections.STEP.offset));
  return {
    producer,
    chip: { name, ...chip },
    mode,
    modelSha256,
    graph,
    partitions,
    steps,
    placements,
    ...readQuirks(sections.QUIR, strings),
    accuracies: readAccuracies(sections.ACCU, graph.ops.length),
  };
}

/** Marks the ports that are listed: in order, each once. */
function markPlanar(section: Section, partitions: readonly ExecutablePartition[]): void {
  const reader = new SectionReader(section);
  let before = -1;
  while (!reader.atEnd) {
    const partition = reader.index(partitions.length, "a partition");
    const { inputs, outputs } = partitions[partition]!;
    const port = reader.index(inputs.length + outputs.length, "a port");
    // Exact in a double: ports and partitions are far below 2^26.
    const place = partition * 2 ** 26 + port;
    if (place <= before) reader.fail("planar ports are not in order");
    before = place;
    [...inputs, ...outputs][port]!.planar = true;
  }
  if (before < 0) reader.fail("no port is planar");
}

function readStrings(section: Section): Strings {
  const reader = new SectionReader(section);
  const count = reader.u32();
  const lengths = reader.list(count, 1, () => reader.u32());
  // A byte order mark belongs to the string; a broken one is damage.
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });
  const texts = lengths.map((length) => {
    const at = reader.byteOffset;
    // A copy, because browsers refuse to decode a view of shared memory.
    const bytes = new Uint8Array(reader.take(length));
    try {
      return decoder.decode(bytes);
    } catch (cause) {
      return damaged("a string is not UTF-8", at, cause);
    }
  });
  reader.end();
  return {
    read: (from) => from.member(texts, "a string"),
    readOptional: (from) => {
      const index = from.optionalIndex(texts.length, "a string");
      return index === null ? null : texts[index]!;
    },
  };
}

/** The graph's section is a TFLite file of its own, whose reader trusts nothing either. */
function readGraph({ bytes, offset }: Section): Graph {
  try {
    const { graph, otherSubgraphs } = readModel(bytes);
    if (otherSubgraphs.length > 0) damaged("the graph has further subgraphs", offset);
    verifyStripped(graph);
    return graph;
  } catch (cause) {
    if (!(cause instanceof NpuError) || cause.code.startsWith("TW_EXE_")) throw cause;
    damaged(`the graph: ${cause.message}`, offset + (cause.where.byteOffset ?? 0), cause);
  }
}

/** Checks the graph as the compiler does, with constants that were left out standing in as inputs. */
function verifyStripped(graph: Graph): void {
  const written = new Set(graph.ops.flatMap((op) => op.outputs));
  const given = new Set(graph.inputs);
  const dropped = graph.tensors
    .filter(({ id, constant }) => constant === null && !written.has(id) && !given.has(id))
    .filter(({ shape }) => !shape.includes(0))
    .map(({ id }) => id);
  // Compatible mode may have compiled an addition that TFLite refuses (Q25); its kernel checks for itself.
  const options = { allowMalformedAdd: true };
  verifyGraph({ ...graph, inputs: [...graph.inputs, ...dropped] }, "executable", options);
}

function readSteps(section: Section, partitions: number, ops: number): Step[] {
  const reader = new SectionReader(section);
  const steps: Step[] = [];
  while (!reader.atEnd) {
    const kind = reader.member(STEP_KINDS, "a step's kind");
    if (kind === "npu") steps.push({ kind, partition: reader.index(partitions, "a partition") });
    else {
      const count = reader.u32();
      steps.push({ kind, ops: reader.list(count, 1, () => reader.index(ops, "an operator")) });
    }
  }
  return steps;
}

function readPlacements(section: Section, strings: Strings, ops: number): Placement[] {
  const reader = new SectionReader(section);
  const placements: Placement[] = [];
  const seen = new Set<number>();
  while (!reader.atEnd) {
    const op = reader.index(ops, "an operator");
    if (seen.has(op)) reader.fail(`operator ${op} is placed twice`);
    seen.add(op);
    placements.push({
      op,
      name: strings.read(reader),
      place: reader.member(PLACES, "a place"),
      constraint: strings.readOptional(reader),
      reason: strings.readOptional(reader),
      evidence: reader.member(EVIDENCES, "an evidence"),
    });
  }
  return placements;
}

function readAccuracies(section: Section, ops: number): LayerBound[] {
  const reader = new SectionReader(section);
  const layers: LayerBound[] = [];
  const number = (what: string): number => {
    const value = new Float32Array(Uint32Array.of(reader.u32()).buffer)[0]!;
    if (!(value >= 0 && value < Infinity)) reader.fail(`${what} is ${value}`);
    return value;
  };
  while (!reader.atEnd)
    layers.push({
      op: reader.index(ops, "an operator"),
      accuracy: reader.member(ACCURACY_LEVELS, "an accuracy"),
      groups: reader.u32(),
      fractions: reader.u32(),
      remainders: reader.u32(),
      reorders: reader.member([false, true], "a change of order"),
      inputs: reader.member(INPUT_MODELS, "an input model"),
      deviation: number("a deviation"),
      bound: number("a bound"),
      worst: number("a worst case"),
      withinOne: number("a share"),
    });
  return layers;
}

function readQuirks(
  section: Section,
  strings: Strings,
): Pick<Executable, "quirks" | "undefinedJobs"> {
  const reader = new SectionReader(section);
  const [quirkCount, undefinedCount] = [reader.u32(), reader.u32()];
  const quirks = reader.list(quirkCount, 1, () => strings.read(reader));
  const undefinedJobs = reader.list(undefinedCount, 1, () => strings.read(reader));
  reader.end();
  return { quirks, undefinedJobs };
}
