// Which tensor lies where, and how long: read back from a partition's descriptors, relocations and ports.
// SPDX-License-Identifier: MIT
import type { Executable, ExecutablePartition, Port } from "../executable/executable.ts";
import { chipByIdentity } from "../hw/chips.ts";
import type { Graph } from "../ir/graph.ts";
import { indexRelocations, jobExtents, type Extent } from "./extents.ts";
import { partitionMoments } from "./price.ts";

/** A tensor or a part of one in memory, from the job that writes it to the last job that reads it. */
export interface MemoryRow {
  /** Name of the tensor, and what wrote it. */
  label: string;
  /** Index of the buffer in the partition. */
  buffer: number;
  /** Bytes from the start of the partition's tensor memory: its tensor buffers one behind the other. */
  offset: number;
  /** Size in bytes. */
  bytes: number;
  /** -1: written by the host before the first job. */
  firstJob: number;
  /** The number of jobs: read by the host after the last one. */
  lastJob: number;
}

/** Which bytes of a partition's tensor memory hold what, and from which job to which. */
export interface MemoryMap {
  /** Bytes of all tensor buffers. */
  bytes: number;
  /** Number of jobs. */
  jobs: number;
  /** In order of firstJob. */
  rows: MemoryRow[];
}

/**
 * The memory map of one submit. A tensor that is written in pieces before anybody reads it is one row.
 * @throws RangeError when there is no such partition
 */
export function memoryMap({ graph, chip, partitions }: Executable, index: number): MemoryMap {
  const partition = partitions[index];
  if (partition === undefined)
    throw new RangeError(`there is no partition ${index} of ${partitions.length}`);
  const version = chipByIdentity(chip)?.nnCoreVersion ?? 7;
  const relocations = indexRelocations(partition);
  const tracker = new Tracker();
  const after = partition.jobs.length;
  // Jobs that overlap hold what they use until the stream waits for them.
  const until = partitionMoments(partition);
  for (const port of partition.inputs)
    tracker.write(portExtent(port), graph.tensors[port.tensor]?.name ?? "?", -1);
  for (const [time, job] of partition.jobs.entries()) {
    const { reads, writes } = jobExtents(partition, relocations, job, version);
    const label = labelOf(graph, job.sourceOp, job.op);
    for (const extent of reads) tracker.read(extent, until[time]!);
    for (const extent of writes) tracker.write(extent, label, time, until[time]!);
  }
  for (const port of partition.outputs) tracker.read(portExtent(port), after);
  return { jobs: after, ...layOut(partition, tracker.values) };
}

const portExtent = ({ buffer, offset, bytes }: Port): Extent => ({
  buffer,
  start: offset,
  end: offset + bytes,
});

function labelOf(graph: Graph, sourceOp: number, what: string): string {
  const output = graph.ops[sourceOp]?.outputs[0] ?? -1;
  return `${graph.tensors[output]?.name ?? "?"} (#${sourceOp} ${what})`;
}

/** Bytes written together. */
interface Value {
  label: string;
  first: number;
  /** The last job that begins while what writes it may still run. */
  written: number;
  /** What was written, all of it. */
  whole: Extent;
  reads: (Extent & { time: number })[];
}

/** Bytes that still hold (a part of) a value. */
interface Holding extends Extent {
  value: Value;
}

/** Follows what the bytes of the buffers mean while the jobs run. */
class Tracker {
  readonly values: Value[] = [];
  private held: Holding[] = [];

  read(extent: Extent, time: number): void {
    for (const held of this.held)
      if (overlaps(held, extent))
        held.value.reads.push({
          buffer: extent.buffer,
          start: Math.max(held.start, extent.start),
          end: Math.min(held.end, extent.end),
          time,
        });
  }

  write(extent: Extent, label: string, time: number, until = time): void {
    const { held } = this;
    const unread = held.find((other) => overlaps(other, extent) && other.value.reads.length === 0);
    const value = unread?.value ?? {
      label,
      first: time,
      written: until,
      whole: { ...extent },
      reads: [],
    };
    value.written = Math.max(value.written, until);
    value.whole.start = Math.min(value.whole.start, extent.start);
    value.whole.end = Math.max(value.whole.end, extent.end);
    if (unread === undefined) this.values.push(value);
    this.held = [];
    for (const other of held)
      if (overlaps(other, extent)) this.held.push(...without(other, extent));
      else this.held.push(other);
    this.held.push({ ...extent, value });
  }
}

/** What is left of bytes when others that overlap them are taken away: up to two runs. */
function without(held: Holding, taken: Extent): Holding[] {
  return [
    { ...held, end: Math.min(held.end, taken.start) },
    { ...held, start: Math.max(held.start, taken.end) },
  ].filter(({ start, end }) => start < end);
}

/** Parts of a value by the last job that reads them: parts of a split tensor can end at different times. */
function partsOf({ whole, written, reads }: Value): (Extent & { last: number })[] {
  const cuts = new Set([
    whole.start,
    whole.end,
    ...reads.flatMap(({ start, end }) => [start, end]),
  ]);
  const borders = [...cuts].sort((a, b) => a - b);
  const parts: (Extent & { last: number })[] = [];
  for (let i = 0; i + 1 < borders.length; i++) {
    const part = { buffer: whole.buffer, start: borders[i]!, end: borders[i + 1]! };
    const times = reads.filter((read) => overlaps(read, part)).map(({ time }) => time);
    const last = Math.max(written, ...times);
    const before = parts.at(-1);
    if (before?.last === last) before.end = part.end;
    else parts.push({ ...part, last });
  }
  return parts;
}

const overlaps = (a: Extent, b: Extent): boolean =>
  a.buffer === b.buffer && a.start < b.end && b.start < a.end;

function layOut(
  { buffers }: ExecutablePartition,
  values: readonly Value[],
): Pick<MemoryMap, "bytes" | "rows"> {
  let bytes = 0;
  const bases = buffers.map((buffer) => {
    const base = bytes;
    if (buffer.role === "tensor") bytes += buffer.bytes;
    return base;
  });
  const rows = values.flatMap((value) =>
    partsOf(value).map(({ buffer, start, end, last }) => ({
      label: value.label,
      buffer,
      offset: bases[buffer]! + start,
      bytes: end - start,
      firstJob: value.first,
      lastJob: last,
    })),
  );
  return { bytes, rows };
}
