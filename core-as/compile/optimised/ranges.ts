// Output stages of several jobs that are TFLite's for every accumulator where no single one is: each job computes a range of the
// output steps, and a weighted sum of their bytes is the output.
// SPDX-License-Identifier: MIT
import {
  encodable,
  firstReaching,
  levelStarts,
  type OutputStage,
  type StageLimits,
  type Steps,
} from "./output-stage.ts";

/** A job of a layer in ranges. */
export interface Range {
  stage: OutputStage;
  /** Weight of its bytes in the sum. */
  weight: number;
}

export interface RangePlan {
  ranges: Range[];
  /** Output stage of the sum; the offset is its bias. */
  sum: OutputStage;
}

/** Jobs that a layer may take, without the sum. */
export const MAX_RANGES = 16;

/**
 * Numbers of fine steps for each output step that ranges of one layer may have: divisors of one of these units, so that all
 * weights are whole.
 */
const UNITS = [240, 168, 252, 210, 144, 180, 220, 208, 234];
/** Most fine steps for each output step: a range then has 255 / 24 of those. */
const FINEST = 24;
const MAX_WEIGHT = 255;
/** Multipliers to try on either side of the nearest one. */
const NEIGHBOURS = 24;
/** Partial plans that are kept for each number of jobs, and continuations of each. */
const BEAM = 6;
const CONTINUATIONS = 3;

/**
 * The fewest jobs that together are right for every accumulator, or null when more than MAX_RANGES would be necessary.
 *
 * Job k multiplies by m_k times the factor: its byte rises by m_k fine steps for each output step and stays at 0 below its
 * range of 255 / m_k output steps, at 255 above. The ranges lie behind each other: where one job is between its ends, those
 * below have given all they can and those above nothing. So the sum of byte / m_k rises as one staircase of fine steps, and one
 * rounding of it gives the output. Only every m_k-th fine step of a job has to be right. What is returned was checked as a whole.
 *
 * Ranges start at zero and go up and down from there: TFLite's second rounding moves the steps on both sides towards zero.
 */
export function fitRanges(steps: Steps, limits: StageLimits): RangePlan | null {
  let best: RangePlan | null = null;
  let most = MAX_RANGES;
  for (const unit of UNITS) {
    const search = new RangeSearch(steps, limits, unit);
    const up = search.fewest(1, most);
    const down = up && search.fewest(-1, most - up.length);
    if (!down) continue;
    const plan = planOf(steps, limits, unit, up, down);
    if (plan === null) continue;
    best = plan;
    most = plan.ranges.length - 1;
  }
  return best;
}

/** Whether a stage is right for every accumulator. */
export function isExact({ lower, upper, lowest }: Steps, stage: OutputStage): boolean {
  const starts = levelStarts(stage, lowest);
  return starts.every((first, i) => first > lower[i]! && first <= upper[i]!);
}

/** A range while the others are not known. */
interface Piece {
  stage: OutputStage;
  /** Fine steps for each output step. */
  fine: number;
}

/** Pieces of one side of zero; the last one ends at `position`, in units of an output step. */
interface Partial {
  pieces: Piece[];
  position: number;
}

class RangeSearch {
  private readonly choices: number[] = [];
  private readonly known = new Map<string, OutputStage | null>();

  constructor(
    private readonly steps: Steps,
    private readonly limits: StageLimits,
    private readonly unit: number,
  ) {
    for (let fine = 1; fine <= FINEST; fine++)
      if (unit % fine === 0 && unit / fine <= MAX_WEIGHT) this.choices.push(fine);
  }

  /** The fewest pieces for all steps above zero (direction 1) or below (-1). */
  fewest(direction: 1 | -1, most: number): Piece[] | null {
    let partials: Partial[] = [{ pieces: [], position: 0 }];
    for (let count = 0; count <= most; count++) {
      const done = partials.find(({ position }) => !this.remains(direction, position));
      if (done) return done.pieces;
      const next = new Map<number, Partial>();
      for (const partial of partials)
        for (const longer of this.continued(partial, direction)) next.set(longer.position, longer);
      partials = [...next.values()]
        .sort((a, b) => direction * (b.position - a.position))
        .slice(0, BEAM);
    }
    return null;
  }

  /** Whether steps lie beyond the position. */
  private remains(direction: 1 | -1, position: number): boolean {
    const { lowest, zeroPoint } = this.steps;
    return direction === 1
      ? (254 - zeroPoint) * this.unit >= position
      : (lowest - zeroPoint) * this.unit < position;
  }

  private continued({ pieces, position }: Partial, direction: 1 | -1): Partial[] {
    const found: Partial[] = [];
    // The longest ranges first.
    for (const fine of this.choices) {
      const end = position + direction * 255 * (this.unit / fine);
      const stage = this.fitted(Math.min(position, end), fine);
      if (stage !== null) found.push({ pieces: [...pieces, { stage, fine }], position: end });
      if (found.length === CONTINUATIONS) break;
    }
    return found;
  }

  private fitted(position: number, fine: number): OutputStage | null {
    const key = `${position} ${fine}`;
    if (!this.known.has(key)) {
      const range = fineSteps(this.steps, position / this.unit, fine, this.unit);
      this.known.set(key, fitFine(range, fine * this.steps.factor, this.limits));
    }
    return this.known.get(key)!;
  }
}

/** Fine steps of a range that are output steps: their bytes, with the accumulators between which each must lie. */
interface FineSteps {
  bytes: number[];
  lower: number[];
  upper: number[];
}

/**
 * Fine steps of the range that starts at a place.
 * @param start output steps above zero; a multiple of 1 / unit
 */
function fineSteps(steps: Steps, start: number, fine: number, unit: number): FineSteps {
  const { lowest, zeroPoint } = steps;
  const range: FineSteps = { bytes: [], lower: [], upper: [] };
  const position = Math.round(start * unit);
  for (let i = 0; i < steps.upper.length; i++) {
    // The output step is where the sum first exceeds the one before it.
    const before = (lowest + i - zeroPoint) * unit - position;
    const byte = Math.floor((before * fine) / unit) + 1;
    if (before < 0 || byte > 255) continue;
    range.bytes.push(byte);
    range.lower.push(steps.lower[i]!);
    range.upper.push(steps.upper[i]!);
  }
  return range;
}

/** A stage whose steps to these bytes all lie where they must, or null. */
function fitFine(range: FineSteps, wanted: number, limits: StageLimits): OutputStage | null {
  const unit = 2 ** (Math.floor(Math.log2(wanted)) + 1 - limits.multiplierBits);
  const nearest = encodable(wanted, limits.multiplierBits);
  for (let i = 0; i <= 2 * NEIGHBOURS; i++) {
    const factor = nearest + unit * ((i + 1) >> 1) * (i & 1 ? 1 : -1);
    if (!(factor > 0 && factor < limits.maxFactor)) continue;
    const stage = placed(range, encodable(factor, limits.multiplierBits), limits);
    if (stage !== null) return stage;
  }
  return null;
}

/** Bias and zero point with which all steps of a factor lie where they must. */
function placed(
  { bytes, lower, upper }: FineSteps,
  factor: number,
  limits: StageLimits,
): OutputStage | null {
  // The thresholds are byte / factor + constant.
  let [low, high] = [-Infinity, Infinity];
  for (let i = 0; i < bytes.length && low < high; i++) {
    low = Math.max(low, lower[i]! - bytes[i]! / factor);
    high = Math.min(high, upper[i]! - bytes[i]! / factor);
  }
  if (!(low < high)) return null;
  const middle = low === -Infinity ? high - 0.5 : high === Infinity ? low + 0.5 : (low + high) / 2;
  for (let zeroPoint = 0; zeroPoint < 256; zeroPoint++) {
    const base = (-zeroPoint - 0.5) / factor;
    const offset = Math.round(base - middle);
    if (base - offset < low || base - offset > high || Math.abs(offset) > limits.maxOffset)
      continue;
    const stage = { factor, offset, zeroPoint };
    const isRight = bytes.every((byte, i) => {
      const first = firstReaching(byte - zeroPoint, stage);
      return first > lower[i]! && first <= upper[i]!;
    });
    if (isRight) return stage;
  }
  return null;
}

/** Weights and output stage of the sum; null when no factor of the sum keeps its steps apart. */
function planOf(
  steps: Steps,
  limits: StageLimits,
  unit: number,
  up: Piece[],
  down: Piece[],
): RangePlan | null {
  const pieces = [...down, ...up];
  const least = pieces.map(({ fine }) => fine).reduce(leastCommonMultiple, 1);
  const coarsest = Math.min(...pieces.map(({ fine }) => fine));
  if (unit % least !== 0) return null;
  // Larger weights leave room for the factor's error between neighbouring sums.
  for (let times = Math.floor((MAX_WEIGHT * coarsest) / least); times >= 1; times--) {
    const whole = times * least;
    const ranges = pieces.map(({ stage, fine }) => ({ stage, weight: whole / fine }));
    const below = down.reduce((sum, { fine }) => sum + (255 * whole) / fine, 0);
    const offset = Math.floor((whole - times) / 2) - below;
    const factor = encodable(1 / whole, limits.multiplierBits);
    const plan = { ranges, sum: { factor, offset, zeroPoint: steps.zeroPoint } };
    if (factor < limits.maxFactor && isExactPlan(steps, plan)) return plan;
  }
  return null;
}

const leastCommonMultiple = (a: number, b: number): number => {
  let [x, y] = [a, b];
  while (y !== 0) [x, y] = [y, x % y];
  return (a / x) * b;
};

/** Whether a plan gives the wanted byte for every accumulator: it rises, so the two beside each step decide. */
export function isExactPlan(steps: Steps, plan: RangePlan): boolean {
  const { lower, upper, lowest } = steps;
  const output = outputOf(plan);
  if (output(-Infinity) !== lowest) return false;
  for (let i = 0; i < upper.length; i++)
    if (output(lower[i]!) > lowest + i || output(upper[i]!) < lowest + 1 + i) return false;
  return true;
}

/** What a plan's jobs make of an accumulator. */
export function outputOf({ ranges, sum }: RangePlan): (accumulator: number) => number {
  const starts = ranges.map(({ stage }) => levelStarts(stage, 0));
  return (accumulator) => {
    const total = ranges.reduce(
      (part, { weight }, k) => part + weight * countUpTo(starts[k]!, accumulator),
      sum.offset,
    );
    const byte = roundEven(total * sum.factor) + sum.zeroPoint;
    return Math.min(Math.max(byte, 0), 255);
  };
}

/** Numbers of a rising list that are not above a value. */
function countUpTo(sorted: Float64Array, value: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function roundEven(value: number): number {
  const down = Math.floor(value);
  const rest = value - down;
  return rest > 0.5 || (rest === 0.5 && (down & 1) !== 0) ? down + 1 : down;
}
