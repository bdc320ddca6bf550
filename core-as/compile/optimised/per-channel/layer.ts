// A layer with a scale for each channel as the planner sees it: what its channels demand and what its jobs cost.
// SPDX-License-Identifier: MIT
import { generationOf, type Chip } from "../../../hw/chips.ts";
import type { System } from "../../../hw/systems.ts";
import { convolutionFactor } from "../../../ir/fixed-point.ts";
import type { Graph, Op, Tensor } from "../../../ir/graph.ts";
import type { ConvGeometry } from "../../../legalise/conv-geometry.ts";
import { ceilDiv, zp8 } from "../../lower-shared.ts";
import type { Accuracy } from "../../options.ts";
import { lowestOf } from "../numerics.ts";
import { BUDGETS, ErrorBudget, remainderOf, type ChannelDemand } from "./budget.ts";
import type { ChannelItem, GroupCost, GroupingLimits } from "./grouping.ts";
import { InputModel, mixed, type Moments } from "./input-model.ts";
import { shareAbove } from "./normal.ts";
import { channelKernels, type ChannelKernels } from "./kernels.ts";

/** More copies cost more than the groups that they save. */
const COPIES = [1, 2, 3, 4, 6, 8];

/** Addresses of sub-tensors stay at multiples of this (spec/cost-model.md, Limits on freedom). */
const ALIGN = 64;

export interface ChannelLayer {
  op: Op;
  geometry: ConvGeometry;
  kernels: ChannelKernels;
  /** Output steps for each accumulator step of TFLite, by channel. */
  factors: Float64Array;
  /** Expected inputs, with what is kept for being wrong about them. */
  inputs: Moments;
  border: Border;
  budget: ErrorBudget;
  items: ChannelItem[];
  /** Output channels of an item. */
  unit: number;
  /** Items between two places where a job may begin. */
  step: number;
  cost: GroupCost;
  limits: GroupingLimits;
}

/** True for int8 weights with a scale for each output channel. */
export function isPerChannel(graph: Graph, op: Op): boolean {
  const convolves = /^(CONV_2D|DEPTHWISE_CONV_2D|FULLY_CONNECTED)$/.test(op.kind);
  return convolves && (graph.tensors[op.inputs[1] ?? -1]?.quant?.scales.length ?? 0) > 1;
}

/** What planning a layer needs. */
export function channelLayer(
  graph: Graph,
  op: Op,
  geometry: ConvGeometry,
  chip: Chip,
  system: System,
  accuracy: Accuracy,
): ChannelLayer {
  const [input, weight] = op.inputs.map((id) => graph.tensors[id]) as [Tensor, Tensor];
  const output = graph.tensors[op.outputs[0]!]!;
  const kernels = channelKernels(graph, op)!;
  const factors = Float64Array.from(weight.quant!.scales, (scale) =>
    convolutionFactor(op.kind, input, weight, scale, output),
  );
  const inputs = doubtful(InputModel.of(graph).moments(input.id));
  const border = borderOf(geometry, accuracy);
  const unit = geometry.depthwise ? geometry.out.c / geometry.in.c : 1;
  const budget = new ErrorBudget(BUDGETS[accuracy], zp8(output), lowestOf(op, output));
  const seen = seenShares(graph, op, factors.length);
  const demands = demandsOf(kernels, factors, inputs, border).map((found, c) => {
    const demand = { ...found, seen: seen[c]!, remainder: remainderOf(found.extreme) };
    return { ...demand, ceiling: budget.ceiling(demand) };
  });
  const items = Array.from({ length: factors.length / unit }, (_, i): ChannelItem => {
    const own = demands.slice(i * unit, (i + 1) * unit);
    return {
      floor: Math.max(...own.map(({ floor }) => floor)),
      ceiling: Math.min(...own.map(({ ceiling }) => ceiling)),
      demands: own,
    };
  });
  const step = stepOf(geometry, unit);
  return {
    op,
    geometry,
    kernels,
    factors,
    inputs,
    border,
    budget,
    items,
    unit,
    step,
    cost: jobCost(geometry, kernels, step, chip, system),
    limits: {
      maxFactor: generationOf(chip).maxFactor,
      copies: accuracy === "fast" || unit > 1 ? [1] : COPIES,
      remainders: accuracy !== "fast" && unit === 1 && keepsSides(geometry),
    },
  };
}

/** Deviations that were computed may be too small: by a quarter everywhere, and by much in single channels. */
const MARGIN = 1.1;
const COMMON = 0.2;

function doubtful(moments: Moments): Moments {
  if (moments.source === "uniform") return moments;
  const { deviation } = moments;
  const squares = deviation.reduce((sum, value) => sum + value * value, 0);
  const common = COMMON ** 2 * (squares / deviation.length);
  return {
    ...moments,
    deviation: deviation.map((value) => Math.sqrt((MARGIN * value) ** 2 + common)),
  };
}

/** What a padded image's border does to kernels. */
export interface Border {
  /** Share of the taps that lie outside at once: in a corner where every output counts, else at an edge. */
  outside: number;
  /** Share of the outputs where some do. */
  share: number;
}

function borderOf(geometry: ConvGeometry, accuracy: Accuracy): Border {
  const { kS, kF, padTop, padLeft, folded, stacked, in: from, out } = geometry;
  const image = stacked?.from ?? from;
  const [top, left] = stacked ? [stacked.padTop, stacked.padLeft] : [padTop, padLeft];
  // Padding behind the image is as much as before it, or one more where a stride leaves an odd number.
  const odd = folded !== null || geometry.stride > 1 ? 1 : 0;
  const behind = (before: number, kernel: number): number =>
    kernel > 1 && (before > 0 || odd > 0) ? before + odd : 0;
  const missing = (before: number, kernel: number, side: number): number =>
    Math.min(1, Math.max(behind(before, kernel), kernel - side, 0) / kernel);
  const [rows, columns] = [missing(top, kS, image.s), missing(left, kF, image.f)];
  const corner = 1 - (1 - rows) * (1 - columns);
  const [edgeRows, edgeColumns] = [
    Math.min(1, (2 * behind(top, kS)) / out.s),
    Math.min(1, (2 * behind(left, kF)) / out.f),
  ];
  return {
    outside: accuracy === "exact" ? corner : Math.max(rows, columns),
    share: 1 - (1 - edgeRows) * (1 - edgeColumns),
  };
}

/** Shares of the outputs, by channel, that lie inside the output's range; one step more on both sides. */
function seenShares(graph: Graph, op: Op, channels: number): Float64Array {
  const before = InputModel.of(graph).unclipped(op.outputs[0]!);
  if (before === null) return new Float64Array(channels).fill(1);
  const { mean, deviation, least, most } = before;
  return Float64Array.from(mean, (middle, c) => {
    const spread = Math.max(deviation[c]!, 1e-9);
    const [low, high] = [(least - 1 - middle) / spread, (most + 1 - middle) / spread];
    // Inputs that are less spread than expected are not trusted to hide anything.
    return Math.min(1, 2 * Math.max(0, shareAbove(low) - shareAbove(high)));
  });
}

/** A guess for the square of rounding errors: a twelfth, and what balancing their sums adds. */
const ROUNDING = 1.15 / 12;

function demandsOf(
  { row, planes, taps, firstPlane, count }: ChannelKernels,
  factors: Float64Array,
  { mean, deviation, correlation }: Moments,
  { outside, share }: Border,
): Omit<ChannelDemand, "ceiling" | "seen" | "remainder">[] {
  const demands: Omit<ChannelDemand, "ceiling" | "seen" | "remainder">[] = [];
  for (let c = 0; c < count; c++) {
    const weights = row(c);
    const first = firstPlane(c);
    let [largest, inside, edge, white, smooth] = [0, 0, 0, 0, 0];
    for (let z = 0; z < planes; z++) {
      const variance = deviation[first + z]! ** 2;
      let [sum, squares, some] = [0, 0, 0];
      for (let tap = 0; tap < taps; tap++) {
        const w = weights[tap * planes + z]!;
        largest = Math.max(largest, Math.abs(w));
        sum += w;
        squares += w * w;
        if (w !== 0) some++;
      }
      // Balanced errors of one plane's taps add up to at most half a step.
      const inner = mixed(some, Math.min(some, 1), correlation) * variance;
      inside += inner;
      edge += (1 - outside) * inner + outside * some * mean[first + z]! ** 2;
      white += squares * variance;
      smooth += sum * sum * variance;
    }
    demands.push({
      factor: factors[c]!,
      floor: (factors[c]! * largest) / 127,
      rounding: Math.sqrt(ROUNDING * ((1 - share) * inside + share * Math.max(inside, edge))),
      extreme: Math.sqrt(ROUNDING * (share > 0 ? Math.max(inside, edge) : inside)),
      signal: Math.sqrt(mixed(white, smooth, correlation)),
    });
  }
  return demands;
}

/** Whether an output plane has the sides of the input's, pixel for pixel. */
function keepsSides({ in: from, out, ...how }: ConvGeometry): boolean {
  const { folded, firstPixel, sampled, stacked } = how;
  const moved = folded !== null || firstPixel || sampled !== null || stacked !== null;
  const hasCentre = how.padTop % how.dilationS === 0 && how.padLeft % how.dilationF === 0;
  return !moved && hasCentre && from.s === out.s && from.f === out.f;
}

/** Bytes of an input plane as the NN job reads it, all phases of a fold included. */
export function inputPlane({ folded, in: from }: ConvGeometry): number {
  return folded ? folded.x * folded.y * folded.rows * folded.columns : from.s * from.f;
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

/** Kernels of a core in one pass, about. */
const SUPERBLOCK = 16;

/** Predicts the time of a group's job, roughly: its tiles and caches are not planned yet. */
function jobCost(
  geometry: ConvGeometry,
  { planes, taps }: ChannelKernels,
  step: number,
  chip: Chip,
  system: System,
): GroupCost {
  const { depthwise, out, in: from, firstPixel } = geometry;
  const dropped = firstPixel ? 4 : 1;
  const passes = ceilDiv(outputPlane(geometry) * dropped, chip.madPerCore);
  const input = inputPlane(geometry);
  const each = (channels: number): number =>
    chip.nnCoreVersion === 7
      ? taps === 1
        ? ceilDiv(channels, 6)
        : channels * ceilDiv(taps, 6)
      : 3 * ceilDiv(channels * taps, 9);
  const unit = depthwise ? out.c / from.c : 1;
  const busyMs = (cycles: number, bytes: number): number =>
    Math.max(cycles / (system.clockMHz * 1e3), bytes / (system.bandwidthGBs * 1e6)) +
    system.overheadUs / 1e3;
  /** A job that reads so many planes, `seen` of them with each kernel. */
  const jobMs = (kernels: number, read: number, seen: number, stored: number): number => {
    const most = ceilDiv(kernels, Math.min(kernels, chip.nnCores));
    // Without image cache every pass over the kernels reads the planes anew.
    const reads = chip.nnCoreVersion === 8 ? ceilDiv(most, SUPERBLOCK) : 1;
    const bytes = reads * read * input + kernels * (stored + outputPlane(geometry));
    return busyMs(passes * most * each(seen), bytes);
  };
  const copyMs = (read: number): number => busyMs(0, 2 * read * input);
  return ({ first, count, copies, remainder }) => {
    const items = count + (first % step);
    const kernels = items * unit;
    if (depthwise) {
      // Depthwise jobs of a plane for each channel are divided further where that pays, or have a mode of their own.
      const seen = chip.depthwise ? 1 : Math.min(items, Math.max(step, 16));
      const plain = jobMs(kernels, items, seen, taps + items / 4);
      if (remainder > 0) {
        // Remainders lie behind all planes, so that the job reads over those between.
        const planes = from.c - first + items;
        return plain + jobMs(kernels, planes, planes, taps + planes / 4);
      }
      if (copies === 1) return plain;
      const planes = copies * items;
      return copyMs(planes) + jobMs(kernels, planes, planes, copies * taps + planes / 4);
    }
    const plain = jobMs(kernels, planes, planes, planes * taps);
    if (remainder > 0)
      return plain + jobMs(kernels, planes + items, planes + items, planes * taps + items / 16);
    if (copies === 1) return plain;
    const read = copies * planes;
    return copyMs(read) + jobMs(kernels, read, read, read * taps);
  };
}
