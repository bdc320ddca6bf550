// The output stage of an NN job fitted to TFLite's: bias, multiplier and zero point for which the hardware's one rounding
// gives TFLite's bytes for as many accumulators as possible.
// SPDX-License-Identifier: MIT
import { NnJob } from "../../assembly/abi.ts";
import type { NnRecord } from "../jobs.ts";
import { floatBits } from "../lower-shared.ts";

/** What an output stage must compute: a function of the accumulator that rises by steps. */
export interface Steps {
  /** Stored output byte (signed tensors + 128) that stands for 0, where an accumulator of 0 leads without rounding. */
  zeroPoint: number;
  /** Output byte below all steps. */
  lowest: number;
  /** Smallest accumulator that gives at least `lowest + 1 + i`. */
  thresholds: Float64Array;
  /** Output steps for each accumulator step. */
  factor: number;
}

/** An output stage as the hardware has it. */
export interface OutputStage {
  /** Post multiplication, exactly encodable. */
  factor: number;
  /** Added to every bias. */
  offset: number;
  /** Stored output zero point: not the tensor's when bias and zero point are moved together. */
  zeroPoint: number;
}

export interface StageLimits {
  multiplierBits: number;
  maxFactor: number;
  /** The zero point must stay the tensor's, because something clamps there. */
  fixedZeroPoint: boolean;
  /** Largest absolute value that may be added to a bias. */
  maxOffset: number;
}

/**
 * Outputs far from the zero point are rarer. Their share of a layer's outputs as guessed here only matters when no stage
 * agrees with TFLite for all accumulators.
 */
const shareOf = (distance: number): number => Math.exp(-distance / 24) + 0.02;

/** Candidates that are counted exactly, for each multiplier. */
const FINALISTS = 3;

/**
 * The best stage, or null when no candidate is any better than rounding once with the unchanged bias.
 *
 * The hardware computes round((acc + offset) * factor) + zeroPoint. A zero point lower by j and a bias higher by
 * j / factor, rounded, are no change but for that rounding: 256 choices of j shift all steps by 256 different fractions of an
 * accumulator step, among which is nearly always one that puts every step on the same side of the same integers as TFLite.
 */
export function fitOutputStage(steps: Steps, limits: StageLimits): OutputStage | null {
  const { thresholds, lowest, zeroPoint } = steps;
  const shares = thresholds.map((_, i) => shareOf(Math.abs(lowest + 1 + i - zeroPoint)));
  const agreement = new Agreement(steps, shares);
  const factors = factorCandidates(steps, limits);
  let best: OutputStage | null = null;
  let least = mismatch(steps, shares, { factor: factors[0]!, offset: 0, zeroPoint });
  for (const factor of factors) {
    if (least === 0) break;
    agreement.startFactor(factor);
    for (const stage of finalists(steps, agreement, factor, limits)) {
      const cost = mismatch(steps, shares, stage);
      if (cost < least) [best, least] = [stage, cost];
    }
  }
  return best;
}

/** Members of a job's record that say what the stage is. */
export function stageRecord({ factor, zeroPoint }: OutputStage): NnRecord {
  return {
    [NnJob.IN_SCALE]: floatBits(factor),
    [NnJob.WEIGHT_SCALE]: floatBits(1),
    [NnJob.OUT_SCALE]: floatBits(1),
    [NnJob.OUT_ZP]: zeroPoint,
  };
}

/** Share of accumulators, weighted by how likely they are, that the stage turns into another byte than the steps want. */
function mismatch(steps: Steps, shares: Float64Array, stage: OutputStage): number {
  const { thresholds, lowest } = steps;
  let cost = 0;
  for (let i = 0; i < thresholds.length; i++) {
    const level = lowest + 1 + i - stage.zeroPoint;
    cost += shares[i]! * Math.abs(firstReaching(level, stage) - thresholds[i]!);
  }
  return cost;
}

/** Smallest accumulator that the hardware rounds to at least `level`; ties go to the even side. */
function firstReaching(level: number, { factor, offset }: OutputStage): number {
  // The factor has 24 bits at most, so a quotient below 2^28 that is no whole number is far enough from one.
  const edge = (level - 0.5) / factor;
  const first = Math.ceil(edge);
  return (first === edge && (level & 1) !== 0 ? first + 1 : first) - offset;
}

/** The nearest number with so many bits. */
function encodable(value: number, bits: number): number {
  const unit = 2 ** (Math.floor(Math.log2(value)) + 1 - bits);
  return Math.round(value / unit) * unit;
}

/** Encodable factors to try on either side of the nearest one. */
const NEIGHBOURS = 24;

/** Output distances at which a slightly larger factor makes up for steps that are nearer to zero on both sides of it. */
const PIVOTS = [12, 24, 48, 96, 192];

/** Factors to try, the nearest to the wanted one first. */
function factorCandidates(steps: Steps, { multiplierBits, maxFactor }: StageLimits): number[] {
  const nearest = encodable(steps.factor, multiplierBits);
  const unit = 2 ** (Math.floor(Math.log2(steps.factor)) + 1 - multiplierBits);
  const wanted = [nearest];
  // Steps on both sides of zero never all agree.
  const isRectified = steps.lowest >= steps.zeroPoint;
  // Far ones make the last step miss by more than a whole accumulator step.
  for (let i = 1; i <= NEIGHBOURS && (i * unit * 255) / steps.factor ** 2 < 1; i++)
    if (isRectified || i === 1) wanted.push(nearest - i * unit, nearest + i * unit);
  if (!isRectified)
    for (const pivot of PIVOTS)
      wanted.push(encodable(steps.factor * (1 + steps.factor / pivot), multiplierBits));
  return [...new Set(wanted)].filter((factor) => factor > 0 && factor < maxFactor);
}

/** Bias and zero point for a factor: those that agree at most steps as far as real numbers say, the best first. */
function finalists(
  steps: Steps,
  agreement: Agreement,
  factor: number,
  limits: StageLimits,
): OutputStage[] {
  const found: Array<{ stage: OutputStage; share: number }> = [];
  const consider = (zeroPoint: number): void => {
    const base = (steps.zeroPoint - zeroPoint - 0.5) / factor;
    const middle = Math.round(base - agreement.best);
    for (let offset = middle - 1; offset <= middle + 1; offset++) {
      const share = agreement.at(base - offset);
      if (found.length === FINALISTS && share <= found.at(-1)!.share) continue;
      if (Math.abs(offset) > limits.maxOffset) continue;
      const place = found.findIndex((other) => other.share < share);
      found.splice(place < 0 ? found.length : place, 0, {
        stage: { factor, offset, zeroPoint },
        share,
      });
      found.length = Math.min(found.length, FINALISTS);
    }
  };
  // The tensor's own zero point first: of equally good stages it is the plainest.
  consider(steps.zeroPoint);
  if (!limits.fixedZeroPoint)
    for (let zeroPoint = 0; zeroPoint < 256; zeroPoint++)
      if (zeroPoint !== steps.zeroPoint) consider(zeroPoint);
  return found.map(({ stage }) => stage);
}

/**
 * How many steps agree when the constant part of the hardware's thresholds, (zp - zeroPoint - 1/2) / factor - offset, has a
 * value: each step does in an interval of length 1.
 */
class Agreement {
  /** Where a maximum is. */
  best = 0;
  /** Upper ends of the intervals, sorted, which steps they belong to, and the sum of the shares before each. */
  private readonly ends: Float64Array;
  private readonly order: Uint8Array;
  private readonly sums: Float64Array;

  constructor(
    private readonly steps: Steps,
    private readonly shares: Float64Array,
  ) {
    this.ends = new Float64Array(shares.length);
    this.order = Uint8Array.from(shares, (_, i) => i);
    this.sums = new Float64Array(shares.length + 1);
  }

  startFactor(factor: number): void {
    const { thresholds, lowest, zeroPoint } = this.steps;
    const { order, ends, sums } = this;
    // Factors that follow each other are near each other, so the old order is nearly right: insertion is the fastest sort.
    for (let place = 0; place < order.length; place++) {
      const step = order[place]!;
      const end = thresholds[step]! - (lowest + 1 + step - zeroPoint) / factor;
      let at = place;
      for (; at > 0 && ends[at - 1]! > end; at--) {
        ends[at] = ends[at - 1]!;
        order[at] = order[at - 1]!;
      }
      ends[at] = end;
      order[at] = step;
    }
    order.forEach((step, i) => (sums[i + 1] = sums[i]! + this.shares[step]!));
    this.best = ends.reduce((best, end) => (this.at(end) > this.at(best) ? end : best), ends[0]!);
  }

  /** Share of the steps that agree. */
  at(constant: number): number {
    return this.below(constant + 1) - this.below(constant);
  }

  private below(value: number): number {
    let [low, high] = [0, this.ends.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.ends[middle]! < value) low = middle + 1;
      else high = middle;
    }
    return this.sums[low]!;
  }
}
