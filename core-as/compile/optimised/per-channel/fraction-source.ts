// Who supplies planes at a fraction without a job of its own: the addition or the convolution that computes them, by more kernels.
// SPDX-License-Identifier: MIT
import { elementCount, type Graph, type Op } from "../../../ir/graph.ts";
import type { System } from "../../../hw/systems.ts";
import { scaleOf, zp8 } from "../../lower-shared.ts";
import { biasesOf } from "../numerics.ts";
import type { ChannelLayer } from "./layer.ts";
import type { LayerPlan } from "./plan.ts";
import { ROUNDED } from "./requantise.ts";
import { channelError } from "./weights.ts";

/** What a convolution that reads the planes has to know. */
export interface FractionSource {
  /** Square of the error that a value is expected to have, in steps of the second supply, by the parts of a step. */
  variance(parts: number): number;
  /** Largest error of a value, in the same steps: no range has cut it off yet. */
  largest(parts: number): number;
  /** Predicted time of what it does more. */
  ms: number;
  /** It is a convolution, which rounds weights. */
  layer: boolean;
  /** Parts that another reader wants already. */
  parts: number | null;
}

/** Smallest weight of the operand that weighs most in an addition. */
const LEAST_SUM_WEIGHT = 127;

/** True for additions of two computed tensors. */
export function isAddition({ tensors }: Graph, { kind, inputs }: Op): boolean {
  return (kind === "ADD" || kind === "SUB") && inputs.every((id) => !tensors[id]!.constant);
}

/** An addition as a source. */
export function sumSource({ tensors }: Graph, op: Op, system: System): FractionSource {
  const output = tensors[op.outputs[0]!]!;
  // Steps of the sum between the smallest and the largest that any operands give.
  const span = op.inputs.reduce(
    (sum, id) => sum + (255 * scaleOf(tensors[id]!)) / scaleOf(output),
    0,
  );
  return {
    variance: () => ROUNDED,
    // Weights of its own, which are rounded.
    largest: (parts) => 0.5 + span * (1 / parts + 1 / LEAST_SUM_WEIGHT),
    ms: elementCount(output.shape) / (system.bandwidthGBs * 1e6),
    layer: false,
    parts: null,
  };
}

/** A planned layer as a source; null where its jobs do not write one image. */
export function layerSource(
  graph: Graph,
  layer: ChannelLayer,
  { groups, reorders, order }: LayerPlan,
): FractionSource | null {
  const { op, geometry, kernels, factors, inputs } = layer;
  const [group] = groups;
  if (groups.length !== 1 || group!.remainder > 0 || reorders || geometry.depthwise) return null;
  if (geometry.stacked || geometry.sampled?.at === "output") return null;
  const output = graph.tensors[op.outputs[0]!]!;
  const biases = biasesOf(graph, op, factors.length);
  const zero = zp8(output);
  const ends = { least: -zero, most: 255 - zero };
  // What its range cuts off, and what its weights are off by, in its own steps.
  let [cut, squares] = [0, 0];
  const own = order.map((channel) => channelError(layer, group!, channel));
  for (const [at, channel] of order.entries()) {
    const row = kernels.row(channel);
    let [low, high] = [biases[channel]!, biases[channel]!];
    for (let k = 0; k < kernels.planes * kernels.taps; k++) {
      low += Math.min(row[k]! * inputs.least, row[k]! * inputs.most);
      high += Math.max(row[k]! * inputs.least, row[k]! * inputs.most);
    }
    const factor = factors[channel]!;
    cut = Math.max(cut, factor * high - ends.most, ends.least - factor * low);
    squares += own[at]!.deviation ** 2 / order.length;
  }
  const finer = (parts: number) =>
    order.map((channel) =>
      channelError(layer, { ...group!, multiplier: group!.multiplier * parts }, channel),
    );
  const known = new Map<number, { variance: number; largest: number }>();
  const of = (parts: number): { variance: number; largest: number } => {
    let found = known.get(parts);
    if (found === undefined) {
      const errors = finer(parts);
      const mean = errors.reduce((sum, { deviation }) => sum + deviation ** 2, 0) / order.length;
      const worst = errors.reduce((most, error) => Math.max(most, error.worst), 0);
      const ours = own.reduce((most, error) => Math.max(most, error.worst), 0);
      found = {
        variance: ROUNDED + (mean + squares + ROUNDED) / parts ** 2,
        largest: 0.5 + (worst + ours + 0.5 + cut) / parts,
      };
      known.set(parts, found);
    }
    return found;
  };
  const { cost } = layer;
  return {
    variance: (parts) => of(parts).variance,
    largest: (parts) => of(parts).largest,
    ms: cost({ ...group!, count: 2 * order.length }) - cost(group!),
    layer: true,
    parts: null,
  };
}
