// Memory of a partition: tensors that are not alive at the same time share addresses of one buffer.
// SPDX-License-Identifier: MIT
import type { BufferRef, Lowered, PortPlan, TensorBuffer, Work } from "../jobs.ts";
import { packBodies, type Body, type Piece } from "./packing.ts";

/** Time before the first job: the host has written the inputs. */
const BEFORE = -1;

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

/** Bytes of a buffer in use at a moment. */
interface Access {
  start: number;
  end: number;
  time: number;
  writes: boolean;
}

/** All accesses by buffer; the host writes inputs before the first job and reads outputs after the last. */
function accessesOf({ jobs, buffers, inputs, outputs }: Lowered): Access[][] {
  const found: Access[][] = buffers.map(() => []);
  const note = ({ buffer, offset, bytes }: BufferRef, time: number, writes: boolean): void => {
    const end = bytes === undefined ? buffer.bytes : Math.min(offset + bytes, buffer.bytes);
    found[buffer.id]!.push({ start: offset, end, time, writes });
  };
  for (const { place } of inputs) note(place, BEFORE, true);
  for (const [time, work] of jobs.entries()) {
    note(work.input, time, false);
    if (work.kind === "NN" && work.input2) note(work.input2, time, false);
    note(work.output, time, true);
  }
  for (const { place } of outputs) note(place, jobs.length, false);
  return found;
}

/** Cuts a buffer where accesses begin and end: operands of a concatenation are alive at different times. */
function bodyOf({ bytes }: TensorBuffer, accesses: readonly Access[], after: number): Body {
  const cuts = new Set([0, bytes, ...accesses.flatMap(({ start, end }) => [start, end])]);
  const borders = [...cuts].sort((a, b) => a - b);
  const pieces: Piece[] = [];
  for (let i = 0; i + 1 < borders.length; i++) {
    const [start, end] = [borders[i]!, borders[i + 1]!];
    const inside = accesses.filter((access) => access.start <= start && end <= access.end);
    if (inside.length === 0) continue;
    pieces.push({ start, end, ...lifetimeOf(inside, after) });
  }
  return { bytes, pieces: mergeEqual(pieces) };
}

/** From the first write to the last access; what is read before it is written has to stay zero all the time. */
function lifetimeOf(accesses: readonly Access[], after: number): Pick<Piece, "from" | "to"> {
  // Accesses are in order of time, and what a job reads comes before what it writes.
  const first = accesses[0]!;
  if (!first.writes) return { from: BEFORE, to: after };
  return { from: first.time, to: accesses.at(-1)!.time };
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
