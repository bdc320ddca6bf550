// What values of a network that reads pictures look like: the integer reference computes it for synthetic ones, and each channel's mean,
// deviation and likeness of neighbouring pixels are kept.
// SPDX-License-Identifier: MIT
import type { Core } from "../../../core.ts";
import { PlanError, UnsupportedError } from "../../../errors.ts";
import type { Graph, Op, OpOptions, Tensor } from "../../../ir/graph.ts";
import { runOperator } from "../../../runtime/cpu/index.ts";
import { zp8 } from "../../lower-shared.ts";
import type { Steps } from "../../steps.ts";
import { syntheticPicture } from "./pictures.ts";

/** Values of one tensor, without their zero point, in its steps. */
export interface Observation {
  /** By channel. */
  mean: Float64Array;
  deviation: Float64Array;
  /** What pixels that are one or two apart have in common: 0 = nothing, 1 = they are equal. */
  correlation: Float64Array;
  /** Share that neither end of a byte's range hides. */
  inside: Float64Array;
  /** Share of the tensor's range that values fill: it was chosen for what they really are. */
  reach: number;
  /** Every value depends on a small window of the picture, as which synthetic ones look like photographs. */
  isLocal: boolean;
}

export type Observations = ReadonlyMap<number, Observation>;

/** Synthetic pictures that are looked at. */
const PICTURES = 2;

/** Sides from which on an image of one or three channels is taken for a picture. */
const PICTURE_SIDE = 64;

/** True for an 8-bit tensor of the sizes that photographs have. */
export function isPicture({ shape, type }: Tensor): boolean {
  const [images, rows = 0, columns = 0, channels = 0] = shape;
  return (
    shape.length === 4 &&
    images === 1 &&
    Math.min(rows, columns) >= PICTURE_SIDE &&
    (channels === 1 || channels === 3) &&
    isByte(type)
  );
}

const isByte = (type: string): boolean => type === "uint8" || type === "int8";

/**
 * Runs a network on synthetic pictures, an operator a step.
 * @param wanted tensors to look at
 * @returns null when its inputs are not pictures, or when the CPU cannot compute what the wanted tensors need
 */
export function* observeValues(
  core: Core,
  graph: Graph,
  wanted: ReadonlySet<number>,
): Steps<Observations | null> {
  const inputs = graph.inputs.map((id) => graph.tensors[id]!);
  if (inputs.length === 0 || !inputs.every(isPicture)) return null;
  const ops = opsFor(graph, wanted);
  const lastReaders = new Map(ops.flatMap((op) => op.inputs.map((id) => [id, op.id])));
  const tallies = new Map<number, Tally>();
  for (let picture = 0; picture < PICTURES; picture++) {
    const values = new Map<number, Uint8Array>();
    const keep = (id: number, bytes: Uint8Array): void => {
      if (wanted.has(id)) tallyOf(tallies, graph.tensors[id]!)?.add(bytes);
      if (lastReaders.has(id)) values.set(id, bytes);
    };
    inputs.forEach((input, i) => keep(input.id, pictureFor(input, picture * inputs.length + i)));
    for (const [index, op] of ops.entries()) {
      yield (picture + index / ops.length) / PICTURES;
      try {
        const outputs = runOperator(core, graph, op, (id) => values.get(id)!);
        op.outputs.forEach((id, i) => keep(id, outputs[i]!));
      } catch (cause) {
        // Such a network is planned by what its layers alone say.
        if (cause instanceof UnsupportedError || cause instanceof PlanError) return null;
        throw cause;
      }
      for (const id of op.inputs) if (lastReaders.get(id) === op.id) values.delete(id);
    }
  }
  const windows = windowsOf(graph);
  const side = Math.min(...inputs.flatMap(({ shape }) => shape.slice(1, 3)));
  return new Map(
    [...tallies].map(([id, tally]) => {
      const isLocal = (windows.get(id)?.side ?? Infinity) <= side / LOCAL;
      return [id, { ...tally.result(), isLocal }];
    }),
  );
}

/** Windows of at most this part of a picture's side show no objects, of which synthetic pictures have none. */
const LOCAL = 6;

/** Operators, in plan order, that the wanted tensors depend on. */
function opsFor(graph: Graph, wanted: ReadonlySet<number>): Op[] {
  const needed = new Set(wanted);
  const found: Op[] = [];
  for (const op of [...graph.ops].reverse()) {
    if (!op.outputs.some((id) => needed.has(id))) continue;
    found.push(op);
    for (const id of op.inputs) if (id >= 0) needed.add(id);
  }
  return found.reverse();
}

function pictureFor({ shape, type }: Tensor, seed: number): Uint8Array {
  const [, rows = 1, columns = 1, channels = 1] = shape;
  const bytes = syntheticPicture([rows, columns, channels], seed);
  return type === "int8" ? bytes.map((byte) => byte ^ 0x80) : bytes;
}

function tallyOf(tallies: Map<number, Tally>, tensor: Tensor): Tally | undefined {
  let tally = tallies.get(tensor.id);
  if (tally === undefined && isByte(tensor.type) && tensor.shape.length > 1)
    tallies.set(tensor.id, (tally = new Tally(tensor)));
  return tally;
}

/** Pixels that are this far apart count as neighbours: those of a 3x3 kernel. */
const DISTANCES = [1, 2];

/** Sums over a tensor's values, channel by channel. */
class Tally {
  private readonly channels: number;
  private readonly sums: Float64Array;
  private readonly squares: Float64Array;
  private readonly products: Float64Array;
  private readonly inside: Float64Array;
  private least = 255;
  private most = 0;
  private values = 0;
  private pairs = 0;

  constructor(private readonly tensor: Tensor) {
    this.channels = tensor.shape.at(-1)!;
    this.sums = new Float64Array(this.channels);
    this.squares = new Float64Array(this.channels);
    this.products = new Float64Array(this.channels);
    this.inside = new Float64Array(this.channels);
  }

  add(bytes: Uint8Array): void {
    const { channels, tensor, sums, squares, inside } = this;
    const values = new Int16Array(bytes.length);
    const [flip, zero] = [tensor.type === "int8" ? 0x80 : 0, zp8(tensor)];
    let { least, most } = this;
    for (let at = 0; at < bytes.length; at += channels)
      for (let c = 0; c < channels; c++) {
        const byte = bytes[at + c]! ^ flip;
        const value = byte - zero;
        values[at + c] = value;
        sums[c]! += value;
        squares[c]! += value * value;
        if (byte > 0 && byte < 255) inside[c]!++;
        if (byte < least) least = byte;
        if (byte > most) most = byte;
      }
    [this.least, this.most] = [least, most];
    this.values += bytes.length / channels;
    const [, rows = 1, columns = 1] = tensor.shape.length === 4 ? tensor.shape : [];
    for (const distance of DISTANCES) {
      this.addPairs(values, rows, columns, distance * columns, rows - distance, columns);
      this.addPairs(values, rows, columns, distance, rows, columns - distance);
    }
  }

  /** Products of each pixel of the first rows and columns with the one `step` pixels further on. */
  private addPairs(
    values: Int16Array,
    allRows: number,
    allColumns: number,
    step: number,
    rows: number,
    columns: number,
  ): void {
    if (rows <= 0 || columns <= 0 || allRows * allColumns < 2) return;
    const { channels, products } = this;
    for (let y = 0; y < rows; y++)
      for (let x = 0; x < columns; x++) {
        const at = (y * allColumns + x) * channels;
        for (let c = 0; c < channels; c++)
          products[c]! += values[at + c]! * values[at + c + step * channels]!;
      }
    this.pairs += rows * columns;
  }

  result(): Omit<Observation, "isLocal"> {
    const { values, pairs } = this;
    const mean = this.sums.map((sum) => sum / values);
    const variance = this.squares.map((sum, c) => Math.max(0, sum / values - mean[c]! ** 2));
    return {
      mean,
      deviation: variance.map(Math.sqrt),
      correlation: variance.map((own, c) => {
        const common = this.products[c]! / Math.max(pairs, 1) - mean[c]! ** 2;
        return own > 0 ? Math.min(Math.max(common / own, 0), 1) : 0;
      }),
      inside: this.inside.map((count) => count / values),
      reach: (this.most - this.least) / 255,
    };
  }
}

/** What a value depends on: so many pixels of the picture along a side, and so many from one value to the next. */
interface Window {
  side: number;
  step: number;
}

/** Windows of all tensors that depend on a part of the picture only. */
function windowsOf(graph: Graph): Map<number, Window> {
  const windows = new Map(graph.inputs.map((id): [number, Window] => [id, { side: 1, step: 1 }]));
  for (const op of graph.ops) {
    const read = op.inputs.filter((id) => id >= 0 && graph.tensors[id]!.constant === null);
    const from = read.map((id) => windows.get(id));
    if (from.length === 0 || from.includes(undefined)) continue;
    const widest = from.reduce((a, b) => (b!.side > a!.side ? b : a))!;
    const window = windowBehind(graph, op, widest);
    if (window !== null) for (const id of op.outputs) windows.set(id, window);
  }
  return windows;
}

function windowBehind(graph: Graph, op: Op, { side, step }: Window): Window | null {
  if (op.kind === "CONV_2D" || op.kind === "DEPTHWISE_CONV_2D") {
    const { strideH, strideW, dilationH, dilationW } = op.options as OpOptions["CONV_2D"];
    const [, rows = 1, columns = 1] = graph.tensors[op.inputs[1]!]!.shape;
    const reach = Math.max((rows - 1) * dilationH, (columns - 1) * dilationW);
    return { side: side + reach * step, step: step * Math.max(strideH, strideW) };
  }
  const [input, output] = [op.inputs[0]!, op.outputs[0]!].map((id) => graph.tensors[id]!.shape);
  const isPixelwise = PIXELWISE.has(op.kind) && input!.length === output!.length;
  return isPixelwise ? { side, step } : null;
}

/** Operators whose values depend on the values at the same place, or at one that a border moves. */
const PIXELWISE = new Set([
  ...["ADD", "SUB", "MUL", "DIV", "CAST", "QUANTIZE", "DEQUANTIZE", "PAD"],
  ...["RELU", "RELU6", "LOGISTIC", "TANH", "HARD_SWISH", "LEAKY_RELU"],
]);
