// Plans all layers of a partition that have a scale for each channel: groups of channels, and the orders that tensors get for them.
// SPDX-License-Identifier: MIT
import type { Chip } from "../../../hw/chips.ts";
import type { System } from "../../../hw/systems.ts";
import { elementCount, type Graph, type Op } from "../../../ir/graph.ts";
import {
  convGeometry,
  pointwiseGeometry,
  type ConvGeometry,
} from "../../../legalise/conv-geometry.ts";
import { ceilDiv } from "../../lower-shared.ts";
import type { Accuracy } from "../../options.ts";
import { mergePadding } from "../merge-padding.ts";
import { groupChannels, orderByScale, type ChannelGroup, type Places } from "./grouping.ts";
import { channelLayer, isPerChannel, outputPlane, type ChannelLayer } from "./layer.ts";
import { channelError } from "./weights.ts";
import { orderClasses, type OrderClass } from "./orders.ts";

/** The jobs of a layer. */
export interface LayerPlan {
  /** Items in the order in which the jobs compute them. */
  order: readonly number[];
  groups: readonly ChannelGroup[];
  /** The jobs' order is not the tensor's: another job brings its channels there. */
  reorders: boolean;
  ms: number;
}

export interface ChannelPlans {
  /** By operator; only layers with a scale for each channel. */
  layers: ReadonlyMap<number, { layer: ChannelLayer; plan: LayerPlan }>;
  /** Channels of a tensor in the order in which they lie; left out: as in the model. */
  orders: ReadonlyMap<number, readonly number[]>;
  accuracy: Accuracy;
}

export interface PlanSettings {
  chip: Chip;
  system: System;
  accuracy: Accuracy;
}

export const NO_PLANS: ChannelPlans = {
  layers: new Map(),
  orders: new Map(),
  accuracy: "balanced",
};

/** Plans one partition. */
export function planChannels(
  graph: Graph,
  ops: readonly Op[],
  { chip, system, accuracy }: PlanSettings,
): ChannelPlans {
  const perChannel = ops.filter((op) => isPerChannel(graph, op));
  if (perChannel.length === 0) return NO_PLANS;
  const padding = mergePadding(graph, ops, chip);
  const layers = perChannel.map((op) => {
    const geometry = padding.get(op.id)?.geometry ?? geometryOf(graph, op, chip);
    return channelLayer(graph, op, geometry, chip, system, accuracy);
  });
  const planned = new Map<number, { layer: ChannelLayer; plan: LayerPlan }>();
  const orders = new Map<number, readonly number[]>();
  for (const set of orderClasses(graph, ops)) {
    const own = layers.filter(({ op }) => set.tensors.includes(op.outputs[0]!));
    if (own.length === 0) continue;
    const { order, plans } = checkedClass(set, own, { chip, system, accuracy });
    own.forEach((layer, i) => planned.set(layer.op.id, { layer, plan: plans[i]! }));
    if (order !== null) for (const id of set.tensors) orders.set(id, order);
  }
  return { layers: planned, orders, accuracy };
}

/** Times that a class is planned at most: some channels turn out worse than they were taken for, and few of the models seen need ten. */
const ATTEMPTS = 16;

/** Plans a class, rounds the weights of every group to see what they are really off by, and plans anew where that is too much. */
function checkedClass(
  set: OrderClass,
  layers: readonly ChannelLayer[],
  settings: PlanSettings,
): ReturnType<typeof planClass> {
  let planned = planClass(set, layers, settings);
  for (let attempt = 1; attempt < ATTEMPTS; attempt++) {
    const wrong = layers.map((layer, i) => tightened(layer, planned.plans[i]!));
    if (!wrong.includes(true)) break;
    planned = planClass(set, layers, settings);
  }
  return planned;
}

/** Lowers the ceilings of channels that leave the budget; whether there are any. */
function tightened(layer: ChannelLayer, { order, groups }: LayerPlan): boolean {
  const { items, unit, budget } = layer;
  let isWrong = false;
  for (const group of groups)
    for (const item of order.slice(group.first, group.first + group.count))
      for (const [i, demand] of items[item]!.demands.entries()) {
        const { bound } = channelError(layer, group, item * unit + i);
        if (bound <= budget.largest || group.remainder > 0) continue;
        isWrong = true;
        const more = Math.max(1.1, bound / budget.largest);
        demand.rounding *= more;
        demand.extreme *= more;
        demand.signal *= more;
        demand.ceiling = budget.ceiling(demand);
        items[item]!.ceiling = Math.min(items[item]!.ceiling, demand.ceiling);
      }
  return isWrong;
}

/** The cheapest order of a class, null = the model's, and the plans of its layers in it. */
function planClass(
  { pinned }: OrderClass,
  layers: readonly ChannelLayer[],
  settings: PlanSettings,
): { order: readonly number[] | null; plans: LayerPlan[] } {
  const sorted = layers.map((layer) => sortedPlan(layer, settings));
  const identity = [...layers[0]!.items.keys()];
  const evaluate = (order: readonly number[]): LayerPlan[] =>
    layers.map((layer, i) => {
      const isOwn = order === sorted[i]!.order;
      const plan = planIn(layer, order, isOwn || layers.length <= 2 ? ["ends"] : ["few", "ends"]);
      // A depthwise convolution writes channels in the order in which it reads them.
      return layer.geometry.depthwise
        ? (plan ?? planIn(layer, order, ["anywhere"])!)
        : cheaper(plan, sorted[i]!);
    });
  const total = (plans: readonly LayerPlan[]): number => plans.reduce((sum, { ms }) => sum + ms, 0);
  let best: { order: readonly number[] | null; plans: LayerPlan[] } = {
    order: null,
    plans: evaluate(identity),
  };
  if (pinned) return best;
  for (const order of candidateOrders(sorted)) {
    const plans = evaluate(order);
    if (total(plans) < total(best.plans)) best = { order, plans };
  }
  return best;
}

/** Orders that one layer wants, the channels of each of its groups as the others want them. */
function candidateOrders(sorted: readonly LayerPlan[]): (readonly number[])[] {
  const found: (readonly number[])[] = [];
  for (const [i, { order, groups }] of sorted.entries()) {
    if (groups.length < 2) continue;
    found.push(order);
    for (const [j, other] of sorted.entries()) {
      if (j === i || other.groups.length < 2) continue;
      const place = new Map(other.order.map((item, at) => [item, at]));
      found.push(
        groups.flatMap(({ first, count }) =>
          order.slice(first, first + count).sort((a, b) => place.get(a)! - place.get(b)!),
        ),
      );
    }
  }
  return found;
}

/** Groups that are runs of an order; null when none fits. */
function planIn(
  layer: ChannelLayer,
  order: readonly number[],
  tried: readonly Places[],
): LayerPlan | null {
  const items = order.map((item) => layer.items[item]!);
  for (const where of tried) {
    const found = groupChannels(items, layer.budget, layer.cost, layer.limits, where);
    if (found) return { order, groups: found.groups, reorders: false, ms: found.ms };
  }
  return null;
}

/** Groups of a layer in its own order, with the job that brings the result into the tensor's. */
function sortedPlan(layer: ChannelLayer, settings: PlanSettings): LayerPlan {
  const { items } = layer;
  const rising = [...items.keys()].sort((a, b) => items[a]!.floor - items[b]!.floor || a - b);
  const plan = [orderByScale(items, layer.budget), rising]
    .map((order) => planIn(layer, order, ["ends", "anywhere"]))
    .reduce((a, b) => (a !== null && (b === null || a.ms <= b.ms) ? a : b));
  if (plan === null) throw new RangeError(`operator ${layer.op.id} has a factor that fits no job`);
  return { ...plan, reorders: true, ms: plan.ms + reorderMs(layer, settings) };
}

const cheaper = (plan: LayerPlan | null, than: LayerPlan): LayerPlan =>
  plan !== null && plan.ms <= than.ms ? plan : than;

/** Predicted time of a 1x1 convolution that only changes the order of channels. */
function reorderMs({ geometry }: ChannelLayer, { chip, system }: PlanSettings): number {
  const { c } = geometry.out;
  const steps = chip.nnCoreVersion === 7 ? ceilDiv(c, 6) : 3 * ceilDiv(c, 9);
  const passes = ceilDiv(outputPlane(geometry), chip.madPerCore);
  const cycles = passes * ceilDiv(c, chip.nnCores) * steps;
  const bytes = 2 * c * outputPlane(geometry) + c * (c / 32 + 8);
  return (
    Math.max(cycles / (system.clockMHz * 1e3), bytes / (system.bandwidthGBs * 1e6)) +
    system.overheadUs / 1e3
  );
}

/** Geometry of an operator's jobs; lowering may do strides otherwise, which changes little for a plan. */
export function geometryOf(graph: Graph, op: Op, chip: Chip): ConvGeometry {
  if (op.kind !== "FULLY_CONNECTED") return convGeometry(graph, op, chip);
  const [outC = 1, inC = 1] = graph.tensors[op.inputs[1]!]!.shape;
  const pixels = elementCount(graph.tensors[op.inputs[0]!]!.shape) / inC;
  return pointwiseGeometry({ s: 1, f: pixels, c: inC }, outC);
}
