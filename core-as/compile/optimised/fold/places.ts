// Places of tensors before memory is shared, and who uses them.
// SPDX-License-Identifier: MIT
import type { BufferRef, Lowered, PortPlan, TensorBuffer, Work } from "../../jobs.ts";
import { readsOf } from "../accesses.ts";

const endOf = ({ buffer, offset, bytes }: BufferRef): number =>
  Math.min(offset + (bytes ?? Infinity), buffer.bytes);

/** True when two places have bytes in common. */
export const meets = (a: BufferRef, b: BufferRef): boolean =>
  a.buffer === b.buffer && a.offset < endOf(b) && b.offset < endOf(a);

/** True when all bytes of a place are in another one. */
export const isInside = (a: BufferRef, b: BufferRef): boolean =>
  a.buffer === b.buffer && a.offset >= b.offset && endOf(a) <= endOf(b);

export const isSame = (a: BufferRef, b: BufferRef): boolean => isInside(a, b) && isInside(b, a);

/** The place that lies in `to` as `place` lies in `from`. */
export const moved = (place: BufferRef, from: BufferRef, to: BufferRef): BufferRef => ({
  buffer: to.buffer,
  offset: to.offset + place.offset - from.offset,
  bytes: place.bytes,
});

/** Who uses a place, as indices of jobs. */
export interface Users {
  writers: number[];
  readers: number[];
  /** The host writes it, reads it. */
  entering: PortPlan[];
  leaving: PortPlan[];
}

export function usersOf(lowered: Lowered, place: BufferRef): Users {
  const { jobs, inputs, outputs } = lowered;
  const near = usersByBuffer(lowered).get(place.buffer) ?? [];
  const those = (uses: (work: Work) => boolean): number[] => near.filter((i) => uses(jobs[i]!));
  return {
    writers: those(({ output }) => meets(output, place)),
    readers: those((work) => readsOf(work).some((read) => meets(read, place))),
    entering: inputs.filter((port) => meets(port.place, place)),
    leaving: outputs.filter((port) => meets(port.place, place)),
  };
}

const byBuffer = new WeakMap<Lowered, Map<TensorBuffer, number[]>>();

/** Jobs that use each buffer, in order; found once for each list of jobs. */
function usersByBuffer(lowered: Lowered): Map<TensorBuffer, number[]> {
  const known = byBuffer.get(lowered);
  if (known) return known;
  const found = new Map<TensorBuffer, number[]>();
  for (const [i, work] of lowered.jobs.entries())
    for (const buffer of new Set([...readsOf(work), work.output].map((ref) => ref.buffer))) {
      const list = found.get(buffer);
      if (list) list.push(i);
      else found.set(buffer, [i]);
    }
  byBuffer.set(lowered, found);
  return found;
}

/** Replaces every place of a job. */
export function mapPlaces(work: Work, map: (place: BufferRef) => BufferRef): Work {
  const places = { input: map(work.input), output: map(work.output) };
  if (work.kind === "TP") return { ...work, ...places };
  return { ...work, ...places, input2: work.input2 && map(work.input2) };
}

/** Leaves out buffers that nobody uses; the others count up again. */
export function withoutUnused(lowered: Lowered): Lowered {
  const { jobs, inputs, outputs } = lowered;
  const used = new Set<TensorBuffer>();
  for (const work of jobs)
    for (const { buffer } of [...readsOf(work), work.output]) used.add(buffer);
  for (const { place } of [...inputs, ...outputs]) used.add(place.buffer);
  const kept = lowered.buffers.filter((buffer) => used.has(buffer));
  if (kept.length === lowered.buffers.length) return lowered;
  const buffers = kept.map(({ bytes }, id): TensorBuffer => ({ id, bytes }));
  const renamed = new Map(kept.map((buffer, i) => [buffer, buffers[i]!]));
  const rename = (place: BufferRef): BufferRef => ({
    ...place,
    buffer: renamed.get(place.buffer)!,
  });
  const port = (plan: PortPlan): PortPlan => ({ ...plan, place: rename(plan.place) });
  return {
    ...lowered,
    jobs: jobs.map((work) => mapPlaces(work, rename)),
    buffers,
    inputs: inputs.map(port),
    outputs: outputs.map(port),
  };
}
