// The output stage of an NN job fitted to TFLite's: bias, multiplier and zero point for which the hardware's one rounding
// gives TFLite's bytes for as many accumulators as possible.
// SPDX-License-Identifier: MIT
import { NnJob } from "../../assembly/abi.ts";
import { generationOf, type Chip } from "../../hw/chips.ts";
import type { NnRecord } from "../jobs.ts";
import { floatBits } from "../lower-shared.ts";

/** What an output stage must compute: a function of the accumulator that rises by steps. */
export interface Steps {
  /** Stored output byte (signed tensors + 128) that stands for 0, where an accumulator of 0 leads without rounding. */
  zeroPoint: number;
  /** Output byte below all steps. */
  lowest: number;
  /**
   * Step i, to the byte `lowest + 1 + i`, must lie above the accumulator lower[i] and not above upper[i]; accumulators
   * between them do not occur. Without a limit: infinite.
   */
  lower: Float64Array;
  upper: Float64Array;
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
export const shareOf = (distance: number): number => Math.exp(-Math.abs(distance) / 24) + 0.02;

/** Below this factor no accumulator reaches an output step. */
const SMALLEST_FITTED = 2 ** -36;

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
  const { upper, lowest, zeroPoint, factor: wanted } = steps;
  if (!(wanted >= SMALLEST_FITTED && wanted < limits.maxFactor)) return null;
  const shares = upper.map((_, i) => shareOf(lowest + 1 + i - zeroPoint));
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

/**
 * Limits of a job.
 * @param lowest smallest output byte: a ReLU clamps at the zero point, which then stays, unless the range ends there anyway
 * @param largest absolute value that accumulators may have without the stage's offset
 */
export function stageLimits(chip: Chip, lowest: number, largest: number): StageLimits {
  return {
    ...generationOf(chip),
    fixedZeroPoint: lowest !== 0,
    maxOffset: 2 ** 31 - 1 - largest,
  };
}

/** Members of a job's record that say what the stage is; nothing of the scales when there is none. */
export function stageRecord(stage: OutputStage | null, zeroPoint: number, relu: number): NnRecord {
  if (stage === null) return { [NnJob.RELU]: relu };
  return {
    [NnJob.IN_SCALE]: floatBits(stage.factor),
    [NnJob.WEIGHT_SCALE]: floatBits(1),
    [NnJob.OUT_SCALE]: floatBits(1),
    [NnJob.OUT_ZP]: stage.zeroPoint,
    // With another zero point the end of the output's range is the clamp.
    [NnJob.RELU]: stage.zeroPoint === zeroPoint ? relu : 0,
  };
}

/** The stage that rounds once, with the bias and the zero point as they are. */
export function plainStage({ factor, zeroPoint }: Steps, limits: StageLimits): OutputStage {
  return { factor: encodable(factor, limits.multiplierBits), offset: 0, zeroPoint };
}

/** Share of accumulators, weighted by how likely they are, that the stage turns into another byte than the steps want. */
function mismatch(steps: Steps, shares: Float64Array, stage: OutputStage): number {
  const { lower, upper, lowest } = steps;
  let cost = 0;
  for (let i = 0; i < upper.length; i++) {
    const first = firstReaching(lowest + 1 + i - stage.zeroPoint, stage);
    if (first > upper[i]!) cost += shares[i]! * (first - upper[i]!);
    else if (first <= lower[i]!) cost += shares[i]! * (lower[i]! + 1 - first);
  }
  return cost;
}

/** Smallest accumulator that the hardware rounds to at least `level`; ties go to the even side. */
export function firstReaching(level: number, { factor, offset }: OutputStage): number {
  // The factor has 24 bits at most, so a quotient below 2^28 that is no whole number is far enough from one.
  const edge = (level - 0.5) / factor;
  const first = Math.ceil(edge);
  return (first === edge && (level & 1) !== 0 ? first + 1 : first) - offset;
}

/** Smallest accumulators with which a stage gives the bytes from `lowest + 1` on. */
export function levelStarts(stage: OutputStage, lowest: number): Float64Array {
  return Float64Array.from({ length: 255 - lowest }, (_, i) =>
    firstReaching(lowest + 1 + i - stage.zeroPoint, stage),
  );
}

/** The nearest number with so many bits. */
export function encodable(value: number, bits: number): number {
  const unit = 2 ** (Math.floor(Math.log2(value)) + 1 - bits);
  return Math.round(value / unit) * unit;
}

/** Factors to try on either side of the wanted one, and by how many accumulator steps each moves the last output step. */
const NEIGHBOURS = 24;
const DRIFT = 0.0005;

/** Output distances at which a slightly larger factor makes up for steps that are nearer to zero on both sides of it. */
const PIVOTS = [12, 24, 48, 96, 192];

/** Factors to try, the nearest to the wanted one first. */
function factorCandidates(steps: Steps, { multiplierBits, maxFactor }: StageLimits): number[] {
  const { factor, lowest, zeroPoint } = steps;
  const wanted = [factor];
  // Steps on both sides of zero never all agree.
  const isRectified = lowest >= zeroPoint;
  for (let i = 1; i <= NEIGHBOURS; i++)
    for (const drift of [i * DRIFT, -i * DRIFT])
      if (isRectified || i === 1) wanted.push(factor / (1 + (drift * factor) / 255));
  if (!isRectified) for (const pivot of PIVOTS) wanted.push(factor * (1 + factor / pivot));
  const unit = 2 ** (Math.floor(Math.log2(factor)) + 1 - multiplierBits);
  const nearest = encodable(factor, multiplierBits);
  const found = wanted.map((value) => encodable(value, multiplierBits));
  return [...new Set([...found, nearest - unit, nearest + unit])].filter(
    (value) => value > 0 && value < maxFactor,
  );
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
    for (const near of [-1, 0, 1]) {
      const offset = middle + near;
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
 * value: each step does in an interval.
 */
class Agreement {
  /** In the middle of where most agree. */
  best = 0;
  private readonly lower: Ends;
  private readonly upper: Ends;

  constructor({ lower, upper, lowest, zeroPoint }: Steps, shares: Float64Array) {
    this.lower = new Ends(lower, lowest + 1 - zeroPoint, shares);
    this.upper = new Ends(upper, lowest + 1 - zeroPoint, shares);
  }

  startFactor(factor: number): void {
    const { lower, upper } = this;
    lower.startFactor(factor);
    upper.startFactor(factor);
    // Where most agree ends at an upper end, if it ends at all.
    let most = -1;
    const [lowers, uppers] = [lower.sorted, upper.sorted];
    let [lowerBelow, upperBelow] = [0, 0];
    for (let place = 0; place < uppers.length; place++) {
      const end = uppers[place]!;
      if (end === Infinity) break;
      while (lowers[lowerBelow]! < end) lowerBelow++;
      if (uppers[upperBelow]! < end) upperBelow = place;
      const share = lower.sums[lowerBelow]! - upper.sums[upperBelow]!;
      if (share <= most) continue;
      most = share;
      const begin = Math.max(
        lowers[lowerBelow - 1] ?? -Infinity,
        uppers[upperBelow - 1] ?? -Infinity,
      );
      this.best = begin === -Infinity ? end - 0.5 : (begin + end) / 2;
    }
    if (most < 0) this.best = lower.lastBelow(Infinity) + 0.5;
    // No step has a limit: one output for all accumulators.
    if (!Number.isFinite(this.best)) this.best = 0;
    lower.indexAround(this.best);
    upper.indexAround(this.best);
  }

  /** Share of the steps that agree. */
  at(constant: number): number {
    return this.lower.shareBelow(constant) - this.upper.shareBelow(constant);
  }
}

/** Parts into which the neighbourhood of the best constant is divided, and how far it reaches on either side. */
const BUCKETS = 1024;
const AROUND = 2;

/** Steps that are sorted by insertion before runs of them are merged. */
const RUN = 16;

/** Steps in some order, and a number of each. */
class Sequence {
  readonly values: Float64Array;
  readonly steps: Uint8Array;

  constructor(length: number) {
    this.values = new Float64Array(length);
    this.steps = new Uint8Array(length);
    for (let i = 0; i < length; i++) this.steps[i] = i;
  }

  /** Inserts a step between those of the run that begins at `begin` and ends before `place`. */
  insert(begin: number, place: number, step: number, value: number): void {
    const { values, steps } = this;
    let at = place;
    for (; at > begin && values[at - 1]! > value; at--) {
      values[at] = values[at - 1]!;
      steps[at] = steps[at - 1]!;
    }
    values[at] = value;
    steps[at] = step;
  }

  /** Writes this with its runs begin..middle and middle..end merged; of equal values those of the first run go first. */
  merge(to: Sequence, begin: number, middle: number, end: number): void {
    const { values, steps } = this;
    let [left, right] = [begin, middle];
    for (let at = begin; at < end; at++) {
      const isRight = left === middle || (right < end && values[left]! > values[right]!);
      const from = isRight ? right++ : left++;
      to.values[at] = values[from]!;
      to.steps[at] = steps[from]!;
    }
  }
}

/** One end of every step's interval, sorted, with sums of the steps' shares. */
class Ends {
  /** Shares of the first ends together. */
  readonly sums: Float64Array;
  private sequence: Sequence;
  private spare: Sequence;
  /** Number of ends in the parts before each. */
  private readonly before = new Uint8Array(BUCKETS + 1);
  private start = 0;

  constructor(
    private readonly accumulators: Float64Array,
    private readonly firstLevel: number,
    private readonly shares: Float64Array,
  ) {
    this.sequence = new Sequence(shares.length);
    this.spare = new Sequence(shares.length);
    this.sums = new Float64Array(shares.length + 1);
  }

  get sorted(): Float64Array {
    return this.sequence.values;
  }

  /** Sorts the ends anew; where some are equal the order of the factor before stays. */
  startFactor(factor: number): void {
    const { accumulators, firstLevel, shares, sums } = this;
    const count = shares.length;
    for (let begin = 0; begin < count; begin += RUN)
      for (let place = begin; place < Math.min(begin + RUN, count); place++) {
        const step = this.sequence.steps[place]!;
        const end = accumulators[step]! - (firstLevel + step) / factor;
        this.sequence.insert(begin, place, step, end);
      }
    for (let run = RUN; run < count; run *= 2) {
      for (let begin = 0; begin < count; begin += 2 * run) {
        const middle = Math.min(begin + run, count);
        this.sequence.merge(this.spare, begin, middle, Math.min(middle + run, count));
      }
      [this.sequence, this.spare] = [this.spare, this.sequence];
    }
    const { steps } = this.sequence;
    for (let i = 0; i < count; i++) sums[i + 1] = sums[i]! + shares[steps[i]!]!;
  }

  /** Prepares shareBelow for many values near one. */
  indexAround(value: number): void {
    this.start = value - AROUND;
    const { sorted, before } = this;
    let place = 0;
    for (let bucket = 0; bucket <= BUCKETS; bucket++) {
      while (place < sorted.length && this.bucketOf(sorted[place]!) < bucket) place++;
      before[bucket] = place;
    }
  }

  shareBelow(value: number): number {
    // All ends in earlier parts are below.
    const { sorted } = this;
    let count = this.before[this.bucketOf(value)]!;
    while (sorted[count]! < value) count++;
    return this.sums[count]!;
  }

  /** The largest end below a value; -Infinity when there is none. */
  lastBelow(value: number): number {
    const { sorted } = this;
    let count = 0;
    while (sorted[count]! < value) count++;
    return sorted[count - 1] ?? -Infinity;
  }

  /** Rises with the value. */
  private bucketOf(value: number): number {
    const part = (value - this.start) * (BUCKETS / (2 * AROUND));
    return part > 0 ? Math.min(Math.floor(part), BUCKETS) : 0;
  }
}
