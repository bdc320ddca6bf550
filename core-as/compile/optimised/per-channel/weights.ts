// Weights and biases of one job of a layer with a scale for each channel.
// SPDX-License-Identifier: MIT
import type { Tensor } from "../../../ir/graph.ts";
import type { ConvGeometry } from "../../../legalise/conv-geometry.ts";
import { REMAINDER_RANGE } from "./budget.ts";
import type { ChannelGroup } from "./grouping.ts";
import type { ChannelLayer } from "./layer.ts";
import {
  REMAINDER_STEPS,
  requantiseChannel,
  requantiseInParts,
  splitChannel,
} from "./requantise.ts";
import type { SampledError } from "./samples.ts";
import type { PlaneMoments, SumError } from "./sum-error.ts";
import type { ErrorTail } from "./tail.ts";

/** What a job's channels are off by, in output steps before rounding; each the worst of its channels. */
export interface GroupError {
  deviation: number;
  /** What is planned for: the deviations that are covered, and the roundings of bias and TFLite. */
  bound: number;
  /** For any inputs within their range. */
  worst: number;
  /** Sum over the channels of the share of outputs that are more than one step off, as far as no end of the range hides it. */
  beyond: number;
}

export interface GroupWeights {
  weight: Tensor;
  biases: Int32Array;
  /** Of the job that computes the remainders first, if there is one. */
  rest: { weight: Tensor; biases: Int32Array } | null;
  error: GroupError;
}

/** Largest errors on photographs, for each one on synthetic pictures. */
const MARGIN = 1.08;

/** Of a second supply's own error, where the sum's largest is known: both are large at once only by chance. */
const SUPPLY_DEVIATIONS = 3;

/** Larger biases saturate the output all the same, and must not overflow the accumulator. */
const LARGEST_BIAS = 2 ** 29;

const limited = (bias: number): number =>
  Math.min(Math.max(Math.round(bias), -LARGEST_BIAS), LARGEST_BIAS);

/** What the input's order means for weights. */
export interface InputOrder {
  /** Place of each plane; null = the model's order. */
  places: ArrayLike<number> | null;
  planes: number;
}

/** What a group's weights are made of. */
export interface GroupParts {
  layer: ChannelLayer;
  group: ChannelGroup;
  /** Output channels in the order of the job; null stands for one that another job overwrites. */
  channels: readonly (number | null)[];
  biases: Int32Array;
  input: InputOrder;
  /** Planes of a depthwise group's input up to its remainders. */
  span: number;
  /** Places of remainders before the planes; 0 = they are behind them. */
  before: number;
  /** Kernels follow that compute all channels at this part of a step: 4 = a quarter; null = none do. */
  fraction: number | null;
  /** The layer's weights, for all that is not replaced. */
  template: Tensor;
}

/** Weights of a group, requantised to its multiplier. */
export function groupWeights(parts: GroupParts): GroupWeights {
  const { layer, group, channels, input } = parts;
  const { kernels, geometry } = layer;
  const { taps } = kernels;
  const fraction = parts.fraction;
  const count = channels.length * (fraction === null ? 1 : 2);
  const inParts = group.rounding === "fractions";
  const isDense = !geometry.depthwise || inParts || group.remainder > 0;
  const planes = geometry.depthwise ? parts.span : input.planes;
  const { before } = parts;
  const rooms = group.remainder > 0 ? Math.max(before, count) : 0;
  const all = planes * (inParts ? 2 : 1) + rooms;
  const store = isDense ? denseStore(count, taps, all) : depthwiseStore(count, taps);
  const rests = group.remainder > 0 ? restStore(parts) : null;
  const biases = new Int32Array(count);
  const restBiases = new Int32Array(count);
  const error: GroupError = { deviation: 0, bound: 0, worst: 0, beyond: 0 };
  for (const [at, channel] of channels.entries()) {
    if (channel === null) continue;
    const made = channelWeights({ ...parts, isClose: true }, channel);
    if (fraction !== null) {
      const multiplier = group.multiplier * fraction;
      const finer = channelWeights(
        { ...parts, group: { ...group, multiplier }, isClose: false },
        channel,
      );
      biases[channels.length + at] = limited(finer.bias);
      placeKernel(parts, channels.length + at, channel, finer, store, planes);
    }
    biases[at] = limited(made.bias);
    restBiases[at] = limited(made.restBias);
    addError(error, made.error, seenShare(layer, channel));
    placeKernel(parts, at, channel, made, store, planes);
    if (rests === null) continue;
    placeWeights(parts, at, channel, made.rest, rests, 0);
    store.set(at, centreTap(geometry), before > 0 ? at : planes + at, group.remainder);
  }
  const tensor = (of: WeightStore): Tensor => ({
    ...parts.template,
    shape: of.shape(parts.template.shape),
    constant: of.bytes,
    quant: { scales: Float32Array.of(1), zeroPoints: Int32Array.of(0), axis: 0 },
  });
  return {
    weight: tensor(store),
    biases,
    rest: rests && { weight: tensor(rests), biases: restBiases },
    error,
  };
}

const restStore = ({ layer, channels, input }: GroupParts): WeightStore =>
  layer.geometry.depthwise
    ? depthwiseStore(channels.length, layer.kernels.taps)
    : denseStore(channels.length, layer.kernels.taps, input.planes);

/** The tap that lies on the output's pixel. */
const centreTap = ({ padTop, padLeft, kF, dilationS, dilationF }: ConvGeometry): number =>
  (padTop / dilationS) * ((kF - 1) / dilationF + 1) + padLeft / dilationF;

interface ChannelWeights {
  whole: Int16Array;
  /** For the planes at a fraction, if the group has some. */
  fractions: Int16Array;
  /** Of the remainder, if the group has one. */
  rest: Int16Array;
  bias: number;
  restBias: number;
  error: GroupError;
}

interface ChannelParts {
  layer: Omit<ChannelLayer, "items">;
  group: ErrorGroup;
  biases: Int32Array | null;
  /** Values of pictures are looked at, if there are some. */
  isClose: boolean;
}

/** Weights and bias of one channel. */
function channelWeights(
  { layer, group, biases, isClose }: ChannelParts,
  channel: number,
): ChannelWeights {
  const { kernels, factors, border } = layer;
  const { planes, taps } = kernels;
  const { multiplier, rounding, remainder } = group;
  const ratio = factors[channel]! / multiplier;
  const shape = { planes, taps, border };
  const inputs = planeMoments(layer, kernels.firstPlane(channel));
  const whole = new Int16Array(planes * taps);
  const others = new Int16Array(rounding === "fractions" || remainder > 0 ? planes * taps : 0);
  const row = kernels.row(channel);
  const bias = (biases?.[channel] ?? 0) * ratio;
  const factor = factors[channel]!;
  const none = new Int16Array(0);
  if (remainder === 0) {
    const made =
      rounding === "whole"
        ? { ...requantiseChannel(row, ratio, shape, inputs, whole), supplied: 0 }
        : requantiseInParts(row, ratio, layer.supply, shape, inputs, whole, others);
    const error = errorOf(layer.tail, multiplier, factor, made, 0);
    if (isClose && layer.samples !== null && error.worst > 1) {
      const { parts } = layer.supply;
      const errors = Float64Array.from(
        whole,
        (weight, k) => weight + (others[k] ?? 0) / parts - row[k]! * ratio,
      );
      const plane = kernels.firstPlane(channel);
      const seen = layer.samples.errorOf(plane, errors, made.centre, multiplier);
      addSeen(error, seen, multiplier * (0.5 + SUPPLY_DEVIATIONS * made.supplied) + factor);
    }
    return { whole, fractions: others, rest: none, bias: bias - made.centre, restBias: 0, error };
  }
  const { first, left } = splitChannel(row, ratio, shape, inputs, whole, others);
  let centre = 0;
  for (let k = 0; k < others.length; k++) centre += others[k]! * inputs.mean[k % planes]!;
  return {
    whole,
    fractions: none,
    rest: others,
    // Around the expected inputs, so that the remainder's byte is in the middle of its range.
    bias: bias + centre / REMAINDER_STEPS,
    restBias: -centre,
    error: errorOf(
      layer.tail,
      multiplier,
      factor,
      withRemainder(first, left, remainder),
      remainder / 2,
    ),
  };
}

interface KnownError {
  error: GroupError;
  /** By the values of pictures as well, where these are known. */
  isClose: boolean;
}

/** What channels of one operator are off by, as far as somebody asked: the same for all plans of it. */
export class KnownErrors {
  private readonly found = new Map<string, Map<number, KnownError>[]>();

  /** Of one channel, by multiplier. */
  of(
    { supply }: ChannelParts["layer"],
    { rounding, remainder }: ErrorGroup,
    channel: number,
  ): Map<number, KnownError> {
    const way = rounding === "whole" ? `${remainder}` : `${supply.parts}/${supply.variance}`;
    let channels = this.found.get(way);
    if (channels === undefined) this.found.set(way, (channels = []));
    return (channels[channel] ??= new Map());
  }
}

type ErrorGroup = Pick<ChannelGroup, "multiplier" | "rounding" | "remainder">;

/**
 * What a channel is off by in a group.
 * @param isClose also by the values of pictures, where these are known; what somebody found out that way counts in any case
 */
export function channelError(
  layer: ChannelParts["layer"],
  group: ErrorGroup,
  channel: number,
  isClose = false,
): GroupError {
  const known = layer.errors.of(layer, group, channel);
  const found = known.get(group.multiplier);
  if (found !== undefined && (found.isClose || !isClose)) return found.error;
  const { error } = channelWeights({ layer, group, biases: null, isClose }, channel);
  known.set(group.multiplier, { error, isClose });
  return error;
}

/** The error that is left when remainders are added: what their own rounding and range leave. */
function withRemainder({ largest }: SumError, left: SumError, remainder: number): SumError {
  // What does not fit the remainder's byte is missing.
  const cut = Math.max(0, largest - REMAINDER_RANGE * remainder);
  return { ...left, largest: left.largest + cut };
}

/** Stores a channel's weights for the planes and, if it has some, for those at a fraction. */
function placeKernel(
  parts: GroupParts,
  at: number,
  channel: number,
  { whole, fractions }: ChannelWeights,
  store: WeightStore,
  planes: number,
): void {
  placeWeights(parts, at, channel, whole, store, parts.before);
  if (parts.group.rounding === "fractions")
    placeWeights(parts, at, channel, fractions, store, planes);
}

/** Stores a channel's weights for planes from `begin` on. */
function placeWeights(
  { layer, input }: GroupParts,
  at: number,
  channel: number,
  weights: Int16Array,
  store: WeightStore,
  begin: number,
): void {
  const { kernels, geometry } = layer;
  const { planes, taps } = kernels;
  const first = geometry.depthwise ? at : kernels.firstPlane(channel);
  for (let tap = 0; tap < taps; tap++)
    for (let z = 0; z < planes; z++) {
      const place = geometry.depthwise || !input.places ? first + z : input.places[first + z]!;
      store.set(at, tap, begin + place, weights[tap * planes + z]!);
    }
}

function planeMoments(
  { inputs, kernels }: Pick<ChannelLayer, "inputs" | "kernels">,
  first: number,
): PlaneMoments {
  const { mean, deviation, correlation } = inputs;
  const last = first + kernels.planes;
  return {
    ...inputs,
    mean: mean.subarray(first, last),
    deviation: deviation.subarray(first, last),
    correlation: correlation && correlation.subarray(first, last),
  };
}

/**
 * Error of one channel in output steps.
 * @param rounding accumulator steps that another rounding may be off
 */
function errorOf(
  tail: ErrorTail,
  multiplier: number,
  factor: number,
  { deviation, reach, largest, centre }: SumError,
  rounding: number,
): GroupError {
  // A channel with its own weights and multiplier differs by its output stage only.
  const isExact = multiplier * (largest + Math.abs(centre)) < 1e-6;
  const rest = isExact ? 0 : multiplier * (rounding + 0.5) + factor;
  const own = multiplier * Math.hypot(deviation, rounding / Math.sqrt(3));
  const worst = multiplier * largest + rest;
  return {
    deviation: own,
    bound: Math.min(multiplier * reach + rest, worst),
    worst,
    beyond: worst <= 1 ? 0 : tail.shareBeyondOne(own),
  };
}

/**
 * Takes the larger of what is expected and of what is read on pictures.
 * @param others what else a bound covers
 */
function addSeen(error: GroupError, { largest, beyond }: SampledError, others: number): void {
  const bound = MARGIN * largest + others;
  error.bound = Math.max(error.bound, Math.min(bound, error.worst));
  error.beyond = Math.max(error.beyond, beyond);
}

/** See ChannelDemand. */
export const seenShare = ({ items, unit }: ChannelLayer, channel: number): number =>
  items[Math.floor(channel / unit)]!.demands[channel % unit]!.seen;

function addError(
  sum: GroupError,
  { deviation, bound, worst, beyond }: GroupError,
  seen: number,
): void {
  sum.deviation = Math.max(sum.deviation, deviation);
  sum.bound = Math.max(sum.bound, bound);
  sum.worst = Math.max(sum.worst, worst);
  sum.beyond += seen * beyond;
}

interface WeightStore {
  bytes: Uint8Array;
  set(kernel: number, tap: number, plane: number, value: number): void;
  shape(of: readonly number[]): number[];
}

/** [o][s][f][z] */
function denseStore(count: number, taps: number, planes: number): WeightStore {
  const bytes = new Uint8Array(count * taps * planes);
  return {
    bytes,
    set: (kernel, tap, plane, value) => {
      bytes[(kernel * taps + tap) * planes + plane] = value;
    },
    shape: (of) => [count, ...of.slice(1, -1), planes],
  };
}

/** [s][f][o] */
function depthwiseStore(count: number, taps: number): WeightStore {
  const bytes = new Uint8Array(count * taps);
  return {
    bytes,
    set: (kernel, tap, _, value) => {
      bytes[tap * count + kernel] = value;
    },
    shape: (of) => [...of.slice(0, -1), count],
  };
}
