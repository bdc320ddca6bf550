// Operators that only move values, as loops over an input and an output: what a TP core can be told to do.
// Constraints and lowering share it, so that what is accepted is what is built.
// SPDX-License-Identifier: MIT
import { integersOf } from "../ir/constants.ts";
import type { Graph, Op, Tensor } from "../ir/graph.ts";
import { resolveSlice, resolveStridedSlice } from "../ir/shapes-slice.ts";

/** Steps along a dimension of a tensor. */
export interface Along {
  dimension: number;
  step: number;
}

/** One loop: both sides move on `count` times. */
export interface Loop {
  count: number;
  from: Along;
  to: Along;
}

/** A movement between tensors, whatever their layouts. */
export interface Movement {
  loops: Loop[];
  /** First input index by dimension. */
  start: number[];
  /** First output index by dimension, one for each time that the input is copied. */
  copies: number[][];
}

/** Operators with a movement. */
export const MOVEMENTS = [
  "SLICE",
  "STRIDED_SLICE",
  "TRANSPOSE",
  "RESIZE_NEAREST_NEIGHBOR",
  "SPACE_TO_DEPTH",
  "DEPTH_TO_SPACE",
] as const;

/** The movement of an operator, or in words why it has none. */
export function movementOf(graph: Graph, op: Op): Movement | string {
  const operands = op.inputs.map((id) => graph.tensors[id]!);
  const output = graph.tensors[op.outputs[0]!]!;
  switch (op.kind) {
    case "SLICE":
    case "STRIDED_SLICE":
      return sliceMovement(op, operands);
    case "TRANSPOSE":
      return transposeMovement(operands, output);
    case "RESIZE_NEAREST_NEIGHBOR":
      return resizeMovement(op, operands[0]!, output);
    case "SPACE_TO_DEPTH":
      return blockMovement(op, operands[0]!, output, false);
    case "DEPTH_TO_SPACE":
      return blockMovement(op, output, operands[0]!, true);
    default:
      return `${op.kind} computes`;
  }
}

const zeros = (count: number): number[] => new Array<number>(count).fill(0);

function sliceMovement(op: Op, operands: readonly Tensor[]): Movement | string {
  const slice =
    op.kind === "SLICE"
      ? resolveSlice(operands[0]!, operands[1]!, operands[2]!)
      : resolveStridedSlice(op, operands);
  if (slice === null) return "the slice is computed, or inserts dimensions";
  if (typeof slice === "string") return slice;
  if (slice.step.some((step) => step < 0)) return `the strides are [${slice.step}]`;
  let next = 0;
  const loops = slice.count.map((count, dimension): Loop => {
    const to = { dimension: slice.dropped[dimension] ? 0 : next++, step: 1 };
    return { count, from: { dimension, step: slice.step[dimension]! }, to };
  });
  return { loops, start: slice.start, copies: [zeros(Math.max(next, 1))] };
}

function transposeMovement([input, order]: readonly Tensor[], output: Tensor): Movement | string {
  const permutation = integersOf(order!);
  if (permutation === null) return "the order is computed";
  const rank = input!.shape.length;
  const loops = output.shape.map((count, dimension): Loop => ({
    count,
    from: { dimension: (permutation[dimension]! + rank) % rank, step: 1 },
    to: { dimension, step: 1 },
  }));
  return { loops, start: zeros(rank), copies: [zeros(rank)] };
}

/** Every pixel is written once for each pixel that it becomes. */
function resizeMovement(op: Op, input: Tensor, output: Tensor): Movement | string {
  const [, rows = 1, columns = 1] = input.shape;
  const [, outRows = 1, outColumns = 1] = output.shape;
  const [y, x] = [outRows / rows, outColumns / columns];
  if (!Number.isInteger(y) || !Number.isInteger(x))
    return `${rows} x ${columns} pixels become ${outRows} x ${outColumns}`;
  if (op.options["alignCorners"] === true && rows * columns > 1) return "corners are aligned";
  const times = [1, y, x, 1];
  const loops = input.shape.map((count, dimension): Loop => ({
    count,
    from: { dimension, step: 1 },
    to: { dimension, step: times[dimension]! },
  }));
  const copies: number[][] = [];
  for (let row = 0; row < y; row++)
    for (let column = 0; column < x; column++) copies.push([0, row, column, 0]);
  return { loops, start: zeros(4), copies };
}

/** Blocks of pixels of one tensor are channels of the other; `back` = from channels to pixels. */
function blockMovement(op: Op, pixels: Tensor, blocks: Tensor, back: boolean): Movement {
  const size = Number(op.options["blockSize"]);
  const channels = pixels.shape[3]!;
  const [, rows = 1, columns = 1] = blocks.shape;
  const at = (dimension: number, step: number): Along => ({ dimension, step });
  const pairs: Array<[count: number, pixel: Along, block: Along]> = [
    [rows, at(1, size), at(1, 1)],
    [size, at(1, 1), at(3, size * channels)],
    [columns, at(2, size), at(2, 1)],
    [size, at(2, 1), at(3, channels)],
    [channels, at(3, 1), at(3, 1)],
  ];
  const loops = pairs.map(([count, pixel, block]): Loop =>
    back ? { count, from: block, to: pixel } : { count, from: pixel, to: block },
  );
  return { loops, start: zeros(4), copies: [zeros(4)] };
}

/** Puts all of a tensor at a position of another one, as an input of a concatenation. */
export function pieceMovement(piece: Tensor, dimension: number, at: number): Movement {
  const loops = piece.shape.map((count, i): Loop => ({
    count,
    from: { dimension: i, step: 1 },
    to: { dimension: i, step: 1 },
  }));
  const place = zeros(piece.shape.length);
  place[dimension] = at;
  return { loops, start: zeros(piece.shape.length), copies: [place] };
}

/** Bytes between neighbours by dimension. Planar: the last dimension is the outermost one. */
export function stepsOf(shape: readonly number[], planar: boolean): number[] {
  const steps = shape.map(() => 1);
  let step = 1;
  const inner = planar ? shape.length - 2 : shape.length - 1;
  for (let i = inner; i >= 0; i--) {
    steps[i] = step;
    step *= shape[i]!;
  }
  if (planar && shape.length > 0) steps[shape.length - 1] = step;
  return steps;
}

/** A loop in bytes. */
interface CopyLoop {
  count: number;
  from: number;
  to: number;
}

/** Loops that are one even walk through the input. */
export interface CopyGroup {
  count: number;
  from: number;
  /** Where the output goes meanwhile, innermost first. */
  loops: Array<{ count: number; to: number }>;
}

/** A movement in bytes. */
export interface Copy {
  groups: CopyGroup[];
  from: number;
  /** Bytes from the start of the output, one for each copy. */
  to: number[];
}

const MAX_16 = 0xffff;

/** A movement between two layouts. */
export function copyOf(movement: Movement, inSteps: number[], outSteps: number[]): Copy {
  const dot = (index: number[], steps: number[]): number =>
    index.reduce((sum, value, i) => sum + value * (steps[i] ?? 0), 0);
  const loops = movement.loops.map(({ count, from, to }): CopyLoop => ({
    count,
    from: from.step * inSteps[from.dimension]!,
    to: to.step * (outSteps[to.dimension] ?? 0),
  }));
  return {
    groups: groupsOf(loops),
    from: dot(movement.start, inSteps),
    to: movement.copies.map((index) => dot(index, outSteps)),
  };
}

/** Joins loops that walk on through the input where the one inside ends. */
function groupsOf(loops: readonly CopyLoop[]): CopyGroup[] {
  const groups: CopyGroup[] = [];
  const moving = loops.filter(({ count }) => count > 1).sort((a, b) => a.from - b.from);
  for (const { count, from, to } of moving) {
    const group = groups.at(-1);
    if (!group || from !== group.from * group.count || group.count * count > MAX_16) {
      groups.push({ count, from, loops: [{ count, to }] });
      continue;
    }
    group.count *= count;
    const last = group.loops.at(-1)!;
    if (to === last.to * last.count) last.count *= count;
    else group.loops.push({ count, to });
  }
  return groups;
}

/** True when input and output are the same bytes in the same order. */
export function isContiguous({ groups, to }: Copy): boolean {
  if (to.length !== 1 || groups.some(({ loops }) => loops.length > 1)) return false;
  let bytes = 1;
  return groups.every(({ count, from, loops }) => {
    const follows = from === bytes && loops[0]!.to === bytes;
    bytes *= count;
    return follows;
  });
}

/** The walk of a descriptor: columns, rows and planes. */
export interface Walk {
  x: CopyGroup;
  y: CopyGroup;
  z: CopyGroup;
}

const ONCE: CopyGroup = { count: 1, from: 1, loops: [] };
const MAX_LOOPS = 6;

/** Fits a copy into the axes of a descriptor; null when it has too many. */
export function walkOf({ groups }: Copy): Walk | null {
  if (groups.reduce((sum, { loops }) => sum + loops.length, 0) > MAX_LOOPS) return null;
  // Only columns lie behind each other; a pitch between rows ends at 16 bits, one between planes at 32.
  const rest = [...groups];
  const x = rest.length === 3 || rest[0]?.from === 1 ? rest.shift()! : ONCE;
  if (rest.length > 2) return null;
  const wide = rest.length === 1 && rest[0]!.from > MAX_16;
  const [y = ONCE, z = ONCE] = wide ? [ONCE, rest[0]!] : rest;
  if (y.from > MAX_16 || (x.count - 1) * x.from > MAX_16) return null;
  return { x, y, z };
}
