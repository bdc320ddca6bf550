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
import { scaleOf } from "../../lower-shared.ts";
import type { Accuracy } from "../../options.ts";
import type { Steps } from "../../steps.ts";
import type { JobPrice } from "../context.ts";
import { mergePadding } from "../merge-padding.ts";
import { sizedRecord } from "../records.ts";
import { coefficientBytes } from "../search/coefficient-estimate.ts";
import { groupChannels, orderByScale, type ChannelGroup, type Places } from "./grouping.ts";
import { BUDGETS, ErrorBudget } from "./budget.ts";
import { channelLayer, isPerChannel, readsAsItLies, type ChannelLayer } from "./layer.ts";
import { InputModel } from "./input-model.ts";
import type { Observations } from "./observed.ts";
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
  /** Sums that layers want at a fraction as well, and which one: additions supply it. */
  supplied: ReadonlyMap<number, number>;
  accuracy: Accuracy;
}

export interface PlanSettings {
  chip: Chip;
  system: System;
  price: JobPrice;
  accuracy: Accuracy;
  /** What tensors of a network that reads pictures look like. */
  observed: Observations | null;
}

export const NO_PLANS: ChannelPlans = {
  layers: new Map(),
  orders: new Map(),
  supplied: new Map(),
  accuracy: "balanced",
};

/** Plans one partition, an order class a step. */
export function* planChannels(
  graph: Graph,
  ops: readonly Op[],
  settings: PlanSettings,
): Steps<ChannelPlans> {
  const { chip, system, price, accuracy, observed } = settings;
  const perChannel = ops.filter((op) => isPerChannel(graph, op));
  if (perChannel.length === 0) return NO_PLANS;
  const model = InputModel.of(graph, observed);
  const padding = mergePadding(graph, ops, chip);
  const sums = new Map(
    ops
      .filter((op) => isAddition(graph, op))
      .map((op) => [op.outputs[0]!, sumSpan(graph, op)] as const),
  );
  const shared = new ErrorBudget(BUDGETS[accuracy]);
  const layerOf = (op: Op, budget: ErrorBudget): ChannelLayer => {
    const geometry = padding.get(op.id)?.geometry ?? geometryOf(graph, op, chip);
    const span = sums.get(op.inputs[0]!) ?? null;
    return channelLayer(graph, op, geometry, { chip, system, price, budget, model, sumSpan: span });
  };
  const sets = orderClasses(graph, ops);
  const planned = new Map<number, { layer: ChannelLayer; plan: LayerPlan }>();
  const orders = new Map<number, readonly number[]>();
  for (const [at, set] of sets.entries()) {
    yield at / sets.length;
    let own = perChannel
      .filter(({ outputs }) => set.tensors.includes(outputs[0]!))
      .map((op) => layerOf(op, shared));
    if (own.length === 0) continue;
    let found = checkedClass(set, own, settings);
    const isOver = own.map((layer, i) => shared.isExceeded(() => beyondOf(layer, found.plans[i]!)));
    if (isOver.includes(true)) {
      own = own.map((layer, i) => (isOver[i] ? layerOf(layer.op, shared.even) : layer));
      found = checkedClass(set, own, settings);
    }
    const { order, plans } = found;
    own.forEach((layer, i) => planned.set(layer.op.id, { layer, plan: plans[i]! }));
    if (order !== null) for (const id of set.tensors) orders.set(id, order);
  }
  const supplied = new Map<number, number>();
  for (const { layer, plan } of planned.values())
    if (sums.has(layer.op.inputs[0]!) && readsFractions(layer, plan))
      supplied.set(layer.op.inputs[0]!, layer.supply.parts);
  return { layers: planned, orders, supplied, accuracy };
}

/** True for additions of two computed tensors. */
function isAddition({ tensors }: Graph, { kind, inputs }: Op): boolean {
  return (kind === "ADD" || kind === "SUB") && inputs.every((id) => !tensors[id]!.constant);
}

/** Steps of a sum between the smallest and the largest that any operands give. */
function sumSpan({ tensors }: Graph, { inputs, outputs }: Op): number {
  const step = scaleOf(tensors[outputs[0]!]!);
  return inputs.reduce((sum, id) => sum + (255 * scaleOf(tensors[id]!)) / step, 0);
}

/** Whether a layer reads its whole input at a fraction, as it lies. */
function readsFractions({ geometry }: ChannelLayer, { groups }: LayerPlan): boolean {
  return (
    !geometry.depthwise &&
    readsAsItLies(geometry) &&
    groups.some(({ rounding }) => rounding === "fractions")
  );
}

/** Times that a class is planned at most: some channels turn out worse than they were taken for. */
const ATTEMPTS = 16;

/** Plans a class, looks closely at every channel's error, and plans anew where one is too large. */
function checkedClass(
  set: OrderClass,
  layers: readonly ChannelLayer[],
  settings: PlanSettings,
): ReturnType<typeof planClass> {
  let planned = planClass(set, layers, settings);
  for (let attempt = 1; attempt < ATTEMPTS; attempt++) {
    const wrong = layers.map((layer, i) => tighten(layer, planned.plans[i]!));
    if (!wrong.includes(true)) break;
    planned = planClass(set, layers, settings);
  }
  return planned;
}

/** Share of a layer's outputs that are more than one step off. */
function beyondOf(layer: ChannelLayer, { order, groups }: LayerPlan): number {
  let sum = 0;
  for (const group of groups)
    for (const item of order.slice(group.first, group.first + group.count))
      layer.items[item]!.demands.forEach(({ seen }, i) => {
        sum += seen * channelError(layer, group, item * layer.unit + i).beyond;
      });
  return sum / layer.factors.length;
}

/** Tells items that leave the budget; whether there are any. */
function tighten(layer: ChannelLayer, { order, groups }: LayerPlan): boolean {
  let isWrong = false;
  for (const group of groups)
    for (const place of order.slice(group.first, group.first + group.count)) {
      const isInside = group.remainder > 0 ? keepsRemainder : keepsMultiplier;
      if (!isInside(layer, group, place)) isWrong = true;
    }
  return isWrong;
}

function keepsMultiplier(
  { items }: ChannelLayer,
  { multiplier, rounding }: ChannelGroup,
  place: number,
): boolean {
  const item = items[place]!;
  item.tighten(multiplier, rounding);
  return item.fits(multiplier, rounding);
}

/** Channels whose remainders are not precise enough get none any more. */
function keepsRemainder(layer: ChannelLayer, group: ChannelGroup, place: number): boolean {
  const wrong = layer.items[place]!.demands.filter(
    (_, i) => channelError(layer, group, place * layer.unit + i).bound > layer.budget.largest,
  );
  for (const demand of wrong) demand.remainder = Infinity;
  return wrong.length === 0;
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

/** Orders that one layer wants, the channels of each of its groups, and these themselves, as the others want them. */
function candidateOrders(sorted: readonly LayerPlan[]): (readonly number[])[] {
  const found: (readonly number[])[] = [];
  for (const [i, { order, groups }] of sorted.entries()) {
    if (groups.length < 2) continue;
    found.push(order);
    for (const [j, other] of sorted.entries()) {
      if (j === i) continue;
      const place = new Map(other.order.map((item, at) => [item, at]));
      const runs = groups.map(({ first, count }) =>
        order.slice(first, first + count).sort((a, b) => place.get(a)! - place.get(b)!),
      );
      const last = (run: readonly number[]): number => place.get(run.at(-1)!)!;
      found.push(runs.flat(), [...runs].sort((a, b) => last(a) - last(b)).flat());
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
  const orders = [orderByScale(items, "whole"), rising];
  if (layer.limits.fractions) orders.push(orderByScale(items, "fractions"));
  const plan = orders
    .map((order) => planIn(layer, order, ["ends", "anywhere"]))
    .reduce((a, b) => (a !== null && (b === null || a.ms <= b.ms) ? a : b));
  if (plan === null) throw new RangeError(`operator ${layer.op.id} has a factor that fits no job`);
  return { ...plan, reorders: true, ms: plan.ms + reorderMs(layer, settings) };
}

const cheaper = (plan: LayerPlan | null, than: LayerPlan): LayerPlan =>
  plan !== null && plan.ms <= than.ms ? plan : than;

/** Predicted time of a 1x1 convolution that only changes the order of channels. */
function reorderMs({ geometry }: ChannelLayer, { chip, price }: PlanSettings): number {
  const { s, f, c } = geometry.out;
  const job = pointwiseGeometry({ s, f, c }, c);
  const coefficients = coefficientBytes(chip, c, { whole: 1, small: 0, zeros: c - 1 });
  return price(sizedRecord(chip, job), coefficients);
}

/** Geometry of an operator's jobs; lowering may do strides otherwise, which changes little for a plan. */
export function geometryOf(graph: Graph, op: Op, chip: Chip): ConvGeometry {
  if (op.kind !== "FULLY_CONNECTED") return convGeometry(graph, op, chip);
  const [outC = 1, inC = 1] = graph.tensors[op.inputs[1]!]!.shape;
  const pixels = elementCount(graph.tensors[op.inputs[0]!]!.shape) / inC;
  return pointwiseGeometry({ s: 1, f: pixels, c: inC }, outC);
}
