// What the values of a tensor look like before any was seen: mean and deviation of every channel, from uniform bytes at the
// graph's inputs through the layers' own weights (docs/accuracy.md, Scales per channel).
// SPDX-License-Identifier: MIT
import { readInts } from "../../../ir/constants.ts";
import { convolutionFactor } from "../../../ir/fixed-point.ts";
import type { Graph, Op, Tensor } from "../../../ir/graph.ts";
import { zp8 } from "../../lower-shared.ts";
import { lowestOf } from "../numerics.ts";
import { channelKernels, type ChannelKernels } from "./kernels.ts";
import { clippedNormal } from "./normal.ts";

/** Values of a tensor without their zero point, in its steps. */
export interface Moments {
  /** By channel. */
  mean: Float64Array;
  deviation: Float64Array;
  /** Smallest and largest value there can be. */
  least: number;
  most: number;
  /**
   * How much neighbouring pixels have in common: 0 = nothing, 1 = they are equal; null = not known, whatever is worse counts.
   */
  correlation: number | null;
  /** uniform: every byte is as likely as any other; propagated: computed from the layers before. */
  source: "uniform" | "propagated";
}

/** Neighbouring pixels of a picture, and of what layers make of one. */
const PICTURE = 0.9;
const FEATURES = 0.6;
/** Sides from which on an image of one or three channels is taken for a picture. */
const PICTURE_SIDE = 64;

/** Standard deviation of a uniform byte. */
const UNIFORM = Math.sqrt((256 ** 2 - 1) / 12);

/** Moments of one graph's tensors. */
export class InputModel {
  private readonly known = new Map<number, Moments>();
  private readonly before = new Map<number, Moments>();

  private constructor(private readonly graph: Graph) {
    // Plan order: whatever an operator reads is known.
    for (const op of graph.ops)
      for (const id of op.outputs) {
        const found = this.propagated(op, id);
        if (found !== null) this.known.set(id, found);
      }
  }

  private static readonly models = new WeakMap<Graph, InputModel>();

  /** The model of a graph; computed once, however many compilations ask. */
  static of(graph: Graph): InputModel {
    let model = InputModel.models.get(graph);
    if (model === undefined) InputModel.models.set(graph, (model = new InputModel(graph)));
    return model;
  }

  moments(id: number): Moments {
    let found = this.known.get(id);
    if (found === undefined) this.known.set(id, (found = this.uniform(id)));
    return found;
  }

  /** Moments of a tensor before its range cut off both ends; null where that is not known. */
  unclipped(id: number): Moments | null {
    return this.before.get(id) ?? null;
  }

  private uniform(id: number): Moments {
    const tensor = this.graph.tensors[id]!;
    const channels = channelsOf(tensor);
    const zero = zp8(tensor);
    return {
      mean: new Float64Array(channels).fill(127.5 - zero),
      deviation: new Float64Array(channels).fill(UNIFORM),
      least: -zero,
      most: 255 - zero,
      correlation: this.graph.inputs.includes(id) && isPicture(tensor) ? PICTURE : null,
      source: "uniform",
    };
  }

  private propagated(op: Op, id: number): Moments | null {
    const tensor = this.graph.tensors[id]!;
    const byte = (t: Tensor | undefined): boolean =>
      (t?.type === "int8" || t?.type === "uint8") && t.quant?.scales.length === 1;
    if (!byte(tensor) || !byte(this.graph.tensors[op.inputs[0] ?? -1])) return null;
    switch (op.kind) {
      case "CONV_2D":
      case "DEPTHWISE_CONV_2D":
      case "FULLY_CONNECTED":
        return this.ofConvolution(op, tensor);
      case "ADD":
      case "SUB":
        return this.ofSum(op, tensor);
      case "QUANTIZE":
      case "RELU":
      case "PAD":
      case "MEAN":
      case "RESHAPE":
      case "AVERAGE_POOL_2D":
      case "MAX_POOL_2D":
      case "RESIZE_BILINEAR":
      case "RESIZE_NEAREST_NEIGHBOR":
        return this.ofOne(op, tensor);
      default:
        return null;
    }
  }

  private ofConvolution(op: Op, output: Tensor): Moments | null {
    const kernels = channelKernels(this.graph, op);
    if (kernels === null) return null;
    const input = this.graph.tensors[op.inputs[0]!]!;
    const weight = this.graph.tensors[op.inputs[1]!]!;
    const from = this.moments(input.id);
    const biases = biasesOrZeros(this.graph, op, kernels.count);
    const scales = weight.quant!.scales;
    return this.clipped(op, output, from.correlation, (c) => {
      const factor = convolutionFactor(op.kind, input, weight, scales[c] ?? scales[0]!, output);
      const { mean, deviation } = sumMoments(kernels, c, from);
      return [factor * (biases[c]! + mean), factor * deviation];
    });
  }

  private ofSum(op: Op, output: Tensor): Moments | null {
    const [a, b] = op.inputs.map((id) => this.graph.tensors[id]!) as [Tensor, Tensor];
    if (b.constant || a.constant || channelsOf(a) !== channelsOf(b)) return null;
    if (channelsOf(a) !== channelsOf(output) || b.quant?.scales.length !== 1) return null;
    const [first, second] = [this.moments(a.id), this.moments(b.id)];
    const to = output.quant!.scales[0]!;
    const [ra, rb] = [a.quant!.scales[0]! / to, b.quant.scales[0]! / to];
    const sign = op.kind === "SUB" ? -1 : 1;
    return this.clipped(op, output, first.correlation ?? second.correlation, (c) => [
      ra * first.mean[c]! + sign * rb * second.mean[c]!,
      Math.hypot(ra * first.deviation[c]!, rb * second.deviation[c]!),
    ]);
  }

  private ofOne(op: Op, output: Tensor): Moments | null {
    const input = this.graph.tensors[op.inputs[0]!]!;
    if (channelsOf(input) !== channelsOf(output)) return null;
    const from = this.moments(input.id);
    const ratio = input.quant!.scales[0]! / output.quant!.scales[0]!;
    if (ratio === 1 && zp8(input) === zp8(output) && op.kind !== "RELU") return from;
    // Averages are less spread than what they are taken of; how much less depends on the picture.
    return this.clipped(op, output, from.correlation, (c) => [
      ratio * from.mean[c]!,
      ratio * from.deviation[c]!,
    ]);
  }

  /** Moments of what an operator's output range leaves of normally distributed values. */
  private clipped(
    op: Op,
    output: Tensor,
    from: number | null,
    before: (channel: number) => [mean: number, deviation: number],
  ): Moments {
    const channels = channelsOf(output);
    const zero = zp8(output);
    const least = (op.kind === "RELU" ? zero : lowestOf(op, output)) - zero;
    const most = 255 - zero;
    const mean = new Float64Array(channels);
    const deviation = new Float64Array(channels);
    const whole = { mean: new Float64Array(channels), deviation: new Float64Array(channels) };
    for (let c = 0; c < channels; c++) [whole.mean[c], whole.deviation[c]] = before(c);
    if (least === -zero) widen(whole, least, most);
    for (let c = 0; c < channels; c++) {
      const clip = clippedNormal(whole.mean[c]!, whole.deviation[c]!, least, most);
      mean[c] = clip.mean;
      deviation[c] = clip.deviation;
    }
    const correlation = from === null ? null : FEATURES;
    const common = { least, most, correlation, source: "propagated" as const };
    this.before.set(output.id, { ...whole, ...common });
    return { mean, deviation, ...common };
  }
}

/** Deviations between the mean and the ends of a range that was chosen for what a tensor really held. */
const RANGE_DEVIATIONS = 6;

/** Makes deviations larger until a channel reaches an end of the range: no converter leaves it empty. */
function widen(
  { mean, deviation }: Pick<Moments, "mean" | "deviation">,
  least: number,
  most: number,
): void {
  let factor = Infinity;
  for (let c = 0; c < mean.length; c++) {
    const room = Math.max(0, Math.min(most - mean[c]!, mean[c]! - least));
    factor = Math.min(factor, room / Math.max(RANGE_DEVIATIONS * deviation[c]!, 1e-9));
  }
  if (factor > 1 && factor < Infinity)
    for (let c = 0; c < deviation.length; c++) deviation[c]! *= factor;
}

function isPicture({ shape }: Tensor): boolean {
  const [, rows = 0, columns = 0, channels = 0] = shape;
  return (
    shape.length === 4 &&
    Math.min(rows, columns) >= PICTURE_SIDE &&
    channels % 2 === 1 &&
    channels <= 3
  );
}

/** Variance of a weighted sum over neighbouring pixels, from those with independent and with equal pixels. */
export function mixed(white: number, smooth: number, correlation: number | null): number {
  return correlation === null
    ? Math.max(white, smooth)
    : correlation * smooth + (1 - correlation) * white;
}

const channelsOf = ({ shape }: Tensor): number => shape.at(-1) ?? 1;

function biasesOrZeros(graph: Graph, op: Op, count: number): Int32Array {
  const id = op.inputs[2] ?? -1;
  const constant = id < 0 ? null : graph.tensors[id]!.constant;
  return constant ? readInts(constant) : new Int32Array(count);
}

/** Mean and deviation of a channel's sum of products. */
function sumMoments(
  { row, planes, taps, firstPlane }: ChannelKernels,
  channel: number,
  { mean, deviation, correlation }: Moments,
): { mean: number; deviation: number } {
  const weights = row(channel);
  const first = firstPlane(channel);
  let [sum, white, smooth] = [0, 0, 0];
  for (let z = 0; z < planes; z++) {
    const variance = deviation[first + z]! ** 2;
    let [all, squares] = [0, 0];
    for (let tap = 0; tap < taps; tap++) {
      const w = weights[tap * planes + z]!;
      all += w;
      squares += w * w;
    }
    sum += all * mean[first + z]!;
    white += squares * variance;
    smooth += all * all * variance;
  }
  return { mean: sum, deviation: Math.sqrt(mixed(white, smooth, correlation)) };
}
