// Channels between two convolutions that have one value for all images, or that nobody reads, are not computed: what they add to the
// next layer's sums goes into its biases. The same bytes come out, of fewer planes, kernels and weights.
// SPDX-License-Identifier: MIT
import type { Graph, Op, Tensor } from "../../../ir/graph.ts";
import { partitionBorder } from "../../lower-shared.ts";
import {
  layerOf,
  valuesOf,
  weightAt,
  weightsOf,
  type ChannelValues,
  type Layer,
} from "./channel-values.ts";

/** Fewer channels are not left: one plane is stored in another way. */
const FEWEST = 2;

/** Channels that go, by tensor. */
type Removed = Map<number, Set<number>>;

/**
 * The graph without such channels inside of one partition.
 * @param ops operators of the partition in plan order
 * @returns the same graph when there are none; else a copy with other tensors, the operators being the same
 */
export function withoutConstantChannels(graph: Graph, ops: readonly Op[]): Graph {
  const layers = new Layers(graph, ops);
  const removed = layers.removable();
  if ([...removed.values()].every(({ size }) => size === 0)) return graph;
  const tensors = [...graph.tensors];
  for (const layer of layers.list) rewrite(layer, removed, layers.values, tensors);
  return { ...graph, tensors };
}

/** Convolutions of a partition and what lies between them. */
class Layers {
  readonly list: readonly Layer[];
  readonly values = new Map<number, ChannelValues>();
  /** Layers that read a tensor, of those that may lose channels. */
  private readonly readers = new Map<number, Layer[]>();

  constructor(graph: Graph, ops: readonly Op[]) {
    const uses = new Map<number, number>();
    for (const id of graph.ops.flatMap(({ inputs }) => inputs))
      uses.set(id, (uses.get(id) ?? 0) + 1);
    const single = ({ op }: Layer): boolean =>
      op.inputs.slice(1).every((id) => id < 0 || uses.get(id) === 1);
    this.list = ops
      .map((op) => layerOf(graph, op))
      .filter((layer) => layer !== null && single(layer)) as Layer[];
    for (const layer of this.list)
      this.values.set(layer.output.id, valuesOf(layer, this.values.get(layer.image.id)));
    const { leaving } = partitionBorder(graph, ops);
    for (const { output } of this.list) {
      const readers = this.list.filter(({ image }) => image.id === output.id);
      if (
        readers.length > 0 &&
        readers.length === uses.get(output.id) &&
        !leaving.includes(output.id)
      )
        this.readers.set(output.id, readers);
    }
  }

  /** Channels that can go, of every tensor that may lose some. */
  removable(): Removed {
    const removed: Removed = new Map();
    for (const { output } of [...this.list].reverse()) {
      const readers = this.readers.get(output.id);
      if (!readers) continue;
      const channels = output.shape[3]!;
      const all = Array.from({ length: channels }, (_, k) => k);
      removed.set(
        output.id,
        new Set(all.filter((k) => readers.every((layer) => this.spares(layer, k, removed)))),
      );
    }
    while (this.tie(removed));
    return removed;
  }

  /** Whether a layer can do without a channel of its image. */
  private spares(layer: Layer, channel: number, removed: Removed): boolean {
    const { image, output, depthwise, padded, biases } = layer;
    if (depthwise) return removed.get(output.id)?.has(channel) ?? false;
    const value = this.values.get(image.id)?.[channel] ?? null;
    if (value === image.quant!.zeroPoints[0]!) return true;
    if (value !== null && !padded && biases !== null) return true;
    const weights = weightsOf(layer);
    for (let kernel = 0; kernel < output.shape[3]!; kernel++)
      for (let tap = 0; tap < weights.taps; tap++)
        if (weightAt(weights, kernel, tap, channel) !== 0) return false;
    return true;
  }

  /** A depthwise layer loses a channel on both sides or on none; true when something had to stay for that. */
  private tie(removed: Removed): boolean {
    let changed = false;
    const keep = (set: Set<number> | undefined, k: number): void => {
      changed = (set?.delete(k) ?? false) || changed;
    };
    for (const { image, output, depthwise } of this.list) {
      const [before, behind] = [removed.get(image.id), removed.get(output.id)];
      for (const k of behind ?? []) if (depthwise && !before?.has(k)) keep(behind, k);
      for (const k of before ?? []) if (depthwise && !behind?.has(k)) keep(before, k);
      if (behind && behind.size > 0 && output.shape[3]! - behind.size < FEWEST) {
        behind.clear();
        changed = true;
      }
    }
    return changed;
  }
}

/** Replaces the tensors of a layer that loses channels. */
function rewrite(
  layer: Layer,
  removed: Removed,
  values: ReadonlyMap<number, ChannelValues>,
  tensors: Tensor[],
): void {
  const { image, weight, output, biases, depthwise, op } = layer;
  const left = ({ id, shape }: Tensor): number[] =>
    Array.from({ length: shape[3]! }, (_, k) => k).filter((k) => !removed.get(id)?.has(k));
  const [planes, kernels] = [left(image), left(output)];
  if (planes.length === image.shape[3] && kernels.length === output.shape[3]) return;
  const bias = op.inputs[2];
  if (biases !== null && bias !== undefined) {
    const whole = depthwise ? biases : withConstants(layer, removed, values);
    const kept = Int32Array.from(kernels, (kernel) => whole[kernel]!);
    tensors[bias] = {
      ...tensors[bias]!,
      shape: [kept.length],
      constant: new Uint8Array(kept.buffer),
    };
  }
  const { taps } = weightsOf(layer);
  const [, rows = 1, columns = 1, read = 1] = weight.shape;
  const outer = depthwise ? [0] : kernels;
  const inner = depthwise ? kernels : planes;
  const constant = new Uint8Array(outer.length * taps * inner.length);
  let to = 0;
  for (const kernel of outer)
    for (let tap = 0; tap < taps; tap++)
      for (const z of inner) constant[to++] = weight.constant![(kernel * taps + tap) * read + z]!;
  tensors[weight.id] = { ...weight, shape: [outer.length, rows, columns, inner.length], constant };
  tensors[output.id] = { ...output, shape: [...output.shape.slice(0, 3), kernels.length] };
}

/** Biases of a convolution with what constant channels add to its sums. */
function withConstants(
  layer: Layer,
  removed: Removed,
  values: ReadonlyMap<number, ChannelValues>,
): Int32Array {
  const { image, output } = layer;
  const biases = Int32Array.from(layer.biases!);
  const weights = weightsOf(layer);
  for (const z of removed.get(image.id) ?? []) {
    const distance =
      (values.get(image.id)?.[z] ?? image.quant!.zeroPoints[0]!) - image.quant!.zeroPoints[0]!;
    // Not so where a border would have the zero point in its place: such channels go only when nobody reads them.
    if (distance === 0 || layer.padded) continue;
    for (let kernel = 0; kernel < output.shape[3]!; kernel++)
      for (let tap = 0; tap < weights.taps; tap++)
        biases[kernel] = biases[kernel]! + weightAt(weights, kernel, tap, z) * distance;
  }
  return biases;
}
