// Which channels share a job: runs of an order of channels, each with one multiplier, for the least predicted time.
// SPDX-License-Identifier: MIT
import type { ChannelDemand, ErrorBudget, Rounding } from "./budget.ts";

/** Channels that stay together: one, or all that a plane of a depthwise convolution has. */
export interface ChannelItem {
  /** Largest of its channels. */
  floor: number;
  demands: readonly ChannelDemand[];
  /** Whether its channels stay inside the budget in a job with this multiplier. */
  fits(multiplier: number, rounding: Rounding): boolean;
  /** A multiplier up to which they do; rises when `fits` found out more. */
  sure(rounding: Rounding): number;
  /** Looks closely whether they really do, and remembers where not. */
  tighten(multiplier: number, rounding: Rounding): void;
}

/** Items that one job computes. */
export interface ChannelGroup {
  /** Range of the order. */
  first: number;
  count: number;
  /** fractions: another job supplies each input plane a second time, at a fraction (supply.ts). */
  rounding: Rounding;
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
  /** Weights may have fractions of a step. */
  fractions: boolean;
  /** Remainders lie beside the input's planes, so they must have their sides. */
  remainders: boolean;
  looks: Looks;
}

/** How many groups are tried. */
export interface Looks {
  /** Places of an order, about, where groups may end that could be longer. */
  places: number;
  /** Places where the longest groups with fractions end that are tried as well. */
  fractionEnds: number;
  /** Items that groups with fractions may have at least: their jobs read twice the planes of all of them. */
  shortRuns: readonly number[];
}

export const COARSE: Looks = {
  places: 48,
  fractionEnds: 24,
  shortRuns: [8, 16, 24, 32, 40, 48, 64, 96],
};

/** For small errors, with which groups are small: there are many ways to put them together. */
export const FINE: Looks = {
  places: 96,
  fractionEnds: 64,
  shortRuns: [8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 56, 64, 80, 96, 128],
};

/** Smallest multiplier: what is below moves no output, and accumulators must not overflow. */
export const LEAST_MULTIPLIER = 2 ** -19;

/** Groups for which every channel is looked at closely; later ones are small, and there may be hundreds. */
const CLOSE_LOOKS = 12;

/**
 * An order in which few groups of one kind suffice: the channels with the largest factors last, each before what fits its multiplier.
 */
export function orderByScale(items: readonly ChannelItem[], rounding: Rounding): number[] {
  let left = [...items.keys()].sort((a, b) => items[b]!.floor - items[a]!.floor || a - b);
  const order: number[] = [];
  let seed = 0;
  while (left.length > 0) {
    const multiplier = Math.max(items[left[0]!]!.floor, LEAST_MULTIPLIER);
    const others: number[] = [];
    const reach = seed++ < CLOSE_LOOKS ? Infinity : 1.5;
    const fits = (item: ChannelItem): boolean =>
      multiplier <= reach * item.sure(rounding) && item.fits(multiplier, rounding);
    for (const [i, item] of left.entries())
      (i === 0 || fits(items[item]!) ? order : others).push(item);
    left = others;
  }
  return order.reverse();
}

export type Places = "few" | "ends" | "anywhere";

/** Places where the fewest groups end that are tried as well. */
const MOST_ENDS = 160;

/**
 * The cheapest groups, or null when a channel fits no job.
 * @param items in the order of the groups
 * @param costs of the groups' jobs, and what all with fractions have in common
 * @param where groups may end: at few places; also where the fewest groups do; or anywhere
 */
export function groupChannels(
  items: readonly ChannelItem[],
  budget: ErrorBudget,
  { cost, supplyMs }: { cost: GroupCost; supplyMs: number },
  limits: GroupingLimits,
  where: Places,
): { groups: ChannelGroup[]; ms: number } | null {
  const runs = new Runs(items, limits.maxFactor);
  const places = placesOf(runs, limits, where);
  const options = places
    .slice(0, -1)
    .map((_, at) => groupsFrom(runs, budget, places, at, limits))
    .map((some) => some.map((option) => ({ ...option, ms: cost(option.group) })));
  const found = cheapest(options);
  if (found === null || supplyMs === 0 || !found.groups.some(hasFractions)) return found;
  // Whether a supply is worth its time is seen by doing without.
  const without = cheapest(options.map((some) => some.filter(({ group }) => !hasFractions(group))));
  const ms = found.ms + supplyMs;
  return without !== null && without.ms <= ms ? without : { ...found, ms };
}

const hasFractions = ({ rounding }: ChannelGroup): boolean => rounding === "fractions";

/** The cheapest way through groups from place to place. */
function cheapest(
  options: readonly (readonly (Option & { ms: number })[])[],
): { groups: ChannelGroup[]; ms: number } | null {
  const times = new Float64Array(options.length + 1).fill(Infinity);
  const best = new Array<Option | undefined>(options.length);
  times[options.length] = 0;
  for (let at = options.length - 1; at >= 0; at--)
    for (const option of options[at]!) {
      const ms = option.ms + times[option.next]!;
      if (ms < times[at]!) [times[at], best[at]] = [ms, option];
    }
  const groups: ChannelGroup[] = [];
  for (let at = 0; at < options.length; at = best[at]!.next) {
    if (best[at] === undefined) return null;
    groups.push(best[at]!.group);
  }
  return { groups, ms: times[0]! };
}

/** Where groups may begin and end, in rising order. */
function placesOf(runs: Runs, { fractions, looks }: GroupingLimits, where: Places): number[] {
  const { length } = runs.items;
  const grid = where === "anywhere" ? 1 : Math.max(1, Math.ceil(length / looks.places));
  const places = new Set([0, length]);
  for (let place = grid; place < length; place += grid) places.add(place);
  if (where === "ends")
    for (let place = 0, count = 0; place < length && count < MOST_ENDS; count++) {
      place += Math.max(1, runs.longest(place, "whole"));
      places.add(place);
    }
  // Few groups have fractions, and theirs end where the rest begins.
  if (where === "ends" && fractions)
    for (let place = 0, count = 0; place < length && count < looks.fractionEnds; count++) {
      place += Math.max(1, runs.longest(place, "fractions"));
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
  runs: Runs,
  budget: ErrorBudget,
  places: readonly number[],
  at: number,
  { fractions, remainders, looks }: GroupingLimits,
): Option[] {
  const { items } = runs;
  const found: Option[] = [];
  const first = places[at]!;
  /** Index of the last place that a run reaches. */
  const reached = (longest: number): number => {
    let [low, high] = [at, places.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (places[middle]! <= first + longest) low = middle;
      else high = middle;
    }
    return low;
  };
  /** The last place that a run reaches, and one half way there. */
  const ends = (longest: number): number[] => {
    const last = reached(longest);
    return [...new Set([last, (at + last + 1) >> 1])].filter((next) => next > at);
  };
  const add = (next: number, rounding: Rounding, remainder: number): void => {
    const count = places[next]! - first;
    const multiplier = Math.max(LEAST_MULTIPLIER, runs.floors.of(first, count));
    found.push({ group: { first, count, rounding, remainder, multiplier }, next });
  };
  const whole = runs.longest(first, "whole");
  for (const next of ends(whole)) add(next, "whole", 0);
  if (first + whole === items.length) return found;
  if (fractions) {
    const longest = runs.longest(first, "fractions");
    const short = looks.shortRuns.filter((run) => run > whole && run < longest).map(reached);
    for (const next of new Set([...short, ...ends(longest)]))
      if (next > at) add(next, "fractions", 0);
  }
  if (!remainders) return found;
  for (const next of ends(runs.longestWithRemainders(first, budget)))
    add(next, "whole", runs.remainders.of(first, places[next]! - first));
  return found;
}

/** The largest of values that begin at one place: quick for several ends. */
class LargestFrom {
  private first = -1;
  private count = 0;
  private readonly largest: Float64Array;

  constructor(private readonly values: Float64Array) {
    this.largest = new Float64Array(values.length);
  }

  of(first: number, count: number): number {
    if (first !== this.first) [this.first, this.count] = [first, 0];
    const { values, largest } = this;
    for (; this.count < count; this.count++) {
      const value = values[first + this.count]!;
      const before = this.count === 0 ? value : largest[this.count - 1]!;
      largest[this.count] = Math.max(before, value);
    }
    return largest[count - 1]!;
  }
}

/** Runs of one order. */
class Runs {
  readonly floors: LargestFrom;
  /** Steps of remainders. */
  readonly remainders: LargestFrom;
  private readonly factors: LargestFrom;

  private readonly known: Readonly<Record<Rounding, Map<number, number>>> = {
    whole: new Map(),
    fractions: new Map(),
  };

  constructor(
    readonly items: readonly ChannelItem[],
    private readonly maxFactor: number,
  ) {
    const most = (of: (demand: ChannelDemand) => number, least: number): LargestFrom =>
      new LargestFrom(
        Float64Array.from(items, ({ demands }) =>
          demands.reduce((value, demand) => Math.max(value, of(demand)), least),
        ),
      );
    this.floors = new LargestFrom(Float64Array.from(items, ({ floor }) => floor));
    this.remainders = most(({ remainder }) => remainder, 1);
    this.factors = most(({ factor }) => factor, 0);
  }

  /** Items of the longest one from a place on whose remainders can be added. */
  longestWithRemainders(first: number, budget: ErrorBudget): number {
    for (let count = 1; first + count <= this.items.length; count++) {
      const multiplier = Math.max(LEAST_MULTIPLIER, this.floors.of(first, count));
      const remainder = this.remainders.of(first, count);
      const factor = this.factors.of(first, count);
      if (multiplier >= this.maxFactor || !budget.allowsRemainder(remainder, factor, multiplier))
        return count - 1;
    }
    return this.items.length - first;
  }

  /** Items of the longest one from a place on whose weights are only rounded. */
  longest(first: number, rounding: Rounding): number {
    let found = this.known[rounding].get(first);
    if (found === undefined)
      this.known[rounding].set(
        first,
        (found = longestRun(this.items, first, rounding, this.maxFactor)),
      );
    return found;
  }
}

function longestRun(
  items: readonly ChannelItem[],
  first: number,
  rounding: Rounding,
  maxFactor: number,
): number {
  let multiplier = 0;
  // Items of the run that are not sure to fit, and the multiplier up to which all others are.
  let unsure: ChannelItem[] = [];
  let sure = Infinity;
  for (let i = first; i < items.length; i++) {
    const item = items[i]!;
    const wanted = Math.max(item.floor, LEAST_MULTIPLIER, multiplier);
    if (wanted >= maxFactor || !item.fits(wanted, rounding)) return i - first;
    if (wanted > multiplier) {
      // A larger multiplier is another one for all channels before.
      const doubtful = wanted > sure ? items.slice(first, i) : unsure;
      if (!doubtful.every((before) => before.fits(wanted, rounding))) return i - first;
      unsure = doubtful.filter((before) => before.sure(rounding) < wanted);
      if (wanted > sure) sure = sureOf(items, first, i, wanted, rounding);
    }
    multiplier = wanted;
    if (item.sure(rounding) < multiplier) unsure.push(item);
    else sure = Math.min(sure, item.sure(rounding));
  }
  return items.length - first;
}

/** The multiplier up to which those items are sure to fit that fit this one for sure. */
function sureOf(
  items: readonly ChannelItem[],
  first: number,
  end: number,
  multiplier: number,
  rounding: Rounding,
): number {
  let sure = Infinity;
  for (let i = first; i < end; i++) {
    const own = items[i]!.sure(rounding);
    if (own >= multiplier) sure = Math.min(sure, own);
  }
  return sure;
}
