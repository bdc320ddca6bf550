// Which bytes of its buffers a job reads and writes: from its descriptors and their relocations alone.
// SPDX-License-Identifier: MIT
import type { ExecutableJob, ExecutablePartition, Relocation } from "../executable/executable.ts";
import { blockTable, fieldOf, fieldReader } from "./decode.ts";

/** Bytes start..end-1 of a buffer. */
export interface Extent {
  buffer: number;
  start: number;
  end: number;
}

export interface JobExtents {
  reads: Extent[];
  writes: Extent[];
}

/** Relocations of a partition by the word that they patch. */
export type RelocationIndex = ReadonlyMap<string, Relocation>;

export function indexRelocations({ relocations }: ExecutablePartition): RelocationIndex {
  return new Map(relocations.map((entry) => [keyOf(entry.buffer, entry.byteOffset), entry]));
}

const keyOf = (buffer: number, byteOffset: number): string => `${buffer}/${byteOffset}`;

/** The relocation that patches a word, if any does. */
export const relocationAt = (
  relocations: RelocationIndex,
  buffer: number,
  byteOffset: number,
): Relocation | undefined => relocations.get(keyOf(buffer, byteOffset));

/** Fields with the address of the input and of the output. */
const ADDRESSES = {
  NN: ["IN_IMAGE_ADDR", "OUT_IMAGE_ADDR"],
  TP: ["IN_BASE_ADDR", "OUT_BASE_ADDR"],
} as const;

/**
 * Smallest runs that hold everything a job touches. What several TP cores do to one buffer is one run.
 * @param version NN core version of the chip: 7 or 8
 */
export function jobExtents(
  { buffers }: ExecutablePartition,
  relocations: RelocationIndex,
  { kind, descriptors }: ExecutableJob,
  version: number,
): JobExtents {
  const block = blockTable(kind);
  const reads = new Map<number, Extent>();
  const writes = new Map<number, Extent>();
  for (const descriptor of descriptors) {
    const field: Field = fieldReader(kind, buffers[descriptor]?.contents, version);
    const { read, written } = kind === "NN" ? nnLengths(field) : tpLengths(field);
    const extend = (extents: Map<number, Extent>, name: string, length: number): void => {
      const byteOffset = fieldOf(block, name).parts[0]![0] * 4;
      const place = relocationAt(relocations, descriptor, byteOffset);
      if (place === undefined || length === 0) return;
      const { target, addend } = place;
      const known = extents.get(target) ?? { buffer: target, start: addend, end: addend };
      known.start = Math.min(known.start, addend);
      known.end = Math.max(known.end, Math.min(addend + length, buffers[target]!.bytes));
      extents.set(target, known);
    };
    extend(reads, ADDRESSES[kind][0], read);
    extend(writes, ADDRESSES[kind][1], written);
  }
  return { reads: [...reads.values()], writes: [...writes.values()] };
}

type Field = (name: string) => number;
type Lengths = { read: number; written: number };

/** Bytes from the first to the last one of `planes` x `rows` x `columns`. */
function span(
  [columns, rows, planes]: [number, number, number],
  row: number,
  plane: number,
): number {
  if (columns <= 0 || rows <= 0 || planes <= 0) return 0;
  return (planes - 1) * plane + (rows - 1) * row + columns;
}

function nnLengths(field: Field): Lengths {
  const inRow = field("IN_X_STRIDE");
  const outRow = field("OUT_X_STRIDE");
  // First-pixel pooling keeps every second pixel.
  const kept = field("POOLING") === 0 ? 1 : 2;
  const outX = Math.floor(field("OUT_X_SIZE") / kept);
  const outY = Math.floor(field("OUT_Y_SIZE") / kept);
  return {
    read: span(
      [field("IN_X_SIZE"), field("IN_Y_SIZE"), field("KERNEL_Z_SIZE")],
      inRow,
      inRow * field("IN_Y_STRIDE"),
    ),
    written: span([outX, outY, field("OUT_Z_SIZE")], outRow, outRow * field("OUT_Y_STRIDE")),
  };
}

function tpLengths(field: Field): Lengths {
  const planes = field("IN_Z_SIZE");
  const columns = field("WINDOW_X_END") - field("WINDOW_X_START") + 1;
  const rows = field("WINDOW_Y_END") - field("WINDOW_Y_START") + 1;
  const tiles = field("TILE_X_SIZE") !== 0 && field("TILE_Y_SIZE") !== 0;
  const elements = tiles ? Math.max(columns, 0) * Math.max(rows, 0) * planes : 0;
  if (elements === 0) return { read: 0, written: 0 };
  return {
    read: span(
      [field("IN_X_SIZE"), field("IN_Y_SIZE"), planes],
      field("IN_STRIDE"),
      field("IN_SLICE"),
    ),
    written: loopSpan(field, elements),
  };
}

/** Bytes that nested output loops reach; the outermost one, without a count, takes what is left. */
function loopSpan(field: Field, elements: number): number {
  let last = 0;
  let left = elements;
  for (let loop = 0; loop < 7 && left > 1; loop++) {
    const count = loop < 6 ? Math.max(field(`OUT_LOOP_${loop}_COUNT`), 1) : left;
    last += (Math.min(count, left) - 1) * field(`OUT_LOOP_${loop}_INC`);
    left = Math.ceil(left / count);
  }
  return last + 1;
}
