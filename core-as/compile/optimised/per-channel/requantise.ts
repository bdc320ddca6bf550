// Weights of one channel at another scale, rounded so that the error of the sum is least for the inputs that are expected.
// SPDX-License-Identifier: MIT
import { mixed } from "./input-model.ts";

/** Input values of a kernel's planes, without their zero point. */
export interface PlaneMoments {
  /** By plane of the kernel. */
  mean: ArrayLike<number>;
  deviation: ArrayLike<number>;
  least: number;
  most: number;
  /** See Moments. */
  correlation: number | null;
}

export interface KernelShape {
  planes: number;
  taps: number;
  /** Taps outside of the image: their share, and that of the outputs where there are some. */
  border: { outside: number; share: number };
}

/** Whole weights of a channel, and what they make of the sum of products; in steps of the new accumulator. */
export interface Requantised {
  /** Sum over k of (weight - wanted) * mean(k): what the bias takes back. */
  centre: number;
  /** Standard deviation of the error around `centre`. */
  deviation: number;
  /** The same where it is worst, at the border of a padded image. */
  extreme: number;
  /** Largest error around `centre` that any input within its range can cause. */
  largest: number;
}

/**
 * How far expected means are off, as a share of the deviations: a sum of weight errors costs that much. Where it costs more than
 * rounding a weight the other way, that is done.
 */
const DOUBT = 0.5;

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
): { first: Requantised; left: Requantised } {
  const length = shape.planes * shape.taps;
  const errors = new Float64Array(length);
  const left = new Float64Array(length);
  for (let k = 0; k < length; k++) {
    const wanted = row[k]! * ratio;
    result[k] = Math.min(Math.max(Math.round(wanted), -128), 127);
    errors[k] = result[k]! - wanted;
    rest[k] = Math.min(Math.max(Math.round(-errors[k]! * REMAINDER_STEPS), -128), 127);
    left[k] = errors[k]! + rest[k]! / REMAINDER_STEPS;
  }
  return { first: errorsOf(errors, shape, inputs), left: errorsOf(left, shape, inputs) };
}

/**
 * Rounds `ratio` times the weights to whole numbers.
 * @param row weights tap by tap, planes innermost
 * @param copies times that each input plane is supplied: limits are those of so many bytes
 * @param result receives the whole weights
 */
export function requantiseChannel(
  row: ArrayLike<number>,
  ratio: number,
  copies: number,
  { planes, taps, border }: KernelShape,
  inputs: PlaneMoments,
  result: Int16Array,
): Requantised {
  const length = planes * taps;
  const errors = new Float64Array(length);
  const [lowest, highest] = [-128 * copies, 127 * copies];
  for (let k = 0; k < length; k++) {
    const wanted = row[k]! * ratio;
    const whole = Math.min(Math.max(Math.round(wanted), lowest), highest);
    result[k] = whole;
    errors[k] = whole - wanted;
  }
  const flips = new Flips(errors, result, lowest, highest);
  // Neighbouring pixels are alike, so errors of one plane's taps add up.
  if (taps > 1) for (let z = 0; z < planes; z++) flips.balance(z, planes, 1);
  flips.balance(0, 1, DOUBT ** 2);
  return errorsOf(errors, { planes, taps, border }, inputs);
}

/** Rounds weights the other way, those first whose error changes least. */
class Flips {
  private readonly buckets = new Int32Array(BUCKETS);

  constructor(
    private readonly errors: Float64Array,
    private readonly weights: Int16Array,
    private readonly lowest: number,
    private readonly highest: number,
  ) {}

  /**
   * Makes the sum of the errors from `first` on, every `step`-th, small.
   * @param cost of the squared sum, where that of an error's square is 1
   */
  balance(first: number, step: number, cost: number): void {
    const { errors, weights, lowest, highest } = this;
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
      if (flipped < lowest || flipped > highest) continue;
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

/** What weight errors do to a sum of products. */
function errorsOf(
  errors: Float64Array,
  { planes, taps, border }: KernelShape,
  { mean, deviation, least, most, correlation }: PlaneMoments,
): Requantised {
  let [centre, white, smooth, missing, total, spread] = [0, 0, 0, 0, 0, 0];
  let [low, high] = [0, 0];
  for (let z = 0; z < planes; z++) {
    const variance = deviation[z]! ** 2;
    let [sum, squares] = [0, 0];
    for (let tap = 0; tap < taps; tap++) {
      const error = errors[tap * planes + z]!;
      sum += error;
      squares += error * error;
      low += Math.min(error * least, error * most);
      high += Math.max(error * least, error * most);
    }
    centre += sum * mean[z]!;
    white += squares * variance;
    smooth += sum * sum * variance;
    missing += squares * mean[z]! ** 2;
    total += sum;
    spread += variance;
  }
  const doubt = (total * DOUBT) ** 2 * (spread / Math.max(planes, 1));
  const inner = mixed(white, smooth, correlation) + doubt;
  const { outside, share } = border;
  // Taps outside of the image add nothing, not even what the bias takes back for them.
  const edge = Math.max(inner, (1 - outside) * inner + outside * missing);
  if (share > 0) [low, high] = [Math.min(low, 0), Math.max(high, 0)];
  return {
    centre,
    deviation: Math.sqrt((1 - share) * inner + share * edge),
    extreme: Math.sqrt(share > 0 ? edge : inner),
    largest: Math.max(centre - low, high - centre),
  };
}
