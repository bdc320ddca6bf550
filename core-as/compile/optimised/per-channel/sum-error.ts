// What errors of weights do to a sum of products, for the inputs that are expected.
// SPDX-License-Identifier: MIT
import type { BorderCase } from "./border.ts";
import { dot, type Directions } from "./directions.ts";
import { PixelVariance } from "./input-model.ts";

/** Input values of a kernel's planes, without their zero point. */
export interface PlaneMoments {
  /** By plane of the kernel. */
  mean: ArrayLike<number>;
  deviation: ArrayLike<number>;
  least: number;
  most: number;
  /** See Moments; by plane of the kernel. */
  correlation: ArrayLike<number> | null;
  directions: Directions | null;
}

export interface KernelShape {
  planes: number;
  taps: number;
  border: readonly BoundedCase[];
}

export interface BoundedCase extends BorderCase {
  /** Deviations that a bound covers for these outputs. */
  sigmas: number;
}

/** What weights that are off make of a sum of products; in steps of its accumulator. */
export interface SumError {
  /** Sum over k of (weight - wanted) * mean(k): what the bias takes back. */
  centre: number;
  /** Standard deviation of the error around `centre`, over all outputs. */
  deviation: number;
  /** What a bound has to cover where it is worst, at the border of a padded image. */
  reach: number;
  /** Largest error around `centre` that any input within its range can cause. */
  largest: number;
}

/**
 * How far expected means are off, as a share of the deviations: a sum of weight errors costs that much. Where it costs more than
 * rounding a weight the other way, that is done.
 */
export const DOUBT = 0.5;

/** Directions of a pointwise kernel's planes, as far as they are known. */
export function directionsFor(
  { planes, taps }: Pick<KernelShape, "planes" | "taps">,
  { directions }: Pick<PlaneMoments, "directions">,
): Directions | null {
  return taps === 1 && directions?.residual.length === planes ? directions : null;
}

/**
 * The error of a sum.
 * @param errors of the weights, tap by tap, planes innermost
 * @param others variance that something else adds everywhere
 */
export function sumError(
  errors: ArrayLike<number>,
  shape: KernelShape,
  inputs: PlaneMoments,
  others = 0,
): SumError {
  const { planes, taps, border } = shape;
  const { mean, deviation, least, most, correlation } = inputs;
  const directions = directionsFor(shape, inputs);
  const own = directions?.residual ?? deviation;
  let [along, peaks] = [0, 0];
  directions?.vectors.forEach((vector, k) => {
    const sum = dot(errors, vector);
    along += directions.squares[k]! * sum ** 2;
    peaks += directions.largest[k]! * Math.abs(sum);
  });
  let [centre, low, high, spread] = [0, 0, 0, 0];
  for (let z = 0; z < planes; z++) {
    spread += deviation[z]! ** 2;
    for (let k = z; k < planes * taps; k += planes) {
      const error = errors[k]!;
      centre += error * mean[z]!;
      low += Math.min(error * least, error * most);
      high += Math.max(error * least, error * most);
    }
  }
  if (border.length > 1) [low, high] = [Math.min(low, 0), Math.max(high, 0)];
  let [squares, reach] = [0, 0];
  for (const { present, share, sigmas } of border) {
    const sums = new PixelVariance(correlation);
    // Taps outside of the image add nothing, not even what the bias takes back for them.
    let [total, missing] = [0, 0];
    for (let z = 0; z < planes; z++) {
      const variance = own[z]! ** 2;
      let [sum, square] = [0, 0];
      for (let tap = 0; tap < taps; tap++) {
        const error = errors[tap * planes + z]!;
        if (present[tap] === 0) missing += error * mean[z]!;
        else {
          sum += error;
          square += error * error;
        }
      }
      sums.add(z, square * variance, sum * sum * variance);
      total += sum;
    }
    const doubt = (total * DOUBT) ** 2 * (spread / Math.max(planes, 1));
    const variance = sums.total + doubt + others;
    squares += share * (variance + along + missing ** 2);
    reach = Math.max(reach, sigmas * Math.sqrt(variance) + peaks + Math.abs(missing));
  }
  return {
    centre,
    deviation: Math.sqrt(squares),
    reach,
    largest: Math.max(centre - low, high - centre),
  };
}

/** Rounding errors of a kernel, and what changing some of them does. */
export class KernelErrors {
  /** By border case and plane, of the taps that are present. */
  private readonly sums: Float64Array;
  private readonly squares: Float64Array;
  /** By border case: sums of the errors of absent taps, each by its plane's mean. */
  private readonly missing: Float64Array;
  /** By plane. */
  private readonly variances: Float64Array;
  private readonly spread: number;

  constructor(
    private readonly errors: Float64Array,
    private readonly shape: KernelShape,
    private readonly inputs: PlaneMoments,
  ) {
    const { planes, border } = shape;
    this.sums = new Float64Array(border.length * planes);
    this.squares = new Float64Array(border.length * planes);
    this.missing = new Float64Array(border.length);
    this.variances = Float64Array.from({ length: planes }, (_, z) => inputs.deviation[z]! ** 2);
    this.spread = this.variances.reduce((sum, variance) => sum + variance, 0) / planes;
    for (let k = 0; k < errors.length; k++) this.replace(k, 0, errors[k]!);
  }

  /** Makes the error of a weight another one. */
  change(weight: number, by: number): void {
    const before = this.errors[weight]!;
    this.errors[weight] = before + by;
    this.replace(weight, before, before + by);
  }

  /** SumError.reach. */
  get reach(): number {
    const { shape, variances, inputs } = this;
    const { planes, border } = shape;
    let most = 0;
    for (let k = 0; k < border.length; k++) {
      const sums = new PixelVariance(inputs.correlation);
      let total = 0;
      for (let z = 0; z < planes; z++) {
        const sum = this.sums[k * planes + z]!;
        const variance = variances[z]!;
        sums.add(z, this.squares[k * planes + z]! * variance, sum * sum * variance);
        total += sum;
      }
      const doubt = (total * DOUBT) ** 2 * this.spread;
      const { sigmas } = border[k]!;
      const own = sigmas * Math.sqrt(Math.max(0, sums.total + doubt));
      most = Math.max(most, own + Math.abs(this.missing[k]!));
    }
    return most;
  }

  private replace(weight: number, before: number, after: number): void {
    const { sums, squares, missing } = this;
    const { planes, border } = this.shape;
    const z = weight % planes;
    const tap = (weight - z) / planes;
    for (let k = 0, at = z; k < border.length; k++, at += planes)
      if (border[k]!.present[tap] === 0) {
        const mean = this.inputs.mean[z]!;
        missing[k] = missing[k]! - before * mean + after * mean;
      } else {
        sums[at] = sums[at]! - before + after;
        squares[at] = squares[at]! - before * before + after * after;
      }
  }
}
