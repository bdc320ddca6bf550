// Weights of one channel at another scale, rounded so that the error of the sum is least for the inputs that are expected.
// SPDX-License-Identifier: MIT
import { dot, type Directions } from "./directions.ts";
import { PixelVariance } from "./input-model.ts";
import {
  directionsFor,
  DOUBT,
  KernelErrors,
  sumError,
  type KernelShape,
  type PlaneMoments,
  type SumError,
} from "./sum-error.ts";

/** Weights of a byte. */
const [LOWEST, HIGHEST] = [-128, 127];

/** Buckets of rounding errors when the cheapest ones are looked for. */
const BUCKETS = 64;

/** Steps of a remainder's weights for each step of the weights that were rounded: half a step is a byte. */
export const REMAINDER_STEPS = 250;

/**
 * Rounds `ratio` times the weights to the nearest whole numbers, and what is left, negative, to numbers for each
 * 1 / REMAINDER_STEPS.
 * @param result receives the whole weights
 * @param rest receives the remainders
 * @returns what the remainders leave
 */
export function splitChannel(
  row: ArrayLike<number>,
  ratio: number,
  shape: KernelShape,
  inputs: PlaneMoments,
  result: Int16Array,
  rest: Int16Array,
): { first: SumError; left: SumError } {
  const length = shape.planes * shape.taps;
  const errors = new Float64Array(length);
  const left = new Float64Array(length);
  for (let k = 0; k < length; k++) {
    const wanted = row[k]! * ratio;
    result[k] = Math.min(Math.max(Math.round(wanted), LOWEST), HIGHEST);
    errors[k] = result[k]! - wanted;
    rest[k] = Math.min(Math.max(Math.round(-errors[k]! * REMAINDER_STEPS), LOWEST), HIGHEST);
    left[k] = errors[k]! + rest[k]! / REMAINDER_STEPS;
  }
  return { first: sumError(errors, shape, inputs), left: sumError(left, shape, inputs) };
}

/** Variance of a rounding, in steps. */
export const ROUNDED = 1 / 12;

/** Parts of a step: finer ones than the last have larger errors of the second supply for any input. */
const PARTS = [4, 8, 16];

/** Variance that weights with so many parts of a step are expected to add to a sum, each, when their inputs have this variance. */
export function partsVariance({ parts, variance: error }: Supply, variance: number): number {
  // Weights for the second supply are any number up to half of the parts, and that supply is rounded.
  return (ROUNDED / parts ** 2) * variance + ROUNDED * parts ** 2 * error;
}

/** The second supply with which rounding costs least, for inputs of this variance. */
export function bestSupply(variance: number, of: (parts: number) => Supply): Supply {
  return PARTS.map(of).reduce((best, some) =>
    partsVariance(some, variance) < partsVariance(best, variance) ? some : best,
  );
}

/** The second supply of the inputs. */
export interface Supply {
  /** How many make a step. */
  parts: number;
  /** Square of the error that a value is expected to have, in the supply's steps. */
  variance: number;
  /** Largest error of a value, in the same steps. */
  largest: number;
}

/**
 * Rounds `ratio` times the weights to parts of a step: whole numbers, and weights for a second supply of the inputs, which holds that
 * part of them, rounded.
 * @param row weights tap by tap, planes innermost
 * @param result receives the whole weights
 * @param fractions receives the weights for the second supply
 * @returns also the deviation that the supply's own error is of it
 */
export function requantiseInParts(
  row: ArrayLike<number>,
  ratio: number,
  { parts, variance, largest: supplyError }: Supply,
  shape: KernelShape,
  inputs: PlaneMoments,
  result: Int16Array,
  fractions: Int16Array,
): SumError & { supplied: number } {
  const { planes, taps } = shape;
  const errors = new Float64Array(planes * taps);
  let largest = 0;
  for (let k = 0; k < errors.length; k++) {
    const wanted = row[k]! * ratio;
    const whole = Math.min(Math.max(Math.round(wanted), LOWEST), HIGHEST);
    const part = Math.round((wanted - whole) * parts);
    [result[k], fractions[k]] = [whole, part];
    errors[k] = whole + part / parts - wanted;
  }
  const directions = directionsFor(shape, inputs);
  if (directions !== null) roundAlong(errors, fractions, 1 / parts, alongOf(directions, inputs));
  const supply = new PixelVariance(inputs.correlation);
  for (let z = 0; z < planes; z++) {
    let [sum, squares] = [0, 0];
    for (let k = z; k < errors.length; k += planes) {
      const part = fractions[k]!;
      sum += part;
      squares += part * part;
      largest += Math.abs(part) * supplyError;
    }
    supply.add(z, variance * squares, variance * sum * sum);
  }
  const made = sumError(errors, shape, inputs, supply.total);
  return { ...made, largest: made.largest + largest, supplied: Math.sqrt(supply.total) };
}

/**
 * Rounds `ratio` times the weights to whole numbers.
 * @param row weights tap by tap, planes innermost
 * @param result receives the whole weights
 */
export function requantiseChannel(
  row: ArrayLike<number>,
  ratio: number,
  shape: KernelShape,
  inputs: PlaneMoments,
  result: Int16Array,
): SumError {
  const { planes, taps } = shape;
  const length = planes * taps;
  const errors = new Float64Array(length);
  for (let k = 0; k < length; k++) {
    const wanted = row[k]! * ratio;
    const whole = Math.min(Math.max(Math.round(wanted), LOWEST), HIGHEST);
    result[k] = whole;
    errors[k] = whole - wanted;
  }
  const directions = directionsFor(shape, inputs);
  if (directions !== null) roundAlong(errors, result, 1, alongOf(directions, inputs));
  else if (taps > 1 && length <= FEW_WEIGHTS)
    roundTogether(errors, result, new KernelErrors(errors, shape, inputs));
  else {
    const flips = new Flips(errors, result);
    // Neighbouring pixels are alike, so errors of one plane's taps add up.
    if (taps > 1) for (let z = 0; z < planes; z++) flips.balance(z, planes, 1);
    flips.balance(0, 1, DOUBT ** 2);
  }
  return sumError(errors, shape, inputs);
}

/** Weights that are rounded the other way at most, for errors along directions; the first ones help most. */
const MOST_FLIPS = 24;
/** Weights of which pairs are considered. */
const PAIRED = 20;
/** Weights, about, that are considered. */
const CANDIDATES = 128;
/** A bound has all of the largest value along a direction, and of the rest so many deviations, about. */
const LARGEST_COUNTS = 1 / 4;

/** What errors along directions cost, in squares. */
interface Along {
  /** The directions, and one of ones: means that are off count as one more. */
  count: number;
  /** Plane by plane, what it has of each of them. */
  parts: Float64Array;
  costs: Float64Array;
  /** By plane: of an error of one, without and with what it costs along the directions. */
  residual: Float64Array;
  squares: Float64Array;
}

const alongs = new WeakMap<Directions, Along>();

function alongOf(directions: Directions, { deviation }: PlaneMoments): Along {
  let found = alongs.get(directions);
  if (found !== undefined) return found;
  const { length } = directions.residual;
  const vectors = [...directions.vectors, new Float64Array(length).fill(1)];
  const costs = Float64Array.from(vectors, (_, i) =>
    i < directions.vectors.length
      ? Math.max(directions.squares[i]!, (LARGEST_COUNTS * directions.largest[i]!) ** 2)
      : DOUBT ** 2 * (dot(deviation, deviation) / length),
  );
  const count = vectors.length;
  const parts = new Float64Array(length * count);
  for (const [i, vector] of vectors.entries())
    for (let k = 0; k < length; k++) parts[k * count + i] = vector[k]!;
  const residual = directions.residual.map((value) => value * value);
  const squares = residual.map((own, k) =>
    vectors.reduce((sum, vector, i) => sum + costs[i]! * vector[k]! ** 2, own),
  );
  alongs.set(directions, (found = { count, parts, costs, residual, squares }));
  return found;
}

/**
 * Rounds weights the other way, always the one that helps most, until errors add up to little along an input's directions.
 * @param step of the weights, in those of the errors
 */
function roundAlong(errors: Float64Array, weights: Int16Array, step: number, along: Along): void {
  const { length } = errors;
  const { count, parts, costs, residual, squares } = along;
  const sums = new Float64Array(count);
  for (let k = 0, at = 0; k < length; k++) {
    const error = errors[k]!;
    for (let i = 0; i < count; i++) sums[i]! += error * parts[at++]!;
  }
  // Of many weights, those that are nearest to half a step are the cheap ones.
  const least = (step / 2) * Math.max(0, 1 - CANDIDATES / length);
  const candidates: number[] = [];
  for (let k = 0; k < length; k++) {
    const error = Math.abs(errors[k]!);
    if (error > 0 && error >= least) candidates.push(k);
  }
  const changeOf = (k: number): number => (errors[k]! > 0 ? -step : step);
  const gains = new Float64Array(length);
  const pulls = new Float64Array(count);
  const flip = (k: number): boolean => {
    const by = changeOf(k);
    const changed = weights[k]! + Math.sign(by);
    if (changed < LOWEST || changed > HIGHEST) return false;
    weights[k] = changed;
    errors[k]! += by;
    for (let i = 0; i < count; i++) sums[i]! += by * parts[k * count + i]!;
    return true;
  };
  for (let flips = 0; flips < MOST_FLIPS; flips++) {
    for (let i = 0; i < count; i++) pulls[i] = costs[i]! * sums[i]!;
    let [best, most] = [-1, -1e-9];
    for (const k of candidates) {
      // Squares of this plane's error, and of all sums, after it has changed.
      let pull = errors[k]! * residual[k]!;
      for (let i = 0, at = k * count; i < count; i++) pull += pulls[i]! * parts[at++]!;
      const by = errors[k]! > 0 ? -step : step;
      const gain = by * (2 * pull + by * squares[k]!);
      gains[k] = gain;
      if (gain < most) [best, most] = [k, gain];
    }
    if (best >= 0) {
      if (!flip(best)) return;
      continue;
    }
    // Two at a time, where one makes up for the other.
    const near = leastOf(gains, candidates, PAIRED);
    let [one, other] = [-1, -1];
    for (let first = 0; first < near.length; first++) {
      const a = near[first]!;
      const byA = 2 * changeOf(a);
      for (let i = 0; i < count; i++) pulls[i] = byA * costs[i]! * parts[a * count + i]!;
      for (let second = first + 1; second < near.length; second++) {
        const b = near[second]!;
        let common = 0;
        for (let i = 0, at = b * count; i < count; i++) common += pulls[i]! * parts[at++]!;
        const both = gains[a]! + gains[b]! + changeOf(b) * common;
        if (both < most) [one, other, most] = [a, b, both];
      }
    }
    if (one < 0 || !flip(one) || !flip(other)) return;
  }
}

/** The keys of the smallest values, in rising order. */
function leastOf(values: Float64Array, keys: readonly number[], count: number): number[] {
  const found: number[] = [];
  for (const key of keys) {
    const value = values[key]!;
    if (found.length === count) {
      if (value >= values[found[count - 1]!]!) continue;
      found.pop();
    }
    let at = found.length;
    while (at > 0 && values[found[at - 1]!]! > value) at--;
    found.splice(at, 0, key);
  }
  return found;
}

/** Weights of kernels that are rounded with all others in view; beyond these, sums are balanced. */
const FEW_WEIGHTS = 32;

/** Rounds weights of a kernel the other way, one or two at a time, as long as that makes the error smaller. */
function roundTogether(errors: Float64Array, weights: Int16Array, kernel: KernelErrors): void {
  const { length } = errors;
  const flip = (at: number): boolean => {
    const by = errors[at]! > 0 ? -1 : 1;
    const flipped = weights[at]! + by;
    if (errors[at] === 0 || flipped < LOWEST || flipped > HIGHEST) return false;
    weights[at] = flipped;
    kernel.change(at, by);
    return true;
  };
  let least = kernel.reach;
  /** Changes one weight, or two, if that helps. */
  const improve = (inPairs: boolean): boolean => {
    let best: [number, number] | null = null;
    for (let first = 0; first < length; first++) {
      if (!flip(first)) continue;
      for (let second = first; second < (inPairs ? length : first + 1); second++) {
        if (second !== first && !flip(second)) continue;
        const { reach } = kernel;
        // Rounding errors of the sums must not keep this going.
        if (reach < least * (1 - 1e-9)) [least, best] = [reach, [first, second]];
        if (second !== first) flip(second);
      }
      flip(first);
    }
    if (best === null) return false;
    flip(best[0]);
    if (best[1] !== best[0]) flip(best[1]);
    return true;
  };
  // Pairs are many, and single weights help most.
  while (improve(false) || improve(true));
}

/** Rounds weights the other way, those first whose error changes least. */
class Flips {
  private readonly buckets = new Int32Array(BUCKETS);

  constructor(
    private readonly errors: Float64Array,
    private readonly weights: Int16Array,
  ) {}

  /**
   * Makes the sum of the errors from `first` on, every `step`-th, small.
   * @param cost of the squared sum, where that of an error's square is 1
   */
  balance(first: number, step: number, cost: number): void {
    const { errors, weights } = this;
    let sum = 0;
    for (let k = first; k < errors.length; k += step) sum += errors[k]!;
    let wanted = Math.round(Math.abs(sum));
    if (wanted === 0) return;
    const sign = Math.sign(sum);
    const threshold = this.threshold(first, step, sign, wanted);
    for (let k = first; k < errors.length && wanted > 0; k += step) {
      const error = errors[k]! * sign;
      if (error < threshold) continue;
      const flipped = weights[k]! - sign;
      if (flipped < LOWEST || flipped > HIGHEST) continue;
      const gain = (2 * Math.abs(sum) - 1) * cost;
      if (gain <= 1 - 2 * error) continue;
      weights[k] = flipped;
      errors[k] = errors[k]! - sign;
      sum -= sign;
      wanted--;
    }
  }

  /** Error from which on there are about as many as wanted. */
  private threshold(first: number, step: number, sign: number, wanted: number): number {
    const { errors, buckets } = this;
    buckets.fill(0);
    for (let k = first; k < errors.length; k += step) {
      const error = errors[k]! * sign;
      if (error > 0) buckets[Math.min(Math.floor(2 * error * BUCKETS), BUCKETS - 1)]!++;
    }
    let [bucket, found] = [BUCKETS, 0];
    while (bucket > 0 && found < wanted) found += buckets[--bucket]!;
    return Math.max(bucket / BUCKETS / 2, 1e-9);
  }
}
