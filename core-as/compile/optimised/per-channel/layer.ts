// A layer with a scale for each channel as the planner sees it: what its channels demand and what its jobs cost.
// SPDX-License-Identifier: MIT
import { generationOf, type Chip } from "../../../hw/chips.ts";
import { convolutionFactor } from "../../../ir/fixed-point.ts";
import type { Extent } from "../../../ir/extent.ts";
import { elementCount, type Graph, type Op, type Tensor } from "../../../ir/graph.ts";
import type { ConvGeometry } from "../../../legalise/conv-geometry.ts";
import { ceilDiv } from "../../lower-shared.ts";
import type { JobPrice } from "../context.ts";
import { sizedRecord } from "../records.ts";
import { coefficientBytes } from "../search/coefficient-estimate.ts";
import { borderCases } from "./border.ts";
import { remainderOf, type ChannelDemand, type ErrorBudget, type Rounding } from "./budget.ts";
import { COARSE, FINE, type ChannelItem, type GroupCost, type GroupingLimits } from "./grouping.ts";
import { PixelVariance, type InputModel, type Moments } from "./input-model.ts";
import { channelKernels, type ChannelKernels } from "./kernels.ts";
import { directionsFor, type BoundedCase } from "./sum-error.ts";
import { ErrorTail, EVEN, HARDLY_ANY } from "./tail.ts";
import type { FractionSource } from "./fraction-source.ts";
import { bestSupply, partsVariance, ROUNDED, type Supply } from "./requantise.ts";
import { hasFewProducts, WindowSamples } from "./samples.ts";
import { ALIGN, staysInPlace, supplyWay } from "./supply.ts";
import { channelError, KnownErrors } from "./weights.ts";

export interface ChannelLayer {
  op: Op;
  geometry: ConvGeometry;
  kernels: ChannelKernels;
  /** Output steps for each accumulator step of TFLite, by channel. */
  factors: Float64Array;
  /** Expected inputs, with what is kept for being wrong about them. */
  inputs: Moments;
  /** What weights with fractions are multiplied by. */
  supply: Supply;
  source: FractionSource | null;
  border: readonly BoundedCase[];
  tail: ErrorTail;
  errors: KnownErrors;
  /** What a layer of few products reads on synthetic pictures; null = none are known. */
  samples: WindowSamples | null;
  budget: ErrorBudget;
  items: ChannelItem[];
  /** Output channels of an item. */
  unit: number;
  /** Items between two places where a job may begin. */
  step: number;
  cost: GroupCost;
  /** Predicted time of supplying all planes at a fraction, once for all groups; 0 where each group has its own. */
  supplyMs: number;
  /** The same by a job of its own. */
  ownSupplyMs: number;
  limits: GroupingLimits;
}

/** True for int8 weights with a scale for each output channel. */
export function isPerChannel(graph: Graph, op: Op): boolean {
  const convolves = /^(CONV_2D|DEPTHWISE_CONV_2D|FULLY_CONNECTED)$/.test(op.kind);
  return convolves && (graph.tensors[op.inputs[1] ?? -1]?.quant?.scales.length ?? 0) > 1;
}

/** What all plans of one operator have in common. */
export class KnownLayer {
  /** Of jobs. */
  readonly prices = new Map<number, number>();
  readonly errors = new KnownErrors();
}

export interface LayerSettings {
  chip: Chip;
  price: JobPrice;
  /** What is known about the operator already. */
  known: KnownLayer;
  budget: ErrorBudget;
  model: InputModel;
  /** What computes the input can supply it at a fraction as well; null = a job of its own does. */
  source: FractionSource | null;
}

/** What planning a layer needs. */
export function channelLayer(
  graph: Graph,
  op: Op,
  geometry: ConvGeometry,
  { chip, price, known, budget, model, source: computing }: LayerSettings,
): ChannelLayer {
  const [input, weight] = op.inputs.map((id) => graph.tensors[id]) as [Tensor, Tensor];
  const output = graph.tensors[op.outputs[0]!]!;
  const kernels = channelKernels(graph, op)!;
  const factors = Float64Array.from(weight.quant!.scales, (scale) =>
    convolutionFactor(op.kind, input, weight, scale, output),
  );
  const inputs = model.expected(input.id, geometry.depthwise);
  const source = geometry.depthwise || !readsAsItLies(geometry) ? null : computing;
  const supply = supplyOf(inputs, source);
  const isPointwise = kernels.taps === 1 && !geometry.depthwise;
  const tail = new ErrorTail(geometry.depthwise ? EVEN : model.unevenness(input.id, isPointwise));
  const whole = new ErrorTail(geometry.depthwise ? EVEN : model.unevenness(input.id, false));
  const pixels = elementCount(output.shape) / factors.length;
  const outside = budget.outside(factors.length);
  const outsideOf = (share: number): number =>
    inputs.source === "pictures" ? outside / (pixels * share) : HARDLY_ANY;
  const border = borderCases(graph, op, geometry).map((some) => ({
    ...some,
    sigmas: tail.sigmas(outsideOf(some.share)),
  }));
  const pictures = hasFewProducts(graph, op) ? model.pictures(input.id) : [];
  const unit = geometry.depthwise ? geometry.out.c / geometry.in.c : 1;
  const seen = seenShares(model, op, factors.length);
  const step = stepOf(geometry, unit);
  const layer: Omit<ChannelLayer, "items"> = {
    op,
    geometry,
    kernels,
    factors,
    inputs,
    supply,
    source,
    border,
    tail,
    errors: known.errors,
    samples: pictures.length > 0 ? new WindowSamples(graph, op, pictures) : null,
    budget,
    unit,
    step,
    ...jobCosts(geometry, kernels, step, source, { chip, price, known: known.prices }),
    limits: {
      maxFactor: generationOf(chip).maxFactor,
      fractions: budget.largest < Infinity && unit === 1,
      remainders: budget.largest < Infinity && unit === 1 && takesRemainders(geometry),
      looks: budget.largest > 1 ? COARSE : FINE,
    },
  };
  const demands = demandsOf(layer, seen, whole.sigmas(outsideOf(1)));
  const items = Array.from(
    { length: factors.length / unit },
    (_, i) => new LayerItem(layer, demands.slice(i * unit, (i + 1) * unit), i * unit),
  );
  return { ...layer, items };
}

/** Below this share of the expected ceiling, and so far above it, nobody needs to look closer. */
const SURE = 0.5;
const HOPELESS = 4;
/** So far above their ceiling, weights of few planes may happen to be rounded well. */
const LUCKY = 2.5;
/** After so many that did not do, nothing above a ceiling is tried any more. */
const MOST_SURPRISES = 6;
const FEW_PLANES: Readonly<Record<Rounding, number>> = { whole: 4, fractions: 64 };
/** Steps in which a ceiling is looked for. */
const CEILING_STEP = 1.12;
const CEILING_STEPS = 8;
/** Steps in which a smaller one is looked for, after a ceiling turned out to be too high. */
const NEXT_STEP = 1.03;
const NEXT_STEPS = 4;

/** Channels of one item; whether they fit a multiplier is found by rounding their weights for it. */
class LayerItem implements ChannelItem {
  readonly floor: number;
  private readonly channels: readonly ChannelFit[];
  private readonly known: Record<Rounding, number>;

  constructor(
    layer: Omit<ChannelLayer, "items">,
    readonly demands: readonly ChannelDemand[],
    first: number,
  ) {
    this.floor = Math.max(...demands.map(({ floor }) => floor));
    this.channels = demands.map((demand, i) => new ChannelFit(layer, demand, first + i));
    this.known = { whole: this.least("whole"), fractions: this.least("fractions") };
  }

  fits(multiplier: number, rounding: Rounding): boolean {
    if (multiplier <= this.known[rounding]) return true;
    const fits = this.channels.every((channel) => channel.allows(multiplier, rounding));
    this.known[rounding] = this.least(rounding);
    return fits;
  }

  sure(rounding: Rounding): number {
    return this.known[rounding];
  }

  tighten(multiplier: number, rounding: Rounding): void {
    for (const channel of this.channels) channel.tighten(multiplier, rounding);
    this.known[rounding] = this.least(rounding);
  }

  private least(rounding: Rounding): number {
    return Math.min(...this.channels.map((channel) => channel.sure(rounding)));
  }
}

/** With which multipliers one channel stays inside the budget. */
class ChannelFit {
  private readonly ceilings: Partial<Record<Rounding, number>> = {};
  /** Multipliers that turned out to be too large. */
  private surprises = 0;

  constructor(
    private readonly layer: Omit<ChannelLayer, "items">,
    private readonly demand: ChannelDemand,
    private readonly channel: number,
  ) {}

  sure(rounding: Rounding): number {
    return this.ceilings[rounding] ?? SURE * this.demand.ceiling[rounding];
  }

  allows(multiplier: number, rounding: Rounding): boolean {
    const { ceiling, factor, floor } = this.demand;
    const expected = ceiling[rounding];
    if (multiplier <= SURE * expected) return true;
    const ratio = factor / multiplier;
    const mayTry = this.surprises < MOST_SURPRISES;
    const isNearWhole = mayTry && Math.abs(ratio - Math.round(ratio)) * 127 < 2;
    if (multiplier > HOPELESS * expected && !isNearWhole) return false;
    const found = (this.ceilings[rounding] ??= this.ceiling(rounding));
    if (multiplier <= found) return true;
    // Channels that no shared multiplier suits may be lucky with one.
    const mayBeLucky =
      mayTry && this.layer.kernels.planes <= FEW_PLANES[rounding] && floor > SURE * found;
    if (!isNearWhole && (!mayBeLucky || multiplier > LUCKY * found)) return false;
    return this.isInside(multiplier, rounding);
  }

  /** Lowers the ceiling where a multiplier below it does not do. */
  tighten(multiplier: number, rounding: Rounding): void {
    const isClose = this.layer.samples !== null;
    if (this.isInside(multiplier, rounding, isClose)) return;
    this.surprises++;
    // What is a little smaller may be as bad.
    let ceiling = multiplier / NEXT_STEP;
    for (let step = 1; step < NEXT_STEPS && !this.isInside(ceiling, rounding, isClose); step++)
      ceiling /= NEXT_STEP;
    this.ceilings[rounding] = Math.min(this.ceilings[rounding] ?? Infinity, ceiling);
    this.demand.ceiling[rounding] = Math.min(this.demand.ceiling[rounding], multiplier);
  }

  private ceiling(rounding: Rounding): number {
    let at = this.demand.ceiling[rounding];
    const isInside = this.isInside(at, rounding);
    for (let step = 0; step < CEILING_STEPS; step++) {
      const next = isInside ? at * CEILING_STEP : at / CEILING_STEP;
      const fits = this.isInside(next, rounding);
      if (isInside && !fits) break;
      at = next;
      if (!isInside && fits) break;
    }
    return at;
  }

  private isInside(multiplier: number, rounding: Rounding, isClose = false): boolean {
    const group = { multiplier, rounding, remainder: 0 };
    const error = channelError(this.layer, group, this.channel, isClose);
    return this.layer.budget.allows(error, this.demand.seen);
  }
}

/** The second supply that is best for a tensor of these moments, all channels alike. */
function supplyOf({ deviation }: Moments, source: FractionSource | null): Supply {
  const variance = deviation.reduce((sum, value) => sum + value * value, 0) / deviation.length;
  const of = (parts: number): Supply => ({
    parts,
    variance: source?.variance(parts) ?? ROUNDED,
    largest: source?.largest(parts) ?? 0.5,
  });
  return source?.parts ? of(source.parts) : bestSupply(variance, of);
}

/** Shares of the outputs, by channel, that lie inside the output's range; one step more on both sides. */
function seenShares(model: InputModel, { outputs }: Op, channels: number): Float64Array {
  const inside = model.inside(outputs[0]!);
  // Inputs that are less spread than expected are not trusted to hide anything.
  return inside?.map((share) => Math.min(1, 2 * share)) ?? new Float64Array(channels).fill(1);
}

/** A guess for the square of rounding errors: a twelfth, and what balancing their sums adds. */
const ROUNDING = 1.15 / 12;

function demandsOf(
  { kernels, factors, inputs, supply, border, tail, budget }: Omit<ChannelLayer, "items">,
  seen: Float64Array,
  wholeSigmas: number,
): ChannelDemand[] {
  const { row, planes, taps, firstPlane } = kernels;
  const { mean, deviation, correlation } = inputs;
  const rest = directionsFor({ planes, taps }, inputs)?.residual;
  const outside = border.reduce(
    (most, { present }) => Math.max(most, present.filter((tap) => tap === 0).length / taps),
    0,
  );
  const sigmas = border.reduce((most, some) => Math.max(most, some.sigmas), 0);
  return Array.from(factors, (factor, c): ChannelDemand => {
    const weights = row(c);
    const first = firstPlane(c);
    const inner = new PixelVariance(correlation);
    let [largest, edge, inParts, all] = [0, 0, 0, 0];
    for (let z = 0; z < planes; z++) {
      const variance = (rest ?? deviation)[first + z]! ** 2;
      let some = 0;
      for (let tap = 0; tap < taps; tap++) {
        const weight = weights[tap * planes + z]!;
        largest = Math.max(largest, Math.abs(weight));
        if (weight !== 0) some++;
      }
      all += some * deviation[first + z]! ** 2;
      // Balanced errors of one plane's taps add up to at most half a step.
      inner.add(first + z, some * variance, Math.min(some, 1) * variance);
      edge += some * mean[first + z]! ** 2;
      inParts += some * partsVariance(supply, variance);
    }
    const deviationOf = (square: number): number => Math.sqrt(ROUNDING * square);
    // Remainders are of weights that are rounded to the nearest.
    const most = rest ? all : inner.total;
    const worst = Math.max(most, (1 - outside) * most + outside * edge);
    const own = { factor, seen: seen[c]! };
    return {
      ...own,
      // A whole number of times finer, weights stay exactly what they are.
      floor: factor / Math.max(1, Math.floor(127 / Math.max(largest, 1))),
      ceiling: {
        whole: budget.ceiling(own, deviationOf(inner.total), { tail, sigmas }),
        fractions: budget.ceiling(own, Math.sqrt(inParts), { tail, sigmas }),
      },
      remainder: remainderOf(deviationOf(worst), wholeSigmas),
    };
  });
}

/** Whether an output plane has the sides of the input's, pixel for pixel, and may begin behind the input. */
function takesRemainders({ in: from, out, ...how }: ConvGeometry): boolean {
  const { folded, firstPixel, sampled, stacked } = how;
  const moved = folded !== null || firstPixel || sampled !== null || stacked !== null;
  const hasCentre = how.padTop % how.dilationS === 0 && how.padLeft % how.dilationF === 0;
  const isAligned = (from.s * from.f * from.c) % ALIGN === 0;
  return !moved && hasCentre && isAligned && from.s === out.s && from.f === out.f;
}

/** Whether the NN job reads the tensor itself, not what TP jobs make of it. */
export function readsAsItLies({ folded, sampled, stacked }: ConvGeometry): boolean {
  return folded === null && sampled?.at !== "input" && stacked === null;
}

/** Bytes of an input plane as the NN job reads it, all phases of a fold included. */
export function inputPlane({ folded, in: from }: ConvGeometry): number {
  return folded ? folded.x * folded.y * folded.rows * folded.columns : from.s * from.f;
}

/** Some input planes as those that are supplied at a fraction: phases of a fold are planes of their own. */
export function suppliedPlanes({ in: from, folded }: ConvGeometry, planes: number): Extent {
  return folded
    ? { s: folded.rows, f: folded.columns, c: planes * folded.x * folded.y }
    : { s: from.s, f: from.f, c: planes };
}

export const outputPlane = ({ out }: ConvGeometry): number => out.s * out.f;

/** Fewest items after which input and output planes are at a multiple of the alignment again. */
export function stepOf(geometry: ConvGeometry, unit: number): number {
  let step = 1;
  const output = outputPlane(geometry) * unit;
  const input = geometry.depthwise ? inputPlane(geometry) : 0;
  while ((output * step) % ALIGN !== 0 || (input * step) % ALIGN !== 0) step *= 2;
  return step;
}

/** Geometry of a group's job. */
export function groupGeometry(
  geometry: ConvGeometry,
  planes: number,
  outputs: number,
  depthwise: boolean,
): ConvGeometry {
  const { in: image, out } = geometry;
  const pointwise = geometry.kS === 1 && geometry.kF === 1;
  return {
    ...geometry,
    in: { ...image, c: planes },
    out: { ...out, c: outputs },
    depthwise,
    native: depthwise && geometry.native && planes > 1,
    expanded: depthwise && geometry.expanded && planes > 1,
    widen: pointwise && planes === 1,
  };
}

/** Fewest items of the parts that a depthwise job may be divided into. */
const SMALL_PART = 8;

/** What a group's jobs do. */
const enum JobKind {
  PLAIN,
  /** Adds remainders, which lie behind the planes. */
  REMAINDER,
  /** Reads planes a second time, at a fraction. */
  FRACTIONS,
  /** Supplies these. */
  SUPPLY,
}
const KINDS = 4;
/** More than a job's planes; keys of jobs are exact numbers below 2^53. */
const MOST_PLANES = 2 ** 22;

/** Predicts the time of a group's jobs: with the tiles they will have, and about as many coefficients. */
function jobCosts(
  geometry: ConvGeometry,
  { planes, taps }: ChannelKernels,
  step: number,
  source: FractionSource | null,
  { chip, price, known }: Pick<LayerSettings, "chip" | "price"> & { known: KnownLayer["prices"] },
): Pick<ChannelLayer, "cost" | "supplyMs" | "ownSupplyMs"> {
  const { depthwise, out, in: from } = geometry;
  const input = inputPlane(geometry);
  const unit = depthwise ? out.c / from.c : 1;
  const shapes = [geometry, ...widerShapes(geometry)];
  const each = depthwise ? taps : planes * taps;
  const remembered = (kind: number, kernels: number, read: number, ms: () => number): number => {
    const key = (kernels * MOST_PLANES + read) * KINDS + kind;
    let found = known.get(key);
    if (found === undefined) known.set(key, (found = ms()));
    return found;
  };
  /** A job whose kernels read so many planes; a depthwise one stores weights of planes that it does not use as zeros. */
  const jobMs = (kind: JobKind, kernels: number, read: number): number =>
    remembered(kind, kernels, read, () => {
      const whole = kind === JobKind.REMAINDER ? each + 1 : each;
      const small = kind === JobKind.FRACTIONS ? each : 0;
      const isDepthwise = depthwise && kind === JobKind.PLAIN;
      const zeros = isDepthwise && chip.depthwise ? 0 : read * taps - whole - small;
      const coefficients = coefficientBytes(chip, kernels, { whole, small, zeros });
      const times = shapes.map((shape) =>
        price(sizedRecord(chip, groupGeometry(shape, read, kernels, isDepthwise)), coefficients),
      );
      return Math.min(...times);
    });
  /** The job that supplies planes at a fraction, and those themselves when they cannot stay. */
  const supplyMs = (read: number, stays: boolean): number => {
    const copies = !stays || !staysInPlace(read * input);
    return remembered(
      JobKind.SUPPLY,
      copies ? 1 : 0,
      read,
      () => supplyWay(chip, price, suppliedPlanes(geometry, read), copies).ms,
    );
  };
  /** Depthwise jobs of a plane for each channel: divided further where that pays, unless cores have a mode of their own. */
  const plainDepthwise = (items: number): number => {
    if (chip.depthwise) return jobMs(JobKind.PLAIN, items * unit, items);
    let least = Infinity;
    for (let parts = 1; parts === 1 || items / parts >= Math.max(step, SMALL_PART); parts *= 2) {
      const size = ceilDiv(items, parts);
      least = Math.min(least, parts * jobMs(JobKind.PLAIN, size * unit, size));
    }
    return least;
  };
  const cost: GroupCost = ({ first, count, rounding, remainder }) => {
    const items = count + (first % step);
    const kernels = items * unit;
    if (depthwise) {
      const plain = plainDepthwise(items);
      // Remainders lie behind all planes, so that the job reads over those between.
      if (remainder > 0) return plain + jobMs(JobKind.REMAINDER, kernels, from.c - first + items);
      if (rounding === "whole") return plain;
      return supplyMs(items, false) + jobMs(JobKind.FRACTIONS, kernels, 2 * items);
    }
    const plain = jobMs(JobKind.PLAIN, kernels, planes);
    if (remainder > 0) return plain + jobMs(JobKind.REMAINDER, kernels, planes + items);
    if (rounding === "whole") return plain;
    return jobMs(JobKind.FRACTIONS, kernels, 2 * planes);
  };
  const ownSupplyMs = depthwise ? 0 : supplyMs(planes, true);
  return { cost, supplyMs: source?.ms ?? ownSupplyMs, ownSupplyMs };
}

const MAX_TILE = 64;

/** The sides that 1x1 convolutions of small images get, most likely: those that fill tiles (search/pointwise-shapes.ts). */
function widerShapes(geometry: ConvGeometry): ConvGeometry[] {
  const { in: from, out, kS, kF } = geometry;
  const area = out.s * out.f;
  if (kS > 1 || kF > 1 || !readsAsItLies(geometry) || from.s * from.f !== area) return [];
  let f = Math.min(area, MAX_TILE);
  while (area % f !== 0) f--;
  const sides = { s: area / f, f };
  return f === out.f ? [] : [{ ...geometry, in: { ...from, ...sides }, out: { ...out, ...sides } }];
}
