// Jobs of layers with a scale for each channel: one for each group, on planes that follow each other.
// SPDX-License-Identifier: MIT
import { NnJob } from "../../../assembly/abi.ts";
import type { Op, Tensor } from "../../../ir/graph.ts";
import { isGrouped, type ConvGeometry } from "../../../legalise/conv-geometry.ts";
import type { NnWork } from "../../jobs.ts";
import { ceilDiv, zp8 } from "../../lower-shared.ts";
import { padPrograms } from "../../tp-programs.ts";
import type { LoweringContext } from "../context.ts";
import { biasesOf, lowestOf, requantisedSteps } from "../numerics.ts";
import { encodable, fitOutputStage, stageLimits, type OutputStage } from "../output-stage.ts";
import { draftWindow, windowRecord, type WindowJob } from "../ops/window.ts";
import type { ChannelGroup } from "./grouping.ts";
import {
  groupGeometry,
  inputPlane,
  outputPlane,
  stepOf,
  suppliedPlanes,
  type ChannelLayer,
} from "./layer.ts";
import type { LayerPlan } from "./plan.ts";
import { REMAINDER_STEPS } from "./requantise.ts";
import { selectPlanes } from "./select-planes.ts";
import { supplyFractions } from "./supply.ts";
import { groupWeights, type GroupError, type GroupWeights, type InputOrder } from "./weights.ts";

/**
 * Drafts the jobs of a layer with a scale for each channel and publishes its output.
 * @returns false, with nothing drafted, for a layer with one scale
 */
export function draftChannels(
  context: LoweringContext,
  op: Op,
  name: NnWork["op"],
  from: number,
  geometry: ConvGeometry,
  fromNhwc: boolean,
): boolean {
  const planned = context.channels.layers.get(op.id);
  if (planned === undefined) return false;
  // Strides may be done otherwise than the plan thought.
  const step = stepOf(geometry, planned.layer.unit);
  const layer = { ...planned.layer, geometry, step };
  const [input, weight] = op.inputs.map((id) => context.tensor(id)) as [Tensor, Tensor];
  const output = context.tensor(op.outputs[0]!);
  const biases = biasesOf(context.graph, op, geometry.out.c);
  const job: WindowJob = { name, geometry, input, weight, output, biases, from, stage: null };
  const parts = new Parts(context, op, layer, planned.plan, job);
  draftWindow(context, op, { ...job, fromNhwc, parts });
  context.note(parts.accuracy());
  return true;
}

/** Planes with room for remainders. */
interface Roomy {
  node: number;
  /** Places of remainders before the planes; 0 = the room is behind them. */
  before: number;
}

/** Byte of a remainder of 0. */
const REMAINDER_ZERO = 128;

/** The NN jobs of one layer. */
class Parts {
  private readonly errors: GroupError[] = [];

  constructor(
    private readonly context: LoweringContext,
    private readonly op: Op,
    private readonly layer: ChannelLayer,
    private readonly plan: LayerPlan,
    private readonly job: WindowJob,
  ) {}

  draft(from: number, to: number): void {
    const { context, op, layer, plan } = this;
    const target = plan.reorders ? context.placement.add(context.placement.bytesOf(to)) : to;
    const { both, roomy } = this.sharedInputs(from);
    // A group may begin at a channel of the one before it: what it writes there is overwritten by the job that follows.
    for (const group of [...plan.groups].reverse())
      this.draftGroup(
        group,
        group.rounding === "fractions"
          ? { node: both, before: 0 }
          : group.remainder > 0
            ? roomy
            : { node: from, before: 0 },
        target,
      );
    if (plan.reorders) draftReorder(context, op, layer, plan, this.job.output, target, to);
  }

  /** The input with its planes at a fraction, and with room for remainders beside it, as far as groups want that. */
  private sharedInputs(from: number): { both: number; roomy: Roomy } {
    const { layer, plan } = this;
    const inParts = plan.groups.some(({ rounding }) => rounding === "fractions");
    // Groups of a depthwise convolution have those of their own planes.
    const both =
      inParts && !layer.geometry.depthwise ? this.fractionsOf(from, layer.geometry.in.c) : from;
    const rooms = plan.groups.map((group) => (group.remainder > 0 ? this.room(group) : 0));
    const room = Math.max(...rooms);
    return { both, roomy: room > 0 ? this.withRoom(from, both, room) : { node: from, before: 0 } };
  }

  /** Room for so many remainders: behind the planes, or before them where their fractions are behind; else beside a copy. */
  private withRoom(from: number, both: number, room: number): Roomy {
    const { placement } = this.context;
    const { step, geometry } = this.layer;
    const bytes = placement.bytesOf(from);
    if (placement.isFree(from)) {
      const node = placement.add(bytes + room * outputPlane(geometry));
      placement.attach(from, node, 0);
      return { node, before: 0 };
    }
    if (!placement.isIn(from, both) || !placement.isFree(both))
      return { node: this.besides(from, room * outputPlane(geometry)), before: 0 };
    // Jobs begin at addresses that are multiples of 64.
    const before = ceilDiv(room, step) * step;
    const begin = before * outputPlane(geometry);
    const all = placement.add(begin + placement.bytesOf(both));
    placement.attach(both, all, begin);
    return { node: placement.addPiece(begin + bytes, all, 0), before };
  }

  /** Output channels of a group's jobs, those included that another one overwrites. */
  private room({ first, count }: ChannelGroup): number {
    return (first % this.layer.step) + count;
  }

  accuracy(): ReturnType<typeof accuracyOf> {
    const { accuracy } = this.context.channels;
    return accuracyOf(this.op, accuracy, this.layer, this.plan, this.errors);
  }

  private draftGroup(group: ChannelGroup, roomy: Roomy, to: number): void {
    const from = roomy.node;
    const { context, layer, plan } = this;
    const { unit, step } = layer;
    const begin = group.first - (group.first % step);
    const end = group.first + group.count;
    const channels = Array.from({ length: (end - begin) * unit }, (_, i) => {
      const place = begin + Math.floor(i / unit);
      return place < group.first ? null : plan.order[place]! * unit + (i % unit);
    });
    const { biases, weight: template } = this.job;
    const input = this.inputOrder();
    const isRoomy = group.remainder > 0;
    const span = isRoomy ? plan.order.length - begin : channels.length;
    const fraction = context.channels.supplied.get(this.job.output.id) ?? null;
    // Places of remainders before the planes.
    const before = roomy.before > 0 ? ceilDiv(channels.length, step) * step : 0;
    const made = groupWeights({
      ...{ layer, group, channels, biases, input, span, fraction, template },
      before,
    });
    this.errors.push(made.error);
    const out = outputPlane(layer.geometry) * unit;
    const isWhole = begin === 0 && end === plan.order.length;
    const target =
      fraction !== null
        ? context.withFractions(to, fraction)
        : isWhole
          ? to
          : context.placement.addPiece((end - begin) * out, to, begin * out);
    const { depthwise } = layer.geometry;
    const node = isRoomy
      ? this.withRemainders(made.rest!, group, roomy, depthwise ? begin : 0, channels.length)
      : depthwise
        ? this.depthwiseInput(group, this.planesOf(from, begin, end - begin))
        : this.denseInput(group, from);
    const outputs = channels.length * (fraction === null ? 1 : 2);
    this.draftJob(group, made, { outputs, span, before }, node, target);
  }

  /** Some planes of a depthwise convolution's input. */
  private planesOf(from: number, begin: number, count: number): number {
    const { placement } = this.context;
    const bytes = count * inputPlane(this.layer.geometry);
    if (bytes === placement.bytesOf(from)) return from;
    return placement.addPiece(bytes, from, begin * inputPlane(this.layer.geometry));
  }

  private depthwiseInput({ rounding }: ChannelGroup, planes: number): number {
    const { placement } = this.context;
    const count = placement.bytesOf(planes) / inputPlane(this.layer.geometry);
    return rounding === "whole" ? planes : this.fractionsOf(planes, count);
  }

  private fractionsOf(from: number, planes: number): number {
    const { context, op, layer, job } = this;
    const image = suppliedPlanes(layer.geometry, planes);
    return supplyFractions(context, op, job.input, image, layer.supply.parts, from);
  }

  private denseInput({ rounding }: ChannelGroup, from: number): number {
    const { placement } = this.context;
    const bytes = (rounding === "whole" ? 1 : 2) * this.imageBytes();
    return placement.bytesOf(from) === bytes ? from : placement.addPiece(bytes, from, 0);
  }

  private imageBytes(): number {
    return inputPlane(this.layer.geometry) * this.layer.geometry.in.c;
  }

  /**
   * Drafts the job of a group's remainders; its output lies behind the input's planes.
   * @param begin first plane that the group reads
   * @returns what the group's own job reads
   */
  private withRemainders(
    { weight, biases }: NonNullable<GroupWeights["rest"]>,
    { remainder }: ChannelGroup,
    { node: from, before }: Roomy,
    begin: number,
    outputs: number,
  ): number {
    const { context, op, layer, job } = this;
    const { placement } = context;
    const { geometry } = layer;
    const plane = inputPlane(geometry);
    const planes = geometry.depthwise ? outputs : geometry.in.c;
    const part = {
      ...job,
      geometry: groupGeometry(geometry, planes, outputs, geometry.depthwise),
      weight,
      stage: { factor: 1 / (remainder * REMAINDER_STEPS), offset: 0, zeroPoint: REMAINDER_ZERO },
    };
    const { record, weights } = windowRecord(context, op, part);
    const bytes = outputs * outputPlane(geometry);
    // Where the planes begin, and the remainders.
    const image = before * outputPlane(geometry);
    const own = ceilDiv(outputs, layer.step) * layer.step * outputPlane(geometry);
    const rest = before > 0 ? image - own : this.imageBytes();
    context.nn(op, {
      op: job.name,
      record: { ...record, [NnJob.RELU]: 0 },
      weights,
      biases,
      from: placement.addPiece(planes * plane, from, image + begin * plane),
      to: placement.addPiece(bytes, from, rest),
    });
    if (before > 0) return placement.addPiece(own + this.imageBytes(), from, rest);
    const skipped = begin * plane;
    return placement.addPiece(this.imageBytes() - skipped + bytes, from, skipped);
  }

  /** A copy of some planes with room behind them. */
  private besides(from: number, room: number): number {
    const { placement } = this.context;
    const bytes = placement.bytesOf(from);
    const all = placement.add(bytes + room);
    this.copyTo(from, all, bytes / inputPlane(this.layer.geometry));
    return all;
  }

  private draftJob(
    group: ChannelGroup,
    made: GroupWeights,
    { outputs, span, before }: { outputs: number; span: number; before: number },
    from: number,
    to: number,
  ): void {
    const { context, op, layer, job } = this;
    const { depthwise, in: image } = layer.geometry;
    const inParts = group.rounding === "fractions";
    const planes = (inParts ? 2 : 1) * (depthwise ? span / layer.unit : image.c);
    const isDepthwise = depthwise && !inParts && group.remainder === 0;
    const all = group.remainder > 0 ? planes + (before > 0 ? before : outputs) : planes;
    const geometry = groupGeometry(layer.geometry, all, outputs, isDepthwise);
    // All planes share a zero point: the remainders' own one goes into the biases.
    const zero = group.remainder * (REMAINDER_ZERO - zp8(job.input));
    const { stage, biases } = this.fitted(
      group,
      made.biases.map((bias) => bias - zero),
      made.weight,
    );
    const { record, weights } = windowRecord(context, op, {
      ...job,
      geometry,
      weight: made.weight,
      stage,
    });
    const name = depthwise && !isDepthwise ? "conv" : job.name;
    context.nn(op, { op: name, record, weights, biases, from, to });
  }

  /** The output stage for a group's multiplier, with its offset in the biases. */
  private fitted(
    { multiplier }: ChannelGroup,
    biases: Int32Array,
    weight: Tensor,
  ): { stage: OutputStage; biases: Int32Array } {
    const { context, op, job } = this;
    const lowest = lowestOf(op, job.output);
    const products = (weight.constant!.length / biases.length) * 255 * 128;
    const largest = biases.reduce((most, bias) => Math.max(most, Math.abs(bias)), 0);
    const limits = stageLimits(context.chip, lowest, products + largest);
    const zeroPoint = zp8(job.output);
    const steps = requantisedSteps(multiplier, zeroPoint, lowest);
    const stage = (steps && fitOutputStage(steps, limits)) ?? {
      factor: encodable(multiplier, limits.multiplierBits),
      offset: 0,
      zeroPoint,
    };
    return { stage, biases: biases.map((bias) => bias + stage.offset) };
  }

  private inputOrder(): InputOrder {
    const { context, op, layer } = this;
    const order = context.channels.orders.get(op.inputs[0]!);
    const planes = layer.geometry.in.c;
    if (order === undefined) return { places: null, planes };
    const places = new Int32Array(planes);
    order.forEach((channel, place) => (places[channel] = place));
    return { places, planes };
  }

  private copyTo(from: number, to: number, channels: number): void {
    const { context, op, layer, job } = this;
    const { folded, in: image } = layer.geometry;
    const extent = folded
      ? { s: folded.rows, f: folded.columns, c: channels * folded.x * folded.y }
      : { ...image, c: channels };
    const zp = zp8(job.input);
    const parts = Math.max(1, Math.min(context.chip.tpCores, extent.c));
    context.tp("copy", op.id, from, to, padPrograms(extent, 0, { in: zp, out: zp }, parts));
  }
}

/** Writes the channels of a tensor in another order. */
function draftReorder(
  context: LoweringContext,
  op: Op,
  { geometry, unit }: ChannelLayer,
  { order }: LayerPlan,
  output: Tensor,
  from: number,
  to: number,
): void {
  const { c } = geometry.out;
  const image = { s: geometry.out.s, f: geometry.out.f, c };
  const wanted = context.channels.orders.get(output.id);
  const places = new Int32Array(c);
  order.forEach((item, at) => {
    for (let i = 0; i < unit; i++) places[item * unit + i] = at * unit + i;
  });
  const kernels = Array.from({ length: c }, (_, place) => {
    const channel = wanted ? wanted[place]! : place;
    return { plane: places[channel]!, weight: 1 };
  });
  selectPlanes(context, op, { tensor: output, image, kernels, factor: 1 }, from, to);
}

function accuracyOf(
  op: Op,
  accuracy: LoweringContext["channels"]["accuracy"],
  { inputs, factors }: ChannelLayer,
  { groups, reorders }: LayerPlan,
  errors: readonly GroupError[],
) {
  const most = (member: keyof GroupError): number =>
    errors.reduce((value, error) => Math.max(value, error[member]), 0);
  const beyond = errors.reduce((sum, error) => sum + error.beyond, 0);
  return {
    op: op.id,
    accuracy,
    groups: groups.length,
    fractions: groups.filter(({ rounding }) => rounding === "fractions").length,
    remainders: groups.filter(({ remainder }) => remainder > 0).length,
    reorders,
    inputs: inputs.source,
    // As the executable keeps them.
    deviation: Math.fround(most("deviation")),
    bound: Math.fround(most("bound")),
    worst: Math.fround(most("worst")),
    withinOne: Math.fround(1 - beyond / factors.length),
  };
}

/** Weights and biases of a layer with one scale, in the orders that its input and its output have. */
export function reorderKernels(
  context: LoweringContext,
  op: Op,
  { weight, biases }: { weight: Tensor; biases: Int32Array },
): { weight: Tensor; biases: Int32Array } {
  const from = context.channels.orders.get(op.inputs[0]!);
  const to = context.channels.orders.get(op.outputs[0]!);
  if ((!from && !to) || isGrouped(context.graph, op)) return { weight, biases };
  const stored = weight.constant!;
  const constant = new Uint8Array(stored.length);
  const last = weight.shape.at(-1)!;
  const rows = stored.length / last;
  const depthwise = op.kind === "DEPTHWISE_CONV_2D";
  const each = depthwise ? rows : rows / weight.shape[0]!;
  for (let row = 0; row < rows; row++) {
    const kernel = Math.floor(row / each);
    const source = to && !depthwise ? to[kernel]! * each + (row % each) : row;
    for (let z = 0; z < last; z++)
      constant[row * last + z] = stored[source * last + ((depthwise ? to : from)?.[z] ?? z)]!;
  }
  return {
    weight: { ...weight, constant },
    biases: to ? biases.map((_, place) => biases[to[place]!]!) : biases,
  };
}
