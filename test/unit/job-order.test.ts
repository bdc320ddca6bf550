// The order of jobs: whatever depends on each other keeps its order, no order that is found needs more memory than the given
// one, and none of a small partition needs less.
// SPDX-License-Identifier: MIT
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { BufferRef, Lowered, TensorBuffer, TpWork } from "../../core-as/compile/jobs.ts";
import {
  leastPeak,
  orderJobs,
  orderProblem,
  peakOf,
} from "../../core-as/compile/optimised/job-order.ts";
import { planMemory } from "../../core-as/compile/optimised/memory.ts";
import { propSettings } from "../helpers/prop.ts";

/** Jobs that copy: [from, to] are places of buffers, as [buffer, offset, bytes]. */
type Place = readonly [buffer: number, offset: number, bytes: number];

function lowered(
  sizes: readonly number[],
  copies: readonly (readonly [from: Place, to: Place])[],
  ports: { inputs: readonly number[]; outputs: readonly number[] },
): Lowered {
  const buffers = sizes.map((bytes, id): TensorBuffer => ({ id, bytes }));
  const ref = ([buffer, offset, bytes]: Place): BufferRef => ({
    buffer: buffers[buffer]!,
    offset,
    bytes,
  });
  const port = (id: number) => ({
    tensor: id,
    place: ref([id, 0, sizes[id]!]),
    bytes: sizes[id]!,
  });
  return {
    jobs: copies.map(([from, to], sourceOp): TpWork => ({
      kind: "TP",
      op: "copy",
      sourceOp,
      programs: [],
      input: ref(from),
      output: ref(to),
    })),
    buffers,
    inputs: ports.inputs.map(port),
    outputs: ports.outputs.map(port),
    quirks: [],
    undefinedJobs: [],
  };
}

const orderOf = ({ jobs }: Lowered): number[] => jobs.map(({ sourceOp }) => sourceOp);

const peak = (work: Lowered): number => {
  const problem = orderProblem(work);
  return peakOf(
    problem,
    work.jobs.map((_, i) => i),
  );
};

test("one branch after the other, not both at once", () => {
  // 0 -> big 1 -> small 2; 0 -> big 3 -> small 4; both small ones are pieces of 5 and leave.
  const sizes = [64, 4096, 64, 4096, 64, 128];
  const whole = (i: number): Place => [i, 0, sizes[i]!];
  const work = lowered(
    sizes,
    [
      [whole(0), whole(1)],
      [whole(0), whole(3)],
      [whole(1), [5, 0, 64]],
      [whole(3), [5, 64, 64]],
    ],
    { inputs: [0], outputs: [5] },
  );
  const ordered = orderJobs(work);
  assert.equal(orderOf(ordered), [0, 2, 1, 3]);
  assert.is(peak(work), 64 + 2 * 4096);
  assert.is(peak(ordered), 64 + 4096 + 64);
  assert.is(planMemory(ordered).buffers[0]!.bytes, 64 + 4096 + 64);
});

test("a chain, and what cannot be better, stays as it is", () => {
  const sizes = [64, 640, 64];
  const work = lowered(
    sizes,
    [
      [
        [0, 0, 64],
        [1, 0, 640],
      ],
      [
        [1, 0, 640],
        [2, 0, 64],
      ],
    ],
    { inputs: [0], outputs: [2] },
  );
  assert.is(orderJobs(work), work);
});

test("two jobs that write the same bytes keep their order, and readers stay between writers", () => {
  // 1 is written, read into 2, written again, read into 3: no other order means the same.
  const sizes = [640, 64, 64, 64];
  const whole = (i: number): Place => [i, 0, sizes[i]!];
  const work = lowered(
    sizes,
    [
      [whole(0), whole(1)],
      [whole(1), whole(2)],
      [whole(0), whole(1)],
      [whole(1), whole(3)],
    ],
    { inputs: [0], outputs: [2, 3] },
  );
  assert.equal(orderProblem(work).needs, [[], [0], [0, 1], [0, 2]]);
  assert.equal(orderOf(orderJobs(work)), [0, 1, 2, 3]);
});

/** Random partitions: every job copies a place that holds something to a place that does not, or over something. */
const partitions: fc.Arbitrary<Lowered> = fc
  .tuple(
    fc.array(fc.constantFrom(64, 128, 640, 1024), { minLength: 3, maxLength: 7 }),
    fc.array(fc.tuple(fc.nat(), fc.nat(), fc.nat(3), fc.nat(3)), { minLength: 1, maxLength: 6 }),
    fc.array(fc.nat(), { maxLength: 2 }),
  )
  .map(([sizes, copies, leaving]) => {
    const pick = (n: number): number => n % sizes.length;
    /** The whole buffer, or one of its halves. */
    const part = (buffer: number, which: number): Place => {
      const half = sizes[buffer]! / 2;
      if (which > 1) return [buffer, 0, sizes[buffer]!];
      return [buffer, which * half, half];
    };
    const jobs = copies.map(
      ([from, to, partFrom, partTo]) =>
        [part(pick(from), partFrom), part(pick(to), partTo)] as const,
    );
    const outputs = [...new Set(leaving.map(pick))];
    return lowered(sizes, jobs, { inputs: [0], outputs });
  });

function* permutations(items: readonly number[]): Generator<number[]> {
  if (items.length === 0) yield [];
  for (const item of items)
    for (const rest of permutations(items.filter((other) => other !== item))) yield [item, ...rest];
}

test("the order is the best of all that keep what depends on each other", () =>
  fc.assert(
    fc.property(partitions, (work) => {
      const problem = orderProblem(work);
      const legal = (order: readonly number[]): boolean =>
        order.every((job, i) => problem.needs[job]!.every((other) => order.indexOf(other) < i));
      const ordered = orderJobs(work);
      assert.equal(orderJobs(work), ordered);
      assert.ok(legal(orderOf(ordered)));
      let best = Infinity;
      for (const order of permutations(work.jobs.map((_, i) => i)))
        if (legal(order)) best = Math.min(best, peakOf(problem, order));
      assert.is(peakOf(problem, orderOf(ordered)), best);
      assert.ok(leastPeak(problem) <= best);
    }),
    propSettings(120),
  ));

/** What each job reads is what the job that wrote it last means, in both orders. */
function meaning(work: Lowered): Map<number, string> {
  const cells = new Map<string, string>();
  const values = new Map<number, string>();
  const cell = ({ buffer }: BufferRef, at: number): string => `${buffer.id}/${at}`;
  for (const { input, output, sourceOp } of work.jobs) {
    const read: string[] = [];
    for (let at = 0; at < input.bytes!; at += 32)
      read.push(cells.get(cell(input, input.offset + at)) ?? "before");
    values.set(sourceOp, read.join());
    for (let at = 0; at < output.bytes!; at += 32)
      cells.set(cell(output, output.offset + at), `${sourceOp}+${at}`);
  }
  for (const { place } of work.outputs)
    for (let at = 0; at < place.bytes!; at += 32)
      values.set(-1 - place.buffer.id * 1000 - at, cells.get(cell(place, at)) ?? "before");
  return values;
}

test("every job reads the bytes that it read before", () =>
  fc.assert(
    fc.property(partitions, (work) => {
      const [before, after] = [meaning(work), meaning(orderJobs(work))];
      assert.equal([...after].sort(), [...before].sort());
    }),
    propSettings(200),
  ));

test.run();
