// Which bytes of which tensor buffer every job reads and writes, as lowering says it.
// SPDX-License-Identifier: MIT
import type { BufferRef, Lowered, Work } from "../jobs.ts";

/** Time before the first job: the host has written the inputs. */
export const BEFORE = -1;

/** Bytes start..end-1 of a buffer in use at a moment. */
export interface Access {
  start: number;
  end: number;
  /** Index of the job; BEFORE, or the number of jobs when the host reads the outputs. */
  time: number;
  /** The last job that begins while this one may still run; the job itself where nothing overlaps. */
  until: number;
  writes: boolean;
}

/** What a job reads. */
export const readsOf = (work: Work): BufferRef[] =>
  work.kind === "NN" && work.input2 ? [work.input, work.input2] : [work.input];

/**
 * All accesses by buffer, in order of time; what a job reads comes before what it writes. The host writes inputs before the
 * first job and reads outputs after the last.
 */
export function accessesOf({ jobs, schedule, buffers, inputs, outputs }: Lowered): Access[][] {
  const found: Access[][] = buffers.map(() => []);
  const note = ({ buffer, offset, bytes }: BufferRef, time: number, writes: boolean): void => {
    const end = bytes === undefined ? buffer.bytes : Math.min(offset + bytes, buffer.bytes);
    const until = schedule?.[time]?.until ?? time;
    found[buffer.id]!.push({ start: offset, end, time, until, writes });
  };
  for (const { place } of inputs) note(place, BEFORE, true);
  for (const [time, work] of jobs.entries()) {
    for (const place of readsOf(work)) note(place, time, false);
    note(work.output, time, true);
  }
  for (const { place } of outputs) note(place, jobs.length, false);
  return found;
}

/** Bytes that all accesses use or leave alone as a whole. */
export interface Segment {
  start: number;
  end: number;
  /** In order of time; never empty. */
  accesses: Access[];
}

/** Cuts a buffer of `bytes` bytes where accesses begin and end; what nobody uses is left out. */
export function segmentsOf(bytes: number, accesses: readonly Access[]): Segment[] {
  const cuts = new Set([0, bytes, ...accesses.flatMap(({ start, end }) => [start, end])]);
  const borders = [...cuts].sort((a, b) => a - b);
  const segments: Segment[] = [];
  for (let i = 0; i + 1 < borders.length; i++) {
    const [start, end] = [borders[i]!, borders[i + 1]!];
    const inside = accesses.filter((access) => access.start <= start && end <= access.end);
    if (inside.length > 0) segments.push({ start, end, accesses: inside });
  }
  return segments;
}
