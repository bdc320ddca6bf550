// How many outputs are far off: errors are large where inputs are, and these are not the same everywhere.
// SPDX-License-Identifier: MIT
import { shareAbove, shareBeyond } from "./normal.ts";

/** How a tensor's deviations are spread over its pixels. */
export interface Unevenness {
  /** Shares of the pixels; they add up to 1. */
  shares: readonly number[];
  /** Square of their values' deviation for each one of the whole tensor. */
  variances: readonly number[];
}

/** Share of outputs that may be expected outside of a bound where inputs are not known from pictures. */
export const HARDLY_ANY = 5.7e-7;

/** All pixels are alike. */
export const EVEN: Unevenness = { shares: [1], variances: [1] };

const SHARE_STEP = 1 / 64;
const SHARES = 256;

/** What deviations of an error mean for single outputs. */
export class ErrorTail {
  private readonly beyond = new Float64Array(SHARES + 1);

  constructor(private readonly spread: Unevenness) {
    for (let i = 1; i <= SHARES; i++) this.beyond[i] = this.shareBeyondOne(i * SHARE_STEP);
  }

  /** Share of outputs that are more than one step off, for a deviation in output steps. */
  shareBeyondOne(deviation: number): number {
    return this.sum((share, scale) => share * shareBeyond(1, scale * deviation));
  }

  /** Largest deviation with which at most that share is more than one step off. */
  deviationFor(most: number): number {
    if (!(most < 1)) return Infinity;
    // Shares rise with the deviation.
    let [low, high] = [0, SHARES + 1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.beyond[middle]! > most) high = middle;
      else low = middle;
    }
    return low === SHARES ? Infinity : low * SHARE_STEP;
  }

  /**
   * Deviations that a bound has to cover.
   * @param most share of outputs that may be expected outside of it
   */
  sigmas(most: number): number {
    let [low, high] = [0, 64];
    while (high - low > 1e-4) {
      const middle = (low + high) / 2;
      if (this.sum((share, scale) => 2 * share * shareAbove(middle / scale)) > most) low = middle;
      else high = middle;
    }
    return high;
  }

  private sum(of: (share: number, scale: number) => number): number {
    const { shares, variances } = this.spread;
    let sum = 0;
    for (const [i, share] of shares.entries())
      if (share > 0) sum += of(share, Math.max(Math.sqrt(variances[i]!), 1e-3));
    return sum;
  }
}
