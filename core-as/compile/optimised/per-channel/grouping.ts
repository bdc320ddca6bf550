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

function allFit(
  items: readonly ChannelItem[],
  first: number,
  end: number,
  budget: ErrorBudget,
  multiplier: number,
): boolean {
  for (let i = first; i < end; i++) if (!fits(items[i]!, budget, multiplier)) return false;
  return true;
}

export type Places = "few" | "ends" | "anywhere";

/** Places of an order, about, where groups may end that could be longer. */
const PLACES = 24;
/** Places where the fewest groups end that are tried as well. */
const MOST_ENDS = 160;

/**
 * The cheapest groups, or null when a channel fits no job.
 * @param items in the order of the groups
 * @param where groups may end: at few places; also where the fewest groups do; or anywhere
 */
export function groupChannels(
  items: readonly ChannelItem[],
  budget: ErrorBudget,
  cost: GroupCost,
  limits: GroupingLimits,
  where: Places,
): { groups: ChannelGroup[]; ms: number } | null {
  const places = placesOf(items, budget, limits, where);
  const times = new Float64Array(places.length).fill(Infinity);
  const best = new Array<{ group: ChannelGroup; next: number } | undefined>(places.length);
  times[places.length - 1] = 0;
  for (let at = places.length - 2; at >= 0; at--)
    for (const option of groupsFrom(items, budget, places, at, limits)) {
      const rest = times[option.next]!;
      if (rest === Infinity) continue;
      const ms = cost(option.group) + rest;
      if (ms < times[at]!) [times[at], best[at]] = [ms, option];
    }
  const groups: ChannelGroup[] = [];
  for (let at = 0; at < places.length - 1; at = best[at]!.next) {
    if (best[at] === undefined) return null;
    groups.push(best[at]!.group);
  }
  return { groups, ms: times[0]! };
}

/** Where groups may begin and end, in rising order. */
function placesOf(
  items: readonly ChannelItem[],
  budget: ErrorBudget,
  { maxFactor }: GroupingLimits,
  where: Places,
): number[] {
  const { length } = items;
  const grid = where === "anywhere" ? 1 : Math.max(1, Math.ceil(length / PLACES));
  const places = new Set([0, length]);
  for (let place = grid; place < length; place += grid) places.add(place);
  if (where === "ends")
    for (let place = 0, count = 0; place < length && count < MOST_ENDS; count++) {
      place += Math.max(1, longestRun(items, budget, place, 1, maxFactor).length);
      places.add(place);
    }
  return [...places].sort((a, b) => a - b);
}

interface Option {
  group: ChannelGroup;
  /** Index of the place where the rest begins. */
  next: number;
}

/** Groups that may begin at a place. */
function groupsFrom(
  items: readonly ChannelItem[],
  budget: ErrorBudget,
  places: readonly number[],
  at: number,
  { maxFactor, copies, remainders }: GroupingLimits,
): Option[] {
  const found: Option[] = [];
  const first = places[at]!;
  /** The last place that a run reaches, and one half way there. */
  const ends = (longest: number): number[] => {
    let last = at;
    while (last + 1 < places.length && places[last + 1]! <= first + longest) last++;
    return [...new Set([last, (at + last + 1) >> 1])].filter((next) => next > at);
  };
  let reached = 0;
  for (const times of copies) {
    if (first + reached === items.length) break;
    const run = longestRun(items, budget, first, times, maxFactor);
    // More copies must be good for something.
    if (run.length <= reached) continue;
    reached = run.length;
    for (const next of ends(reached)) {
      const count = places[next]! - first;
      const multiplier = run[count - 1]!;
      found.push({ group: { first, count, copies: times, remainder: 0, multiplier }, next });
    }
  }
  if (!remainders) return found;
  const run = remainderRun(items, budget, first, maxFactor);
  for (const next of ends(run.length)) {
    const count = places[next]! - first;
    found.push({ group: { first, count, copies: 1, ...run[count - 1]! }, next });
  }
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
    if (wanted > multiplier && wanted > ceiling && !allFit(items, first, i, budget, wanted)) break;
    multiplier = wanted;
    ceiling = Math.min(ceiling, item.ceiling);
    multipliers.push(multiplier);
  }
  return multipliers;
}
