// Which tensor lies where, and how long: read back from a partition's descriptors, relocations and ports.
// SPDX-License-Identifier: MIT
import type { Executable, ExecutablePartition, Port } from "../executable/executable.ts";
import { chipByIdentity } from "../hw/chips.ts";
import type { Graph } from "../ir/graph.ts";
import { indexRelocations, jobExtents, type Extent } from "./extents.ts";

/** A value in memory, from the job that writes it to the last job that reads it. */
export interface MemoryRow {
  /** Name of the tensor, and what wrote it. */
  label: string;
  buffer: number;
  /** Bytes from the start of the partition's tensor memory: its tensor buffers one behind the other. */
  offset: number;
  bytes: number;
  /** -1: written by the host before the first job. */
  firstJob: number;
  /** The number of jobs: read by the host after the last one. */
  lastJob: number;
}

export interface MemoryMap {
  /** Bytes of all tensor buffers. */
  bytes: number;
  jobs: number;
  /** In order of firstJob. */
  rows: MemoryRow[];
}

/** Tensor buffers are shown at multiples of this. */
const ALIGNMENT = 64;

/**
 * The memory map of one submit. A tensor that is written in pieces before anybody reads it is one row.
 * @throws RangeError when there is no such partition
 */
export function memoryMap({ graph, chip, partitions }: Executable, index: number): MemoryMap {
  const partition = partitions[index];
  if (partition === undefined) throw new RangeError(`there is no partition ${index}`);
  const version = chipByIdentity(chip)?.nnCoreVersion ?? 7;
  const relocations = indexRelocations(partition);
  const tracker = new Tracker();
  const after = partition.jobs.length;
  for (const port of partition.inputs)
    tracker.write(portExtent(port), graph.tensors[port.tensor]?.name ?? "?", -1);
  for (const [time, job] of partition.jobs.entries()) {
    const { reads, writes } = jobExtents(partition, relocations, job, version);
    const label = labelOf(graph, job.sourceOp, job.op);
    for (const extent of reads) tracker.read(extent, time);
    for (const extent of writes) tracker.write(extent, label, time);
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

interface Value extends Extent {
  label: string;
  first: number;
  last: number;
  isRead: boolean;
}

/** Follows what the bytes of the buffers mean while the jobs run. */
class Tracker {
  readonly values: Value[] = [];
  private current: Value[] = [];

  read(extent: Extent, time: number): void {
    for (const value of this.current)
      if (overlaps(value, extent)) {
        value.last = time;
        value.isRead = true;
      }
  }

  write(extent: Extent, label: string, time: number): void {
    const replaced = this.current.filter((value) => overlaps(value, extent));
    const same = replaced.find(({ isRead }) => !isRead);
    if (same !== undefined) {
      same.start = Math.min(same.start, extent.start);
      same.end = Math.max(same.end, extent.end);
      same.last = time;
      return;
    }
    const value = { ...extent, label, first: time, last: time, isRead: false };
    this.current = [...this.current.filter((other) => !replaced.includes(other)), value];
    this.values.push(value);
  }
}

const overlaps = (a: Extent, b: Extent): boolean =>
  a.buffer === b.buffer && a.start < b.end && b.start < a.end;

function layOut(
  { buffers }: ExecutablePartition,
  values: readonly Value[],
): Pick<MemoryMap, "bytes" | "rows"> {
  const bases: number[] = [];
  let bytes = 0;
  let next = 0;
  for (const [index, buffer] of buffers.entries()) {
    if (buffer.role !== "tensor") continue;
    bases[index] = next;
    bytes += buffer.bytes;
    next += Math.ceil(buffer.bytes / ALIGNMENT) * ALIGNMENT;
  }
  const rows = values.map(({ label, buffer, start, end, first, last }) => ({
    label,
    buffer,
    offset: (bases[buffer] ?? 0) + start,
    bytes: end - start,
    firstJob: first,
    lastJob: last,
  }));
  return { bytes, rows };
}
