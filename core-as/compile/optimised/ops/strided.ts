// Operators that take, repeat or reorder values, as address programs of the TP cores.
// SPDX-License-Identifier: MIT
import { TpJob } from "../../../assembly/abi.ts";
import { GraphError } from "../../../errors.ts";
import type { Op } from "../../../ir/graph.ts";
import {
  copyOf,
  isContiguous,
  movementOf,
  stepsOf,
  walkOf,
  type Copy,
  type CopyGroup,
  type Movement,
  type Walk,
} from "../../../legalise/movement.ts";
import type { TpProgram, TpRecord } from "../../jobs.ts";
import { ceilDiv, zp8 } from "../../lower-shared.ts";
import type { LoweringContext } from "../context.ts";

const CANCELLED = "together with the transpositions before it, it moves nothing";

/** Reads the form that exists and writes the one that is wanted: a change of layout comes for free. */
export function lowerMovement(context: LoweringContext, op: Op): void {
  const folded = context.choices.foldMovements ? foldedTransposes(context, op) : null;
  const movement = folded?.movement ?? movementOf(context.graph, op);
  if (typeof movement === "string") throw new GraphError(movement, { op: op.id }, "lower");
  const input = context.tensor(folded?.input ?? op.inputs[0]!);
  const output = context.tensor(op.outputs[0]!);
  const planar = context.wantsPlanar(output.id);
  const source = context.formOf(input.id);
  const copy = copyOf(movement, stepsOf(input.shape, source.planar), stepsOf(output.shape, planar));
  const bytes = context.bytes(output.id);
  if (isContiguous(copy) && context.isReadInside(output.id)) {
    context.define(output.id, context.placement.addPiece(bytes, source.node, copy.from), planar);
    if (folded) context.folds.push({ op: op.id, into: null, how: CANCELLED });
  } else {
    const target = context.placement.add(bytes);
    for (const programs of copyJobs(copy, zp8(input), context.chip.tpCores))
      context.tp("move", op.id, source.node, target, programs);
    context.define(output.id, target, planar);
  }
  context.publish(op);
}

/**
 * A TRANSPOSE of transposed values reads what all of them together start from. Those before it lose their jobs where nobody else
 * reads them.
 */
function foldedTransposes(
  context: LoweringContext,
  op: Op,
): { movement: Movement; input: number } | null {
  if (op.kind !== "TRANSPOSE") return null;
  const movements: Movement[] = [];
  let input = op.outputs[0]!;
  for (let at: Op | undefined = op; at?.kind === "TRANSPOSE"; at = context.producerOf(input)) {
    const movement = movementOf(context.graph, at);
    if (typeof movement === "string") return null;
    movements.unshift(movement);
    input = at.inputs[0]!;
  }
  if (movements.length < 2) return null;
  const movement = movements.reduce(thenTransposed);
  const steps = [true, false].flatMap((from) =>
    [true, false].map((to) => {
      const shapes = [context.tensor(input).shape, context.tensor(op.outputs[0]!).shape] as const;
      return copyOf(movement, stepsOf(shapes[0], from), stepsOf(shapes[1], to));
    }),
  );
  return steps.every((copy) => walkOf(copy) !== null) ? { movement, input } : null;
}

/** Two transpositions, one after the other. */
function thenTransposed(first: Movement, second: Movement): Movement {
  return {
    ...second,
    loops: second.loops.map((loop) => {
      // The first one writes dimension i from where its loop i reads.
      const through = first.loops.find(({ to }) => to.dimension === loop.from.dimension)!;
      return { ...loop, from: through.from };
    }),
  };
}

/** Programs of a copy, by job: as many as there are cores in each. */
export function copyJobs(copy: Copy, zp: number, cores: number): TpProgram[][] {
  const walk = walkOf(copy)!;
  const parts = copy.to.length === 1 ? dealWalk(walk, cores) : [{ walk, from: 0, to: 0 }];
  const programs = copy.to.flatMap((to) =>
    parts.map((part) => ({
      inOffset: copy.from + part.from,
      outOffset: to + part.to,
      record: walkRecord(part.walk, zp),
    })),
  );
  const jobs: TpProgram[][] = [];
  for (let done = 0; done < programs.length; done += cores) {
    const job = programs.slice(done, done + cores);
    for (const { record } of job.slice(0, -1)) record[TpJob.NO_FLUSH] = 1;
    jobs.push(job);
  }
  return jobs;
}

interface WalkPart {
  walk: Walk;
  from: number;
  to: number;
}

/** Deals the outermost loop of a walk to the cores. */
function dealWalk(walk: Walk, cores: number): WalkPart[] {
  const axis = walk.z.count > 1 ? "z" : walk.y.count > 1 ? "y" : "x";
  const group = walk[axis];
  const outer = group.loops.at(-1);
  if (!outer) return [{ walk, from: 0, to: 0 }];
  const inner = group.count / outer.count;
  const parts: WalkPart[] = [];
  const used = Math.min(cores, outer.count);
  let done = 0;
  for (let core = 0; core < used; core++) {
    const count = ceilDiv(outer.count - done, used - core);
    const share: CopyGroup = {
      count: count * inner,
      from: group.from,
      loops: [...group.loops.slice(0, -1), { count, to: outer.to }],
    };
    parts.push({
      walk: { ...walk, [axis]: share },
      from: done * inner * group.from,
      to: done * outer.to,
    });
    done += count;
  }
  return parts;
}

const COUNTS = [
  TpJob.COUNT_0,
  TpJob.COUNT_1,
  TpJob.COUNT_2,
  TpJob.COUNT_3,
  TpJob.COUNT_4,
  TpJob.COUNT_5,
];
const INCREMENTS = [TpJob.INC_0, TpJob.INC_1, TpJob.INC_2, TpJob.INC_3, TpJob.INC_4, TpJob.INC_5];

/** Columns that do not lie behind each other are tiles of one column with a step between them. */
function walkRecord({ x, y, z }: Walk, zp: number): TpRecord {
  const stepped = x.from > 1;
  const columns = (x.count - 1) * x.from + 1;
  const record: TpRecord = {
    [TpJob.IN_X_SIZE]: columns,
    [TpJob.IN_Y_SIZE]: y.count,
    [TpJob.IN_Z_SIZE]: z.count,
    [TpJob.IN_STRIDE]: y.from,
    [TpJob.IN_SLICE]: z.from,
    [TpJob.WINDOW_X_END]: columns - 1,
    [TpJob.WINDOW_Y_END]: y.count - 1,
    [TpJob.TILE_X_SIZE]: stepped ? 1 : columns,
    [TpJob.TILE_X_INC]: stepped ? x.from : columns,
    [TpJob.TILE_Y_SIZE]: stepped ? 1 : y.count,
    [TpJob.TILE_Y_INC]: stepped ? 1 : y.count,
    [TpJob.IN_ZP]: zp,
    [TpJob.OUT_ZP]: zp,
  };
  const loops = [x, y, z].flatMap((group) => group.loops);
  for (const [i, count] of COUNTS.entries()) {
    record[count] = loops[i]?.count ?? 1;
    record[INCREMENTS[i]!] = loops[i]?.to ?? 0;
  }
  return record;
}
