// What an accuracy allows a channel's error to be, and what errors a common multiplier causes; all in output steps.
// SPDX-License-Identifier: MIT
import type { Chip } from "../../../hw/chips.ts";
import type { Accuracy } from "../../options.ts";
import type { ErrorTail } from "./tail.ts";

export interface Budget {
  /** Bound that errors before rounding must not exceed. */
  largest: number;
  /** Outputs of a channel that may be expected outside of that bound, in one picture, in a layer of so many channels. */
  outside(channels: number): number;
  /** Share of a layer's outputs that may be more than one step off. */
  beyondOne: number;
  /** The same of a single channel: others are better, mostly. */
  beyondInChannel: number;
}

/** An output is within n of TFLite's when the error before rounding is at most n. */
const BUDGETS: Readonly<Record<Accuracy, Omit<Budget, "outside">>> = {
  exact: { largest: 1, beyondOne: 1, beyondInChannel: 1 },
  balanced: { largest: 3, beyondOne: 0.008, beyondInChannel: 0.05 },
  fast: { largest: Infinity, beyondOne: 1, beyondInChannel: 1 },
};

/**
 * By core version: as few as what an accuracy may cost leaves room for (docs/accuracy.md); the same plan costs less on version 7. Where
 * room is short, layers of many channels give way: all of their outputs together are far more.
 */
const OUTSIDE: Readonly<Record<Accuracy, Record<Chip["nnCoreVersion"], Budget["outside"]>>> = {
  exact: { 7: () => 0.01, 8: (channels) => 0.65 / Math.sqrt(channels) },
  balanced: { 7: () => 0.17, 8: () => 0.2035 },
  fast: { 7: () => 0.1, 8: () => 0.1 },
};

export function budgetOf(accuracy: Accuracy, { nnCoreVersion }: Chip): Budget {
  return { ...BUDGETS[accuracy], outside: OUTSIDE[accuracy][nnCoreVersion] };
}

/** A channel as grouping sees it. */
export interface ChannelDemand {
  /** Output steps for each step of TFLite's accumulator. */
  factor: number;
  /** Multiplier with which all weights fit a byte and none is rounded; about the smallest of those. */
  floor: number;
  /** Multipliers, about, up to which rounded weights stay inside the budget. */
  ceiling: Record<Rounding, number>;
  /** Share of the outputs that no end of the output's range hides. */
  seen: number;
  /** Accumulator steps that a step of a remainder must stand for, so that its byte holds the error of rounded weights. */
  remainder: number;
}

/** What weights are rounded to: whole numbers, or parts of a step (supply.ts). */
export type Rounding = "whole" | "fractions";

export class ErrorBudget {
  constructor(private readonly budget: Budget) {}

  /** The same for layers in which too many channels make use of what one may. */
  get even(): ErrorBudget {
    return new ErrorBudget({ ...this.budget, beyondInChannel: this.budget.beyondOne });
  }

  /**
   * Whether a layer has too many outputs that are more than one step off.
   * @param beyond share of its outputs; only asked for where it matters
   */
  isExceeded(beyond: () => number): boolean {
    return this.budget.beyondOne < 1 && beyond() > this.budget.beyondOne * (1 + 1e-9);
  }

  get largest(): number {
    return this.budget.largest;
  }

  /** See Budget. */
  outside(channels: number): number {
    return this.budget.outside(channels);
  }

  /**
   * The multiplier up to which errors of a sum stay inside, about.
   * @param deviation of the sum, in accumulator steps
   * @param sigmas deviations that its bound covers
   */
  ceiling(
    { factor, seen }: Pick<ChannelDemand, "factor" | "seen">,
    deviation: number,
    { tail, sigmas }: { tail: ErrorTail; sigmas: number },
  ): number {
    const bounded = (this.budget.largest - factor) / (sigmas * deviation + 0.5);
    const shared = tail.deviationFor(this.budget.beyondInChannel / seen);
    return Math.max(0, Math.min(bounded, shared / deviation));
  }

  /**
   * Whether a channel's errors are allowed.
   * @param seen see ChannelDemand
   */
  allows({ bound, beyond }: { bound: number; beyond: number }, seen: number): boolean {
    return bound <= this.budget.largest && beyond * seen <= this.budget.beyondInChannel;
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
}

/** Bytes on either side of a remainder's zero point. */
export const REMAINDER_RANGE = 127;
/** Deviations that a remainder's byte holds, for each one that a bound covers. */
const REMAINDER_REACH = 1.6;
export const MAX_REMAINDER = 127;

/** See ChannelDemand.remainder; Infinity when no weight is large enough. */
export function remainderOf(rounding: number, sigmas: number): number {
  const reach = REMAINDER_REACH * sigmas * rounding;
  const wanted = Math.max(1, Math.ceil(reach / REMAINDER_RANGE));
  return wanted <= MAX_REMAINDER ? wanted : Infinity;
}
