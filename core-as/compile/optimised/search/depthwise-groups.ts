// Depthwise convolutions as groups of channels: one NN job for each group, on planes that follow each other.
// A kernel is stored, and multiplied, with the planes of its group instead of those of all channels.
// SPDX-License-Identifier: MIT
import { NnJob, WeightSource } from "../../../assembly/abi.ts";
import type { Chip } from "../../../hw/chips.ts";
import type { System } from "../../../hw/systems.ts";
import type { BufferRef, NnWork, WeightPlan } from "../../jobs.ts";
import { ceilDiv } from "../../lower-shared.ts";
import { coefficientBytes } from "./coefficient-estimate.ts";
import type { PlanSearch } from "./plan-search.ts";

/** No capture starts an image at an address that is no multiple of this (spec/cost-model.md, Limits on freedom). */
const ALIGN = 64;
/** More groups than this never pay. */
const MAX_GROUPS = 64;

/**
 * What a megabyte less of coefficients may cost in predicted milliseconds of an inference: they are also kept, sent and loaded,
 * which the time of one inference does not show. Smaller groups have fewer. Compared with the undivided job, a division may
 * cost the start of one job.
 */
const MS_PER_MEGABYTE = 3.5;

/** Splits a job where the cost model says that it pays; any other job stays as it is. */
export function splitDepthwise(
  work: NnWork,
  chip: Chip,
  system: System,
  search: PlanSearch,
): NnWork[] {
  const step = groupStep(work);
  if (step === null) return [work];
  const channels = work.record[NnJob.IN_Z]! / planesEach(work);
  const price = pricer(work, chip, system, search);
  const whole = { sizes: [channels], ...price([channels]) };
  const divided = divisions(channels, step).map((sizes) => ({ sizes, ...price(sizes) }));
  const most = whole.ms + system.overheadUs / 1e3;
  const candidates = [whole, ...divided.filter(({ ms }) => ms < most)];
  const score = ({ ms, bytes }: { ms: number; bytes: number }): number =>
    ms + (bytes / 1e6) * MS_PER_MEGABYTE;
  const best = candidates.reduce((a, b) => (score(b) < score(a) ? b : a));
  return best === whole ? [work] : cut(work, best.sizes);
}

/** Ways to divide channels into groups that begin at multiples of `step`: in equal ones, the last one smaller. */
function divisions(channels: number, step: number): number[][] {
  const steps = ceilDiv(channels, step);
  const found: number[][] = [];
  let before = channels;
  for (let count = 2; count <= Math.min(MAX_GROUPS, steps); count++) {
    const size = ceilDiv(steps, count) * step;
    if (size === before) continue;
    before = size;
    const sizes = groupSizes(channels, size);
    // A kernel of one plane is stored in another way.
    if (!sizes.includes(1)) found.push(sizes);
  }
  return found;
}

/** Input planes of a channel: several where strides are folded into planes. */
const planesEach = ({ record }: NnWork): number =>
  record[NnJob.NATIVE_DEPTHWISE] === 1 ? 1 : record[NnJob.DW_PLANES]!;

const planeBytes = ({ record }: NnWork): { input: number; output: number } => ({
  input: record[NnJob.IN_X_STRIDE]! * record[NnJob.IN_Y_STRIDE]!,
  output: record[NnJob.OUT_X_STRIDE]! * record[NnJob.OUT_Y_STRIDE]!,
});

/** Channels between two possible borders of groups, or null where there are none. */
function groupStep(work: NnWork): number | null {
  const { record, weights, input, output } = work;
  const splits =
    work.op === "dwconv" &&
    weights.layout === "depthwise" &&
    weights.expand === undefined &&
    !weights.widen &&
    (record[NnJob.SOURCE] === WeightSource.DEPTHWISE || record[NnJob.NATIVE_DEPTHWISE] === 1);
  if (!splits || input.offset % ALIGN !== 0 || output.offset % ALIGN !== 0) return null;
  const plane = planeBytes(work);
  const inStep = channelsOf(plane.input * planesEach(work));
  const outStep = channelsOf(plane.output * record[NnJob.DW_MULTIPLIER]!);
  // Both are powers of two.
  return Math.max(inStep, outStep);
}

/** Fewest channels whose bytes are a multiple of the alignment. */
function channelsOf(bytes: number): number {
  let channels = 1;
  while ((bytes * channels) % ALIGN !== 0) channels *= 2;
  return channels;
}

/** Sizes of all groups: equal ones, the last one smaller. */
function groupSizes(channels: number, size: number): number[] {
  const sizes: number[] = [];
  for (let done = 0; done < channels; done += size) sizes.push(Math.min(size, channels - done));
  return sizes;
}

/** Predicts time and coefficient bytes of a division. Groups of one size are priced once. */
function pricer(
  work: NnWork,
  chip: Chip,
  system: System,
  search: PlanSearch,
): (sizes: readonly number[]) => { ms: number; bytes: number } {
  const wordsOf = (channels: number): Int32Array => {
    const words = new Int32Array(NnJob.WORDS);
    const record = groupRecord(work, channels);
    for (const [member, value] of Object.entries(record)) words[Number(member)] = value!;
    const bytes = estimateCoefficients(record, chip);
    words[NnJob.COEF_BYTES] = bytes;
    words[NnJob.COEF_CACHE_BYTES] = bytes;
    return words;
  };
  const known = new Map<number, { ms: number; bytes: number }>();
  // Groups have the image's sides, so the tile of the whole job is a good one for them, too.
  const plan = search.best(wordsOf(work.record[NnJob.IN_Z]! / planesEach(work)));
  const priceOf = (channels: number): { ms: number; bytes: number } => {
    const words = wordsOf(channels);
    const ms = search.glance(words, plan) + system.overheadUs / 1e3;
    return { ms, bytes: words[NnJob.COEF_BYTES]! };
  };
  return (sizes) => {
    let [ms, bytes] = [0, 0];
    for (const channels of sizes) {
      const price = known.get(channels) ?? priceOf(channels);
      known.set(channels, price);
      ms += price.ms;
      bytes += price.bytes;
    }
    return { ms, bytes };
  };
}

/** Coefficient bytes of a group, about: what they are is known only when they are written. */
function estimateCoefficients(record: NnWork["record"], chip: Chip): number {
  const kernels = record[NnJob.OUT_Z]!;
  const taps = record[NnJob.KERNEL_X]! * record[NnJob.KERNEL_Y]!;
  if (record[NnJob.NATIVE_DEPTHWISE] === 1) {
    const cores = Math.min(kernels, chip.nnCores);
    const bits = 16 + ceilDiv(kernels, cores) * ceilDiv(taps, 9) * 72;
    return ALIGN + cores * ceilDiv(bits, 8 * ALIGN) * ALIGN + 4 * kernels;
  }
  const whole = taps * record[NnJob.DW_PLANES]!;
  const zeros = taps * record[NnJob.IN_Z]! - whole;
  return coefficientBytes(chip, kernels, { whole, small: 0, zeros });
}

/** The job's record for a group of input channels. */
function groupRecord(work: NnWork, channels: number): NnWork["record"] {
  const { record } = work;
  const outputs = channels * record[NnJob.DW_MULTIPLIER]!;
  const planes = channels * planesEach(work);
  return {
    ...record,
    [NnJob.IN_Z]: planes,
    [NnJob.COEF_PLANES]: planes,
    [NnJob.OUT_Z]: outputs,
    [NnJob.TILE_OUT_Z]: outputs,
    [NnJob.COEF_KERNELS]: outputs,
  };
}

/** One job for each group. */
function cut(work: NnWork, sizes: readonly number[]): NnWork[] {
  const plane = planeBytes(work);
  const multiplier = work.record[NnJob.DW_MULTIPLIER]!;
  const inBytes = plane.input * planesEach(work);
  const outBytes = plane.output * multiplier;
  let first = 0;
  return sizes.map((channels) => {
    const from = first;
    first += channels;
    const kernels = { from: from * multiplier, count: channels * multiplier };
    return {
      ...work,
      record: groupRecord(work, channels),
      weights: sliceWeights(work.weights, kernels),
      biases: work.biases.slice(kernels.from, kernels.from + kernels.count),
      input: piece(work.input, from * inBytes, channels * inBytes),
      output: piece(work.output, from * outBytes, channels * outBytes),
    };
  });
}

const piece = ({ buffer, offset }: BufferRef, from: number, bytes: number): BufferRef => ({
  buffer,
  offset: offset + from,
  bytes,
});

/** Weights of some channels; channels are innermost. */
function sliceWeights(
  weights: WeightPlan,
  { from, count }: { from: number; count: number },
): WeightPlan {
  const taps = weights.bytes.length / weights.inC;
  const bytes = new Uint8Array(taps * count);
  for (let tap = 0; tap < taps; tap++) {
    const at = tap * weights.inC + from;
    bytes.set(weights.bytes.subarray(at, at + count), tap * count);
  }
  return { ...weights, bytes, outC: count, inC: count, channels: count };
}
