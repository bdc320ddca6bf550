// Which channels share a job: runs of an order of channels, each with one multiplier, for the least predicted time.
// SPDX-License-Identifier: MIT
import type { ChannelDemand, ErrorBudget } from "./budget.ts";

/** Channels that stay together: one, or all that a plane of a depthwise convolution has. */
export interface ChannelItem {
  /** Largest of its channels. */
  floor: number;
  /** Smallest of its channels. */
  ceiling: number;
  demands: readonly ChannelDemand[];
}

/** Items that one job computes. */
export interface ChannelGroup {
  /** Range of the order. */
  first: number;
  count: number;
  /** Times that each input plane is supplied: weights then have so many bytes to be shared out over. */
  copies: number;
  /**
   * Another job computes what rounding the weights leaves, and this one reads it with so much weight: 0 = there is none.
   */
  remainder: number;
  /** Output steps for each accumulator step. */
  multiplier: number;
}

/** Predicted milliseconds of a group's job; the first place is where it really begins. */
export type GroupCost = (group: Omit<ChannelGroup, "multiplier">) => number;

export interface GroupingLimits {
  /** The multiplier must be less (spec/hardware.md 7). */
  maxFactor: number;
  /** Numbers of copies to try, smallest first. */
  copies: readonly number[];
  /** Remainders lie beside the input's planes, so they must have their sides. */
  remainders: boolean;
}

/** Smallest multiplier: what is below moves no output, and accumulators must not overflow. */
export const LEAST_MULTIPLIER = 2 ** -19;

/**
 * An order in which few groups suffice: the channels with the largest factors last, each before what fits its multiplier.
 */
export function orderByScale(items: readonly ChannelItem[], budget: ErrorBudget): number[] {
  let left = [...items.keys()].sort((a, b) => items[b]!.floor - items[a]!.floor || a - b);
  const order: number[] = [];
  while (left.length > 0) {
    const multiplier = Math.max(items[left[0]!]!.floor, LEAST_MULTIPLIER);
    const others: number[] = [];
    for (const [i, item] of left.entries())
      (i === 0 || fits(items[item]!, budget, multiplier) ? order : others).push(item);
    left = others;
  }
  return order.reverse();
}

const fits = (item: ChannelItem, budget: ErrorBudget, multiplier: number): boolean =>
  multiplier <= item.ceiling || item.demands.every((demand) => budget.allows(demand, multiplier));

/** Places of an order, about, where groups may end that could be longer. */
const PLACES = 24;

interface Best {
  ms: number;
  group: ChannelGroup | null;
}

/**
 * The cheapest groups, or null when a channel fits no job.
 * @param items in the order of the groups
 * @param isOwn the order suits these items: groups may end anywhere, else at few places
 */
export function groupChannels(
  items: readonly ChannelItem[],
  budget: ErrorBudget,
  cost: GroupCost,
  limits: GroupingLimits,
  isOwn: boolean,
): { groups: ChannelGroup[]; ms: number } | null {
  const known = new Map<number, Best>([[items.length, { ms: 0, group: null }]]);
  // Without recursion: places that a shorter rest needs are solved first.
  const waiting = [0];
  while (waiting.length > 0) {
    const first = waiting.at(-1)!;
    if (known.has(first)) {
      waiting.pop();
      continue;
    }
    const options = groupsFrom(items, budget, first, limits, isOwn);
    const missing = options.map(endOf).filter((end) => !known.has(end));
    if (missing.length > 0) {
      waiting.push(...missing);
      continue;
    }
    let best: Best = { ms: Infinity, group: null };
    for (const group of options) {
      const ms = cost(group) + known.get(endOf(group))!.ms;
      if (ms < best.ms) best = { ms, group };
    }
    known.set(first, best);
    waiting.pop();
  }
  const groups: ChannelGroup[] = [];
  for (let at = 0; at < items.length; at = endOf(groups.at(-1)!)) {
    const { group } = known.get(at)!;
    if (group === null) return null;
    groups.push(group);
  }
  return { groups, ms: known.get(0)!.ms };
}

const endOf = ({ first, count }: ChannelGroup): number => first + count;

/** Groups that may begin at a place. */
function groupsFrom(
  items: readonly ChannelItem[],
  budget: ErrorBudget,
  first: number,
  { maxFactor, copies, remainders }: GroupingLimits,
  isOwn: boolean,
): ChannelGroup[] {
  const found: ChannelGroup[] = [];
  const grid = Math.max(1, Math.ceil(items.length / PLACES));
  const ends = (longest: number): number[] =>
    lengths(first, longest, grid).filter((count) => {
      const end = first + count;
      return isOwn || end === items.length || end % grid === 0;
    });
  let reached = 0;
  for (const times of copies) {
    const run = longestRun(items, budget, first, times, maxFactor);
    // More copies must be good for something.
    if (run.length <= reached) continue;
    reached = run.length;
    for (const count of ends(reached))
      found.push({ first, count, copies: times, remainder: 0, multiplier: run[count - 1]! });
  }
  if (!remainders) return found;
  const run = remainderRun(items, budget, first, maxFactor);
  for (const count of ends(run.length)) found.push({ first, count, copies: 1, ...run[count - 1]! });
  return found;
}

/** Multipliers and remainders of all runs from a place on, by their length. */
function remainderRun(
  items: readonly ChannelItem[],
  budget: ErrorBudget,
  first: number,
  maxFactor: number,
): { multiplier: number; remainder: number }[] {
  const run: { multiplier: number; remainder: number }[] = [];
  let [multiplier, remainder, factor] = [LEAST_MULTIPLIER, 1, 0];
  for (let i = first; i < items.length; i++) {
    const { floor, demands } = items[i]!;
    multiplier = Math.max(multiplier, floor);
    for (const demand of demands) {
      remainder = Math.max(remainder, demand.remainder);
      factor = Math.max(factor, demand.factor);
    }
    if (multiplier >= maxFactor || !budget.allowsRemainder(remainder, factor, multiplier)) break;
    run.push({ multiplier, remainder });
  }
  return run;
}

/** Multipliers of all runs from a place on, by their length. */
function longestRun(
  items: readonly ChannelItem[],
  budget: ErrorBudget,
  first: number,
  copies: number,
  maxFactor: number,
): number[] {
  const multipliers: number[] = [];
  let [multiplier, ceiling] = [0, Infinity];
  for (let i = first; i < items.length; i++) {
    const item = items[i]!;
    const wanted = Math.max(item.floor / copies, LEAST_MULTIPLIER, multiplier);
    if (wanted >= maxFactor || !fits(item, budget, wanted)) break;
    // A larger multiplier is another one for all channels before.
    if (wanted > multiplier && wanted > ceiling)
      if (!items.slice(first, i).every((other) => fits(other, budget, wanted))) break;
    multiplier = wanted;
    ceiling = Math.min(ceiling, item.ceiling);
    multipliers.push(multiplier);
  }
  return multipliers;
}

/** Lengths of the longest run and of two that end at a multiple of `grid`: the longest of those, and half of it. */
function lengths(first: number, longest: number, grid: number): number[] {
  const end = first + longest;
  const last = end - (end % grid);
  const middle = (first + last) / 2;
  const ends = [end, last, middle - (middle % grid)];
  return [...new Set(ends)].filter((place) => place > first).map((place) => place - first);
}
