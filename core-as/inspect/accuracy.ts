// How far two tensors are apart: largest and mean difference, cosine, signal to noise, histogram, worst channel.
// SPDX-License-Identifier: MIT
import { elementsOf } from "../ir/elements.ts";
import type { ElementType, Quantisation } from "../ir/graph.ts";

/** What the statistics have to know of a tensor; a TensorInfo is one. */
export interface TensorLayout {
  type: ElementType;
  /** Sizes, outermost first; the last one counts channels. */
  shape: readonly number[];
  quantisation: Quantisation | null;
}

/** Elements whose difference lies in a range of whole steps; ends are part of it, null = no end. */
export interface HistogramBin {
  from: number | null;
  to: number | null;
  count: number;
}

/** A channel = an index of the last dimension. */
export interface ChannelDifference {
  channel: number;
  /** Steps. */
  max: number;
  /** Steps. */
  mean: number;
  /** As TensorDifference.snrDb. */
  snrDb: number | null;
}

/**
 * How far a tensor is from what is expected. Differences are in steps: the stored integers of quantised tensors and of other integers;
 * of floating point tensors the 255th part of the expected values' range, so that figures of all layers can be compared.
 */
export interface TensorDifference {
  elements: number;
  /** Elements that differ at all. */
  different: number;
  /** Largest absolute difference, steps. */
  max: number;
  /** Mean absolute difference, steps. */
  mean: number;
  /** Mean of actual - expected, steps: an error that does not average out. */
  bias: number;
  /** Root of the sum of squared differences, steps. */
  euclidean: number;
  /** Cosine of the angle between both, zero point taken off; 1 = same direction; 0 where one of them is zero everywhere and the other is not. */
  cosine: number;
  /** 10 log10(sum of expected² / sum of difference²), zero point taken off; null: no difference, or nothing but zeros is expected. */
  snrDb: number | null;
  /** Share of elements that differ by one step or less, 0..1; 1 without elements. */
  within1: number;
  /** Counts by actual - expected in steps, rounded to whole ones; from the lowest to the highest bin, always the same bins. */
  histogram: HistogramBin[];
  /** The channel with the largest mean square difference, the lower one of equals; null without differences. */
  worstChannel: ChannelDifference | null;
  /** Lowest index that differs, and both values as they are stored; null without differences. */
  first: { index: number; actual: number; expected: number } | null;
  /** Elements of which one side is not a finite number and the other is not the same: different, but in no other figure. */
  notFinite: number;
}

/** Bins on one side of zero: 1, 2, 3, 4..7, 8..15, 16..31, 32 and more. */
const SIDE_BINS = 7;
const ZERO_BIN = SIDE_BINS;
const SIDE_STARTS = [1, 2, 3, 4, 8, 16, 32];

/** Bin on its side of a whole distance from 1 on; 0 for 0. */
function sideBin(distance: number): number {
  if (distance < 4) return distance;
  return Math.min(SIDE_BINS, 2 + Math.floor(Math.log2(distance)));
}

function emptyBins(): HistogramBin[] {
  const side = SIDE_STARTS.map((from, i) => ({
    from,
    to: i + 1 < SIDE_BINS ? SIDE_STARTS[i + 1]! - 1 : null,
    count: 0,
  }));
  const below = side.map(({ from, to }) => ({
    from: to === null ? null : -to,
    to: -from,
    count: 0,
  }));
  return [...below.reverse(), { from: 0, to: 0, count: 0 }, ...side];
}

const decibels = (signal: number, noise: number): number | null =>
  noise > 0 && noise < Infinity && signal > 0 && signal < Infinity
    ? 10 * Math.log10(signal / noise)
    : null;

/** Sums over any number of pairs of tensors of one shape, e.g. one pair for each picture. */
export class DifferenceSums {
  private elements = 0;
  private different = 0;
  private notFinite = 0;
  private within1 = 0;
  private bias = 0;
  private squares = 0;
  private dot = 0;
  private actualPower = 0;
  private first: TensorDifference["first"] = null;
  private readonly bins = emptyBins();
  private readonly max: Float64Array;
  private readonly sum: Float64Array;
  private readonly noise: Float64Array;
  private readonly signal: Float64Array;

  /**
   * @param channels size of the last dimension, 1 for a scalar
   * @param zero value that stands for the real number 0
   */
  constructor(
    private readonly channels: number,
    private readonly zero = 0,
  ) {
    [this.max, this.sum, this.noise, this.signal] = [0, 0, 0, 0].map(
      () => new Float64Array(channels),
    ) as [Float64Array, Float64Array, Float64Array, Float64Array];
  }

  /**
   * Adds a pair.
   * @param actual stored values, channels innermost
   * @param expected as many, in the same unit
   * @param step distance that counts as one
   * @throws RangeError when the counts differ
   */
  add(actual: ArrayLike<number>, expected: ArrayLike<number>, step = 1): void {
    if (actual.length !== expected.length)
      throw new RangeError(`${actual.length} elements are compared with ${expected.length}`);
    const { channels, zero, signal } = this;
    this.elements += actual.length;
    let same = 0;
    let channel = 0;
    for (let i = 0; i < actual.length; i++) {
      const [a, e] = [actual[i]!, expected[i]!];
      if (a === e && e - e === 0) {
        const power = (e - zero) * (e - zero);
        signal[channel]! += power;
        this.actualPower += power;
        this.dot += power;
        same++;
      } else this.addDifferent(i, channel, a, e, step);
      if (++channel === channels) channel = 0;
    }
    this.within1 += same;
    this.bins[ZERO_BIN]!.count += same;
  }

  private addDifferent(index: number, channel: number, a: number, e: number, step: number): void {
    if (Object.is(a, e)) {
      // The same infinity, or no number on both sides.
      this.within1++;
      this.bins[ZERO_BIN]!.count++;
      return;
    }
    this.different++;
    this.first ??= { index, actual: a, expected: e };
    if (!Number.isFinite(a) || !Number.isFinite(e)) {
      this.notFinite++;
      return;
    }
    const { zero } = this;
    const difference = (a - e) / step;
    const distance = Math.abs(difference);
    this.bias += difference;
    this.squares += difference * difference;
    if (distance <= 1) this.within1++;
    const bin = sideBin(Math.floor(distance + 0.5));
    this.bins[ZERO_BIN + (difference < 0 ? -bin : bin)]!.count++;
    this.dot += (a - zero) * (e - zero);
    this.actualPower += (a - zero) ** 2;
    this.signal[channel]! += (e - zero) ** 2;
    this.noise[channel]! += (a - e) ** 2;
    this.sum[channel]! += distance;
    this.max[channel] = Math.max(this.max[channel]!, distance);
  }

  /**
   * Adds the pairs of other sums of the same channels and zero.
   * @throws RangeError for another count of channels
   */
  merge(other: DifferenceSums): void {
    if (other.channels !== this.channels)
      throw new RangeError(`sums of ${other.channels} channels onto ${this.channels}`);
    this.elements += other.elements;
    this.different += other.different;
    this.notFinite += other.notFinite;
    this.within1 += other.within1;
    this.bias += other.bias;
    this.squares += other.squares;
    this.dot += other.dot;
    this.actualPower += other.actualPower;
    this.first ??= other.first;
    for (const [i, bin] of this.bins.entries()) bin.count += other.bins[i]!.count;
    for (let c = 0; c < this.channels; c++) {
      this.max[c] = Math.max(this.max[c]!, other.max[c]!);
      this.sum[c]! += other.sum[c]!;
      this.noise[c]! += other.noise[c]!;
      this.signal[c]! += other.signal[c]!;
    }
  }

  /** The figures of all pairs together. */
  statistics(): TensorDifference {
    const { elements, different, notFinite } = this;
    const total = (values: Float64Array): number => values.reduce((a, b) => a + b, 0);
    const share = (sum: number): number => (elements === 0 ? 0 : sum / elements);
    const signal = total(this.signal);
    const norms = Math.sqrt(signal) * Math.sqrt(this.actualPower);
    // Binary64 elements can be too large or too small for their squares.
    const cosine = norms > 0 && norms < Infinity ? this.dot / norms : 0;
    return {
      elements,
      different,
      max: this.max.reduce((a, b) => Math.max(a, b), 0),
      mean: share(total(this.sum)),
      bias: share(this.bias),
      euclidean: Math.sqrt(this.squares),
      cosine: different === 0 ? 1 : Math.max(-1, Math.min(1, cosine)),
      snrDb: decibels(signal, total(this.noise)),
      within1: elements === 0 ? 1 : this.within1 / elements,
      histogram: this.bins.map((bin) => ({ ...bin })),
      worstChannel: this.worst(),
      first: this.first,
      notFinite,
    };
  }

  private worst(): ChannelDifference | null {
    const { channels, noise } = this;
    let channel = 0;
    for (let c = 1; c < channels; c++) if (noise[c]! > noise[channel]!) channel = c;
    if (channels === 0 || noise[channel] === 0) return null;
    return {
      channel,
      max: this.max[channel]!,
      mean: this.sum[channel]! / (this.elements / channels),
      snrDb: decibels(this.signal[channel]!, noise[channel]!),
    };
  }
}

/** Channels of a shape: its last size. */
export const channelsOf = (shape: readonly number[]): number => shape.at(-1) ?? 1;

/** Value that stands for the real number 0. */
export const zeroOf = ({ quantisation }: Pick<TensorLayout, "quantisation">): number =>
  quantisation?.zeroPoints[0] ?? 0;

/** Stored elements; of types that are no numbers here, the bytes. */
function storedValues(type: ElementType, bytes: Uint8Array): ArrayLike<number> {
  if (type === "int8") return new Int8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return type === "uint8" ? bytes : (elementsOf(type, bytes) ?? bytes);
}

/**
 * Distance that counts as one step when a tensor is compared with `expected`.
 * @returns 1 for all but floating point; never 0
 */
export function stepOf({ type }: Pick<TensorLayout, "type">, expected: ArrayLike<number>): number {
  if (!type.startsWith("float")) return 1;
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < expected.length; i++) {
    const value = expected[i]!;
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const range = high > low ? high - low : Math.abs(high);
  return Number.isFinite(range) && range > 0 ? range / 255 : 1;
}

/**
 * Compares two tensors as they are stored.
 * @param actual bytes, dense, little endian
 * @param expected as many bytes
 * @throws RangeError when the sizes differ
 */
export function compareTensors(
  actual: Uint8Array,
  expected: Uint8Array,
  layout: TensorLayout,
): TensorDifference {
  const sums = new DifferenceSums(channelsOf(layout.shape), zeroOf(layout));
  addStored(sums, actual, expected, layout);
  return sums.statistics();
}

/** As compareTensors, onto sums. */
export function addStored(
  sums: DifferenceSums,
  actual: Uint8Array,
  expected: Uint8Array,
  layout: TensorLayout,
): void {
  const values = storedValues(layout.type, expected);
  sums.add(storedValues(layout.type, actual), values, stepOf(layout, values));
}

/**
 * Compares a tensor with the real numbers that it should stand for. Quantised ones differ by fractions of a step.
 * @param actual bytes, dense, little endian
 * @param expected a real number for each element
 * @throws RangeError when the counts differ
 */
export function compareWithReal(
  actual: Uint8Array,
  expected: ArrayLike<number>,
  layout: TensorLayout,
): TensorDifference {
  const sums = new DifferenceSums(channelsOf(layout.shape), zeroOf(layout));
  addReal(sums, actual, expected, layout);
  return sums.statistics();
}

/** As compareWithReal, onto sums. */
export function addReal(
  sums: DifferenceSums,
  actual: Uint8Array,
  expected: ArrayLike<number>,
  layout: TensorLayout,
): void {
  const scale = layout.quantisation?.scales[0];
  const zero = zeroOf(layout);
  let stored = expected;
  if (scale !== undefined) {
    const steps = new Float64Array(expected.length);
    for (let i = 0; i < steps.length; i++) steps[i] = expected[i]! / scale + zero;
    stored = steps;
  }
  sums.add(storedValues(layout.type, actual), stored, stepOf(layout, stored));
}
