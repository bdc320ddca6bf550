// Packs boxes of address and time as low as they go: several orders by rule, then a bounded search for a better one.
// SPDX-License-Identifier: MIT
import { alignUp } from "../../executable/format.ts";

/** Bytes of a body that are in use from moment `from` to moment `to`, both inclusive. */
export interface Piece {
  start: number;
  end: number;
  from: number;
  to: number;
}

/** What moves as a whole: a buffer with the lifetimes of its pieces. */
export interface Body {
  bytes: number;
  pieces: readonly Piece[];
}

export interface Packing {
  /** Of each body, multiples of 64. */
  offsets: number[];
  total: number;
}

/** The image of an NN job begins at a multiple of this (spec/cost-model.md). */
const ALIGNMENT = 64;

/** Work that the search may do, in compared pieces, and orders that it may try. */
const SEARCH_WORK = 20e6;
const SEARCH_TRIES = 600;

/** Above this number of pieces nothing is shared: the time for packing grows with its square. */
const PIECES_MAX = 20_000;

/**
 * Places bodies so that no two pieces share a byte at the same moment. Equal bodies give equal places, on every host.
 */
export function packBodies(bodies: readonly Body[]): Packing {
  const pieces = bodies.reduce((sum, body) => sum + body.pieces.length, 0);
  if (pieces > PIECES_MAX) return sideBySide(bodies);
  const bound = lowerBound(bodies);
  let best: Packing & { order: number[] } = { order: [], offsets: [], total: Infinity };
  const attempt = (order: number[]): void => {
    const packing = packInOrder(bodies, order);
    if (packing.total < best.total) best = { ...packing, order };
  };
  for (const order of startingOrders(bodies)) attempt(order);

  const random = generator();
  const tries = Math.min(SEARCH_TRIES, Math.floor(SEARCH_WORK / (pieces * pieces + 1)));
  for (let i = 0; i < tries && best.total > bound; i++) attempt(changed(bodies, best, random));
  return { offsets: best.offsets, total: best.total };
}

function sideBySide(bodies: readonly Body[]): Packing {
  let total = 0;
  const offsets = bodies.map(({ bytes }) => {
    const offset = alignUp(total, ALIGNMENT);
    total = offset + bytes;
    return offset;
  });
  return { offsets, total };
}

/** No packing is smaller: the most bytes in use at one moment. */
export function lowerBound(bodies: readonly Body[]): number {
  const changes = new Map<number, number>();
  const add = (time: number, bytes: number): void =>
    void changes.set(time, (changes.get(time) ?? 0) + bytes);
  for (const { pieces } of bodies)
    for (const { start, end, from, to } of pieces) {
      add(from, end - start);
      add(to + 1, start - end);
    }
  let most = 0;
  let now = 0;
  for (const [, bytes] of [...changes].sort(([a], [b]) => a - b)) {
    now += bytes;
    most = Math.max(most, now);
  }
  return most;
}

/** Every body at the lowest offset that those before it leave free. */
function packInOrder(bodies: readonly Body[], order: readonly number[]): Packing {
  const offsets = bodies.map(() => 0);
  const placed: Piece[] = [];
  let total = 0;
  for (const index of order) {
    const body = bodies[index]!;
    const offset = lowestFree(body, placed);
    offsets[index] = offset;
    total = Math.max(total, offset + body.bytes);
    for (const piece of body.pieces)
      placed.push({ ...piece, start: piece.start + offset, end: piece.end + offset });
  }
  return { offsets, total };
}

function lowestFree({ pieces }: Body, placed: readonly Piece[]): number {
  const rivals = pieces.map((piece) =>
    placed.filter((other) => other.from <= piece.to && piece.from <= other.to),
  );
  for (let offset = 0; ;) {
    let needed = offset;
    for (const [i, { start, end }] of pieces.entries())
      for (const other of rivals[i]!)
        // Whatever is in the way now is in the way until the piece begins at its end.
        if (offset + start < other.end && other.start < offset + end)
          needed = Math.max(needed, other.end - start);
    if (needed === offset) return offset;
    offset = alignUp(needed, ALIGNMENT);
  }
}

/** Orders that are good for one kind of network or another. */
function startingOrders(bodies: readonly Body[]): number[][] {
  const from = bodies.map(({ pieces }) => Math.min(...pieces.map((piece) => piece.from)));
  const to = bodies.map(({ pieces }) => Math.max(...pieces.map((piece) => piece.to)));
  const life = (i: number): number => to[i]! - from[i]! + 1;
  const size = (i: number): number => bodies[i]!.bytes;
  const rules: ((i: number) => number)[] = [
    size,
    (i) => size(i) * life(i),
    life,
    (i) => -from[i]!,
    (i) => to[i]!,
  ];
  const all = bodies.map((_, i) => i);
  return rules.map((rule) =>
    [...all].sort((a, b) => rule(b) - rule(a) || size(b) - size(a) || a - b),
  );
}

/** A neighbour of the best order: a body at the top goes earlier, or two bodies change places. */
function changed(
  bodies: readonly Body[],
  { order, offsets, total }: Packing & { order: readonly number[] },
  random: (limit: number) => number,
): number[] {
  const next = [...order];
  const at = random(next.length);
  if (random(2) === 0) {
    const top = next.findIndex((index) => offsets[index]! + bodies[index]!.bytes === total);
    const [moved] = next.splice(top, 1);
    next.splice(random(top + 1), 0, moved!);
  }
  const other = random(next.length);
  [next[at], next[other]] = [next[other]!, next[at]!];
  return next;
}

/** Numbers below `limit`, the same ones every time (xorshift32). */
function generator(): (limit: number) => number {
  let state = 0x9e3779b9;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 8) % limit;
  };
}
