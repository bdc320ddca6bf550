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
import type { Accuracy } from "../../options.ts";
import type { Steps } from "../../steps.ts";
import type { JobPrice } from "../context.ts";
import { mergePadding } from "../merge-padding.ts";
import { sizedRecord } from "../records.ts";
import { coefficientBytes } from "../search/coefficient-estimate.ts";
import { groupChannels, orderByScale, type ChannelGroup, type Places } from "./grouping.ts";
import { budgetOf, ErrorBudget } from "./budget.ts";
import { channelLayer, isPerChannel, KnownLayer, type ChannelLayer } from "./layer.ts";
import { isAddition, layerSource, sumSource, type FractionSource } from "./fraction-source.ts";
import { InputModel } from "./input-model.ts";
import type { Observations } from "./observed.ts";
import { channelError, seenShare } from "./weights.ts";
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
  /** Tensors that layers want at a fraction as well, and which one: what computes them supplies it. */
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
  const sources = new Map<number, FractionSource>();
  for (const op of ops)
    if (isAddition(graph, op)) sources.set(op.outputs[0]!, sumSource(graph, op, system));
  const shared = new ErrorBudget(budgetOf(accuracy, chip));
  const knownLayers = new Map(perChannel.map(({ id }) => [id, new KnownLayer()]));
  const layerOf = (op: Op, budget: ErrorBudget, source: FractionSource | null): ChannelLayer => {
    const geometry = padding.get(op.id)?.geometry ?? geometryOf(graph, op, chip);
    const known = knownLayers.get(op.id)!;
    return channelLayer(graph, op, geometry, { chip, price, known, budget, model, source });
  };
  const planSet = (set: OrderClass, members: readonly ChannelLayer[]): PlannedClass => {
    let layers = members;
    let found = checkedClass(set, layers, settings);
    const isOver = layers.map((layer, i) =>
      shared.isExceeded(() => beyondOf(layer, found.plans[i]!)),
    );
    if (isOver.includes(true)) {
      layers = layers.map((layer, i) =>
        isOver[i] ? layerOf(layer.op, shared.even, layer.source) : layer,
      );
      found = checkedClass(set, layers, settings);
    }
    return { ...found, layers };
  };
  const sets = orderClasses(graph, ops);
  const planned = new Map<number, { layer: ChannelLayer; plan: LayerPlan }>();
  const orders = new Map<number, readonly number[]>();
  const supplied = new Map<number, number>();
  for (const [at, set] of sets.entries()) {
    yield at / sets.length;
    const members = perChannel.filter(({ outputs }) => set.tensors.includes(outputs[0]!));
    if (members.length === 0) continue;
    let found = planSet(
      set,
      members.map((op) => layerOf(op, shared, sources.get(op.inputs[0]!) ?? null)),
    );
    // What a convolution supplies is less precise than what a job of its own does.
    const isDoubtful = found.layers.some(
      ({ source, ownSupplyMs }, i) =>
        source?.layer === true && (found.plans[i]!.groups.length > 1 || source.ms > ownSupplyMs),
    );
    if (isDoubtful) {
      const others = found.layers.map((layer) =>
        layer.source?.layer === true ? layerOf(layer.op, shared, null) : layer,
      );
      const other = planSet(set, others);
      if (totalMs(other.plans) < totalMs(found.plans)) found = other;
    }
    const { order, plans, layers } = found;
    for (const [i, layer] of layers.entries()) {
      const plan = plans[i]!;
      planned.set(layer.op.id, { layer, plan });
      const { source } = layer;
      if (source !== null && readsFractions(plan)) {
        supplied.set(layer.op.inputs[0]!, layer.supply.parts);
        // Other readers need no more than that.
        sources.set(layer.op.inputs[0]!, { ...source, ms: 0, parts: layer.supply.parts });
      }
      const made = layerSource(graph, layer, plan);
      if (made !== null) sources.set(layer.op.outputs[0]!, made);
    }
    if (order !== null) for (const id of set.tensors) orders.set(id, order);
  }
  return { layers: planned, orders, supplied, accuracy };
}

/** Whether a layer reads its whole input at a fraction, as it lies. */
function readsFractions({ groups }: LayerPlan): boolean {
  return groups.some(({ rounding }) => rounding === "fractions");
}

/** A class with the layers that write its tensors. */
interface PlannedClass {
  /** null = the model's. */
  order: readonly number[] | null;
  plans: LayerPlan[];
  layers: readonly ChannelLayer[];
}

const totalMs = (plans: readonly LayerPlan[]): number => plans.reduce((sum, { ms }) => sum + ms, 0);

/** Times that a class is planned at most: some channels turn out worse than they were taken for. */
const ATTEMPTS = 40;

/** Plans a class, looks closely at every channel's error, and plans anew where one is too large. */
function checkedClass(
  set: OrderClass,
  layers: readonly ChannelLayer[],
  settings: PlanSettings,
): Omit<PlannedClass, "layers"> {
  const planners = layers.map((layer) => new LayerPlanner(layer, settings));
  let planned = planClass(set, planners);
  for (let attempt = 1; attempt < ATTEMPTS; attempt++) {
    const wrong = layers.map((layer, i) => tighten(layer, planned.plans[i]!));
    if (!wrong.includes(true)) break;
    planners.forEach((planner, i) => wrong[i] && planner.forget());
    planned = planClass(set, planners);
  }
  return planned;
}

/** Share of a layer's outputs that are more than one step off. */
function beyondOf(layer: ChannelLayer, { order, groups }: LayerPlan): number {
  let sum = 0;
  for (const group of groups)
    for (const item of order.slice(group.first, group.first + group.count))
      for (let channel = item * layer.unit; channel < (item + 1) * layer.unit; channel++)
        sum += seenShare(layer, channel) * channelError(layer, group, channel).beyond;
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
  planners: readonly LayerPlanner[],
): Omit<PlannedClass, "layers"> {
  const isLarge = planners.length > 2;
  let best: Omit<PlannedClass, "layers"> | null = null;
  const consider = (order: readonly number[], isModel: boolean): void => {
    const plans: LayerPlan[] = [];
    let ms = 0;
    for (const planner of planners) {
      const plan = planner.inOrder(order, isLarge);
      plans.push(plan);
      ms += plan.ms;
      if (best !== null && ms >= totalMs(best.plans)) return;
    }
    best = { order: isModel ? null : order, plans };
  };
  consider([...planners[0]!.layer.items.keys()], true);
  const sorted = planners.map((planner) => planner.sorted);
  if (!pinned) for (const order of candidateOrders(sorted)) consider(order, false);
  return best!;
}

/** Plans of one layer, as long as nothing is found out about its channels. */
class LayerPlanner {
  private own: LayerPlan | null = null;
  private readonly known = new Map<string, LayerPlan>();

  constructor(
    readonly layer: ChannelLayer,
    private readonly settings: PlanSettings,
  ) {}

  forget(): void {
    this.own = null;
    this.known.clear();
  }

  /** In the order that is best for it alone. */
  get sorted(): LayerPlan {
    return (this.own ??= sortedPlan(this.layer, this.settings));
  }

  /** @param isLarge many orders are tried: groups of others' orders may end at few places */
  inOrder(order: readonly number[], isLarge: boolean): LayerPlan {
    const key = order.join();
    let found = this.known.get(key);
    if (found === undefined) {
      const { layer, sorted } = this;
      const isOwn = order === sorted.order;
      const plan = planIn(layer, order, isOwn || !isLarge ? ["ends"] : ["few", "ends"]);
      // A depthwise convolution writes channels in the order in which it reads them.
      found = layer.geometry.depthwise
        ? (plan ?? planIn(layer, order, ["anywhere"])!)
        : cheaper(plan, sorted);
      this.known.set(key, found);
    }
    return found;
  }
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
    const found = groupChannels(items, layer.budget, layer, layer.limits, where);
    if (found) return { order, ...found, reorders: false };
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
