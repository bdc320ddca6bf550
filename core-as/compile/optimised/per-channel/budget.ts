// What an accuracy allows a channel's error to be, and what errors a common multiplier causes; all in output steps.
// SPDX-License-Identifier: MIT
import type { Accuracy } from "../../options.ts";
import { shareBeyond } from "./normal.ts";

export interface Budget {
  /** Error before rounding that SIGMAS deviations must not exceed. */
  largest: number;
  /** Share of a channel's outputs that may be more than one step off. */
  beyondOne: number;
}

/** Deviations that a bound covers: one output in two million of a normal distribution lies outside, and not by much. */
export const SIGMAS = 5;

/** An output is within n of TFLite's when the error before rounding is at most n. */
export const BUDGETS: Readonly<Record<Accuracy, Budget>> = {
  exact: { largest: 1, beyondOne: 1 },
  balanced: { largest: 3, beyondOne: 0.008 },
  fast: { largest: Infinity, beyondOne: 1 },
};

/** A channel as grouping sees it. */
export interface ChannelDemand {
  /** Output steps for each step of TFLite's accumulator. */
  factor: number;
  /** Smallest multiplier with which all weights fit a byte. */
  floor: number;
  /** Deviation of the sum when weights are rounded, in accumulator steps: the multiplier times this is that of the output. */
  rounding: number;
  /** The same where it is worst, at the border of a padded image. */
  extreme: number;
  /** Share of the outputs that no end of the output's range hides. */
  seen: number;
  /** Largest multiplier with which rounded weights stay inside the budget, however they are rounded. */
  ceiling: number;
  /** Accumulator steps that a step of a remainder must stand for, so that its byte holds the error of rounded weights. */
  remainder: number;
  /** Deviation of the whole sum in TFLite's accumulator steps: an error of the factor is a share of it. */
  signal: number;
}

/** A share by which a channel's factor may be off costs at most this many steps, at the far end of the output's range. */
const reachOf = (zeroPoint: number, lowest: number): number =>
  Math.max(255 - zeroPoint, zeroPoint - lowest);

export class ErrorBudget {
  private readonly reach: number;

  constructor(
    private readonly budget: Budget,
    zeroPoint: number,
    lowest: number,
  ) {
    this.reach = reachOf(zeroPoint, lowest);
  }

  /** See ChannelDemand. */
  ceiling(demand: Pick<ChannelDemand, "factor" | "rounding" | "extreme" | "seen">): number {
    const { factor, rounding, extreme } = demand;
    const bounded = (this.budget.largest - factor) / (SIGMAS * extreme + 0.5);
    return Math.max(0, Math.min(bounded, this.deviation(demand) / rounding));
  }

  /** Whether a channel's error stays inside when it shares this multiplier. */
  allows(demand: ChannelDemand, multiplier: number): boolean {
    const { factor, rounding, extreme, signal, ceiling } = demand;
    if (multiplier <= ceiling) return true;
    const { largest } = this.budget;
    const ratio = factor / multiplier;
    const whole = Math.round(ratio);
    const distance = Math.abs(ratio - whole);
    if (distance * multiplier * 255 * 128 < 1e-6) return true;
    const gained = distance * signal;
    const isGain = gained < rounding;
    const error = multiplier * Math.min(gained, rounding);
    if (error > this.deviation(demand)) return false;
    // TFLite's second rounding, and that of the bias.
    const rest = isGain && whole > 0 ? multiplier / 2 : multiplier / 2 + factor;
    const worst = isGain ? error : multiplier * extreme;
    if (SIGMAS * worst + rest > largest) return false;
    // What is proportional to the output is known at its far end, however the inputs conspire.
    return !isGain || whole === 0 || (distance / ratio) * this.reach <= 0.9 * largest;
  }

  /**
   * Whether channels whose rounded weights have their remainder added stay inside.
   * @param remainder accumulator steps of a step of the remainder
   * @param factor largest of the channels
   */
  allowsRemainder(remainder: number, factor: number, multiplier: number): boolean {
    const { largest } = this.budget;
    return multiplier * (remainder / 2 + 0.6) + factor <= 0.95 * Math.min(largest, 1);
  }

  /** Largest deviation that leaves as many outputs within one step as it must. */
  private deviation({ seen }: Pick<ChannelDemand, "seen">): number {
    const most = this.budget.beyondOne / seen;
    if (!(most < 1)) return Infinity;
    // Shares rise with the deviation.
    let [low, high] = [0, SHARES_BEYOND.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (SHARES_BEYOND[middle]! > most) high = middle;
      else low = middle + 1;
    }
    return low === SHARES_BEYOND.length ? Infinity : low * SHARE_STEP;
  }
}

/** Bytes on either side of a remainder's zero point. */
export const REMAINDER_RANGE = 127;
/** Deviations that a remainder's byte holds. */
const REMAINDER_SIGMAS = 8;
export const MAX_REMAINDER = 127;

/** See ChannelDemand.remainder; Infinity when no weight is large enough. */
export function remainderOf(rounding: number): number {
  const wanted = Math.max(1, Math.ceil((REMAINDER_SIGMAS * rounding) / REMAINDER_RANGE));
  return wanted <= MAX_REMAINDER ? wanted : Infinity;
}

/** Shares of outputs that are more than one step off, by deviation. */
const SHARE_STEP = 1 / 64;
const SHARES_BEYOND = Float64Array.from({ length: 256 }, (_, i) =>
  shareBeyond(1, (i + 1) * SHARE_STEP),
);
