// Memory of a partition: tensors that are not alive at the same time share addresses of one buffer.
// SPDX-License-Identifier: MIT
import type { BufferRef, Lowered, PortPlan, TensorBuffer, Work } from "../jobs.ts";
import { accessesOf, BEFORE, segmentsOf, type Access } from "./accesses.ts";
import { packBodies, type Body, type Piece } from "./packing.ts";

/**
 * Gives all tensor buffers of a partition a place in one buffer. Jobs, their order and the distances within each old buffer
 * stay as they are.
 * @param lowered jobs whose references say how many bytes they stand for; others stand for the rest of their buffer
 */
export function planMemory(lowered: Lowered): Lowered {
  const { jobs, buffers } = lowered;
  if (buffers.length === 0) return lowered;
  const accesses = accessesOf(lowered);
  const bodies = buffers.map((buffer) => bodyOf(buffer, accesses[buffer.id]!, jobs.length));
  const { offsets, total } = packBodies(bodies);
  const arena: TensorBuffer = { id: 0, bytes: total };
  const moved = ({ buffer, offset, bytes }: BufferRef): BufferRef => ({
    buffer: arena,
    offset: offsets[buffer.id]! + offset,
    bytes,
  });
  const port = (plan: PortPlan): PortPlan => ({ ...plan, place: moved(plan.place) });
  return {
    ...lowered,
    jobs: jobs.map((work) => moveWork(work, moved)),
    buffers: [arena],
    inputs: lowered.inputs.map(port),
    outputs: lowered.outputs.map(port),
  };
}

function moveWork(work: Work, moved: (ref: BufferRef) => BufferRef): Work {
  const places = { input: moved(work.input), output: moved(work.output) };
  if (work.kind === "TP") return { ...work, ...places };
  return { ...work, ...places, input2: work.input2 && moved(work.input2) };
}

/** Pieces of a buffer by their lifetimes: operands of a concatenation are alive at different times. */
function bodyOf({ bytes }: TensorBuffer, accesses: readonly Access[], after: number): Body {
  const pieces = segmentsOf(bytes, accesses).map(({ start, end, accesses: inside }): Piece => ({
    start,
    end,
    ...lifetimeOf(inside, after),
  }));
  return { bytes, pieces: mergeEqual(pieces) };
}

/** From the first write to the last access; what is read before it is written has to stay zero all the time. */
function lifetimeOf(accesses: readonly Access[], after: number): Pick<Piece, "from" | "to"> {
  // Accesses are in order of time, and what a job reads comes before what it writes.
  const first = accesses[0]!;
  if (!first.writes) return { from: BEFORE, to: after };
  return { from: first.time, to: Math.max(...accesses.map(({ until }) => until)) };
}

function mergeEqual(pieces: readonly Piece[]): Piece[] {
  const merged: Piece[] = [];
  for (const piece of pieces) {
    const last = merged.at(-1);
    if (last?.end === piece.start && last.from === piece.from && last.to === piece.to)
      last.end = piece.end;
    else merged.push({ ...piece });
  }
  return merged;
}
