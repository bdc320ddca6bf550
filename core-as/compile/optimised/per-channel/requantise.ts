// Weights of one channel at another scale, rounded so that the error of the sum is least for the inputs that are expected.
// SPDX-License-Identifier: MIT
import { PixelVariance } from "./input-model.ts";
import {
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
const ROUNDED = 1 / 12;

/** Parts of a step: finer ones than the last have larger errors of the second supply for any input. */
const PARTS = [4, 8, 16];

/** Variance that weights with so many parts of a step are expected to add to a sum, each, when their inputs have this variance. */
export function partsVariance(parts: number, variance: number): number {
  // Weights for the second supply are any number up to half of the parts, and that supply is rounded.
  return (ROUNDED / parts ** 2) * variance + ROUNDED * parts ** 2 * ROUNDED;
}

/** The parts of a step with which rounding costs least, for inputs of this variance. */
export function bestParts(variance: number): number {
  return PARTS.reduce((best, parts) =>
    partsVariance(parts, variance) < partsVariance(best, variance) ? parts : best,
  );
}

/** The second supply of the inputs. */
export interface Supply {
  /** How many make a step. */
  parts: number;
  /** Largest error of a value, in the supply's steps. */
  largest: number;
}

/**
 * Rounds `ratio` times the weights to parts of a step: whole numbers, and weights for a second supply of the inputs, which holds that
 * part of them, rounded.
 * @param row weights tap by tap, planes innermost
 * @param result receives the whole weights
 * @param fractions receives the weights for the second supply
 */
export function requantiseInParts(
  row: ArrayLike<number>,
  ratio: number,
  { parts, largest: supplyError }: Supply,
  shape: KernelShape,
  inputs: PlaneMoments,
  result: Int16Array,
  fractions: Int16Array,
): SumError {
  const { planes, taps } = shape;
  const errors = new Float64Array(planes * taps);
  let largest = 0;
  const supply = new PixelVariance(inputs.correlation);
  for (let z = 0; z < planes; z++) {
    let [sum, squares] = [0, 0];
    for (let k = z; k < errors.length; k += planes) {
      const wanted = row[k]! * ratio;
      const whole = Math.min(Math.max(Math.round(wanted), LOWEST), HIGHEST);
      const part = Math.round((wanted - whole) * parts);
      [result[k], fractions[k]] = [whole, part];
      errors[k] = whole + part / parts - wanted;
      sum += part;
      squares += part * part;
      largest += Math.abs(part) * supplyError;
    }
    supply.add(z, ROUNDED * squares, ROUNDED * sum * sum);
  }
  const made = sumError(errors, shape, inputs);
  return {
    centre: made.centre,
    deviation: Math.sqrt(made.deviation ** 2 + supply.total),
    extreme: Math.sqrt(made.extreme ** 2 + supply.total),
    largest: made.largest + largest,
  };
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
  if (taps > 1 && length <= FEW_WEIGHTS)
    roundTogether(errors, result, new KernelErrors(errors, shape, inputs));
  else {
    const flips = new Flips(errors, result);
    // Neighbouring pixels are alike, so errors of one plane's taps add up.
    if (taps > 1) for (let z = 0; z < planes; z++) flips.balance(z, planes, 1);
    flips.balance(0, 1, DOUBT ** 2);
  }
  return sumError(errors, shape, inputs);
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
  let least = kernel.extreme;
  /** Changes one weight, or two, if that helps. */
  const improve = (inPairs: boolean): boolean => {
    let best: [number, number] | null = null;
    for (let first = 0; first < length; first++) {
      if (!flip(first)) continue;
      for (let second = first; second < (inPairs ? length : first + 1); second++) {
        if (second !== first && !flip(second)) continue;
        const { extreme } = kernel;
        // Rounding errors of the sums must not keep this going.
        if (extreme < least * (1 - 1e-9)) [least, best] = [extreme, [first, second]];
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
