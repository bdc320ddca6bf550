// Weighted sums of two bytes against TFLite's: the output steps that they must reach, and how far off an output stage is.
// SPDX-License-Identifier: MIT
import type { PairTerms } from "./numerics.ts";
import { levelStarts, shareOf, type OutputStage, type Steps } from "./output-stage.ts";

/** acc = weightA (a - za) + weightB (b - zb). */
export interface PairWeights {
  weightA: number;
  zeroA: number;
  weightB: number;
  zeroB: number;
}

/** Values of a byte. */
const BYTES = 256;

/** All sums of two bytes. Second operands go by their places: in the order of what they add to the accumulator. */
export class PairSums {
  /** For each first operand and output step: the place from which second operands reach it, 256 = none; for both orders. */
  private readonly wanted: { rising?: Uint16Array; falling?: Uint16Array } = {};

  constructor(private readonly terms: PairTerms) {}

  /** Steps of the accumulator that stand for those of TFLite's sums; where weights mix up the sides of one, it lies in the middle. */
  steps(weights: PairWeights, factor: number): Steps {
    const { first, zeroPoint, lowest } = this.terms;
    const count = first.length;
    const lower = new Float64Array(count).fill(-Infinity);
    const upper = new Float64Array(count).fill(Infinity);
    const wanted = this.wantedPlaces(weights);
    const parts = secondOperands(weights).map(({ part }) => part);
    for (let byte = 0; byte < BYTES; byte++) {
      const part = weights.weightA * (byte - weights.zeroA);
      for (let step = 0; step < count; step++) {
        const place = wanted[byte * count + step]!;
        if (place > 0) lower[step] = Math.max(lower[step]!, part + parts[place - 1]!);
        if (place < BYTES) upper[step] = Math.min(upper[step]!, part + parts[place]!);
      }
    }
    for (let step = 0; step < count; step++)
      if (lower[step]! >= upper[step]!) {
        upper[step] = Math.ceil((lower[step]! + upper[step]!) / 2);
        lower[step] = upper[step]! - 1;
      }
    return { zeroPoint, lowest, lower, upper, factor };
  }

  /** Output steps by which the NPU's sums are off, over all pairs of bytes, weighted by how likely they are. */
  mismatch(weights: PairWeights, stage: OutputStage): number {
    const count = this.terms.first.length;
    const wanted = this.wantedPlaces(weights);
    const seconds = secondOperands(weights);
    const shares = Float64Array.from(seconds, ({ byte }) => shareOf(byte - weights.zeroB));
    const reached = levelStarts(stage, this.terms.lowest);
    // From place to place the accumulator gets more by as much.
    const rise = Math.abs(weights.weightB);
    // Steps by which the sum at a place is off.
    const off = new Uint8Array(BYTES);
    let cost = 0;
    for (let byte = 0; byte < BYTES; byte++) {
      const least = weights.weightA * (byte - weights.zeroA) + seconds[0]!.part;
      let [from, to] = [BYTES, 0];
      for (let step = 0; step < count; step++) {
        const want = wanted[byte * count + step]!;
        const missing = reached[step]! - least;
        const most = rise * want;
        const isReached = missing <= most;
        if (isReached ? want === 0 || missing > most - rise : want === BYTES) continue;
        // Whole numbers of few bits: a quotient that is no whole number is far enough from one.
        const got = missing <= 0 ? 0 : Math.min(Math.ceil(missing / rise), BYTES);
        const [begin, end] = got < want ? [got, want] : [want, got];
        for (let place = begin; place < end; place++) off[place]!++;
        from = Math.min(from, begin);
        to = Math.max(to, end);
      }
      let sum = 0;
      for (let place = from; place < to; place++)
        if (off[place] !== 0) sum += shares[place]! * off[place]!;
      cost += sum * shareOf(byte - weights.zeroA);
      off.fill(0, from, Math.max(from, to));
    }
    return cost;
  }

  private wantedPlaces({ weightB }: PairWeights): Uint16Array {
    return weightB < 0
      ? (this.wanted.falling ??= findPlaces(this.terms, this.terms.b.slice().reverse()))
      : (this.wanted.rising ??= findPlaces(this.terms, this.terms.b));
  }
}

/** @param seconds terms of the second operands, each no smaller than the one before */
function findPlaces({ a, first }: PairTerms, seconds: Float64Array): Uint16Array {
  const count = first.length;
  const places = new Uint16Array(BYTES * count).fill(BYTES);
  for (let byte = 0; byte < BYTES; byte++) {
    const term = a[byte]!;
    let step = 0;
    for (let place = 0; place < BYTES; place++)
      for (; step < count && term + seconds[place]! >= first[step]!; step++)
        places[byte * count + step] = place;
  }
  return places;
}

/** Second operands in the order of their terms, with what they add to the accumulator. */
function secondOperands({ weightB, zeroB }: PairWeights): { byte: number; part: number }[] {
  return Array.from({ length: BYTES }, (_, place) => {
    const byte = weightB < 0 ? BYTES - 1 - place : place;
    return { byte, part: weightB * (byte - zeroB) };
  });
}
