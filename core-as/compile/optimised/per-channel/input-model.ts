// What the values of a tensor are expected to look like: mean and deviation of every channel. From synthetic pictures, where the graph
// reads pictures; otherwise from uniform bytes at its inputs through the layers' own weights (docs/accuracy.md, Scales per channel).
// SPDX-License-Identifier: MIT
import { readInts } from "../../../ir/constants.ts";
import { convolutionFactor } from "../../../ir/fixed-point.ts";
import type { Graph, Op, Tensor } from "../../../ir/graph.ts";
import { zp8 } from "../../lower-shared.ts";
import { lowestOf } from "../numerics.ts";
import { channelKernels, type ChannelKernels } from "./kernels.ts";
import { clippedNormal, shareAbove } from "./normal.ts";
import type { Directions } from "./directions.ts";
import { isPicture, type Observations } from "./observed.ts";
import type { PlanarValues } from "./samples.ts";
import { EVEN, type Unevenness } from "./tail.ts";
import type { Observation } from "./tally.ts";

/** Values of a tensor without their zero point, in its steps. */
export interface Moments {
  /** By channel. */
  mean: Float64Array;
  deviation: Float64Array;
  /** Smallest and largest value there can be. */
  least: number;
  most: number;
  /**
   * How much neighbouring pixels have in common, by channel: 0 = nothing, 1 = they are equal; null = not known, whatever is worse
   * counts.
   */
  correlation: Float64Array | null;
  /** uniform: every byte is as likely as any other; propagated: computed from the layers before; pictures: seen on synthetic ones. */
  source: "uniform" | "propagated" | "pictures";
  /** Null = not known. */
  directions: Directions | null;
}

/** Standard deviation of a uniform byte. */
const UNIFORM = Math.sqrt((256 ** 2 - 1) / 12);

/** Moments of one graph's tensors. */
export class InputModel {
  private readonly known = new Map<number, Moments>();
  private readonly before = new Map<number, Moments>();

  private constructor(
    private readonly graph: Graph,
    private readonly observed: Observations | null,
  ) {
    // Plan order: whatever an operator reads is known.
    for (const op of graph.ops)
      for (const id of op.outputs) {
        const found = this.propagated(op, id);
        if (found !== null) this.known.set(id, found);
      }
  }

  private static readonly models = new WeakMap<Graph, InputModel>();

  /** The model of a graph; computed once, however many partitions ask. */
  static of(graph: Graph, observed: Observations | null): InputModel {
    let model = InputModel.models.get(graph);
    if (model === undefined || model.observed !== observed)
      InputModel.models.set(graph, (model = new InputModel(graph, observed)));
    return model;
  }

  /**
   * What to expect of a tensor, with what is kept for being wrong about it.
   * @param isAlone kernels read one of its planes
   */
  expected(id: number, isAlone: boolean): Moments {
    const computed = this.moments(id);
    const { mean, deviation } = computed;
    const seen = this.observedAt(id, mean.length);
    if (seen === null) {
      if (computed.source === "uniform") return computed;
      return { ...computed, deviation: withCommon(deviation, COMPUTED, COMMON) };
    }
    const [factor, share] = isPicture(this.graph.tensors[id]!)
      ? CONTRAST
      : isAlone
        ? ALONE
        : TOGETHER;
    const found = withCommon(seen.deviation, factor, share);
    const { mean: middle, correlation } = seen;
    const directions = seen.directions && {
      ...seen.directions,
      residual: withCommon(seen.directions.residual, factor, share),
    };
    return {
      ...computed,
      mean: middle,
      deviation: found,
      correlation,
      directions,
      source: "pictures",
    };
  }

  /** Share of a tensor's values, by channel, that lie inside its range, at most; null where nothing is known. */
  inside(id: number): Float64Array | null {
    const before = this.before.get(id) ?? null;
    const seen = this.observedAt(id, channelsOf(this.graph.tensors[id]!));
    if (seen !== null) return seen.inside;
    if (before === null) return null;
    const { mean, deviation, least, most } = before;
    return mean.map((middle, c) => {
      const spread = Math.max(deviation[c]!, 1e-9);
      const [low, high] = [(least - 1 - middle) / spread, (most + 1 - middle) / spread];
      return Math.max(0, shareAbove(low) - shareAbove(high));
    });
  }

  /**
   * How errors of an operator that reads a tensor are spread over its outputs.
   * @param isPointwise its weights are rounded with the tensor's directions in view
   */
  unevenness(id: number, isPointwise: boolean): Unevenness {
    const seen = this.observedAt(id, channelsOf(this.graph.tensors[id]!));
    if (seen === null) return EVEN;
    return isPointwise ? seen.residualUnevenness : seen.unevenness;
  }

  /** A tensor on all pictures that were looked at; none where nothing is known. */
  pictures(id: number): readonly PlanarValues[] {
    return this.observedAt(id, channelsOf(this.graph.tensors[id]!))?.planes ?? [];
  }

  private observedAt(id: number, channels: number): Observation | null {
    const found = this.observed?.get(id);
    return found?.mean.length === channels ? found : null;
  }

  private moments(id: number): Moments {
    let found = this.known.get(id);
    if (found === undefined) this.known.set(id, (found = this.uniform(id)));
    return found;
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
      correlation: null,
      directions: null,
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
    return this.clipped(op, output, (c) => {
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
    return this.clipped(op, output, (c) => [
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
    return this.clipped(op, output, (c) => [ratio * from.mean[c]!, ratio * from.deviation[c]!]);
  }

  /** Moments of what an operator's output range leaves of normally distributed values. */
  private clipped(
    op: Op,
    output: Tensor,
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
    const common = {
      ...{ least, most, correlation: null, directions: null },
      source: "propagated" as const,
    };
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

/** Deviations that were computed may be too small: by a tenth everywhere, and by much in single channels. */
const COMPUTED = 1.1;
/** Share of the tensor's common deviation that every channel is thought to have at least. */
const COMMON = 0.2;
/**
 * The same where synthetic pictures were looked at: times what was seen, and the share. These show about what photographs do, but some
 * channels wait for what is on none of them; kernels that read one plane have no others that make up for that. Pictures themselves
 * may have more contrast.
 */
const TOGETHER = [1, 0.45] as const;
const ALONE = [0.8, 0.8] as const;
const CONTRAST = [1.35, 0] as const;

/** Deviations times a factor, with a share of the common one. */
function withCommon(deviation: Float64Array, factor: number, share: number): Float64Array {
  const squares = deviation.reduce((sum, value) => sum + value * value, 0);
  const common = share ** 2 * (squares / deviation.length);
  return deviation.map((value) => factor * Math.sqrt(value ** 2 + common));
}

/**
 * Variance of a weighted sum over neighbouring pixels, summed plane by plane from those with independent and with equal pixels.
 */
export class PixelVariance {
  private white = 0;
  private smooth = 0;
  private known = 0;

  constructor(private readonly correlation: ArrayLike<number> | null) {}

  /** One plane. */
  add(plane: number, white: number, smooth: number): void {
    this.white += white;
    this.smooth += smooth;
    const share = this.correlation?.[plane] ?? 0;
    this.known += share * smooth + (1 - share) * white;
  }

  get total(): number {
    return this.correlation === null ? Math.max(this.white, this.smooth) : this.known;
  }
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
  let sum = 0;
  const spread = new PixelVariance(correlation);
  for (let z = 0; z < planes; z++) {
    const variance = deviation[first + z]! ** 2;
    let [all, squares] = [0, 0];
    for (let tap = 0; tap < taps; tap++) {
      const w = weights[tap * planes + z]!;
      all += w;
      squares += w * w;
    }
    sum += all * mean[first + z]!;
    spread.add(first + z, squares * variance, all * all * variance);
  }
  return { mean: sum, deviation: Math.sqrt(spread.total) };
}
