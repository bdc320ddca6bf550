// What a comparison of a whole model says, layer by layer, output by output, picture by picture. Plain JSON values only.
// SPDX-License-Identifier: MIT
import type { Evidence } from "../runtime/transport.ts";
import type { TensorDifference } from "./accuracy.ts";

/** Differences from a float evaluation of the dequantised model. */
export interface FloatAccuracy {
  /** The layer alone: fed with the integer reference's inputs, against the float operator on the same inputs. */
  alone: TensorDifference | null;
  /** Behind all layers before it, against the float network. */
  chained: TensorDifference | null;
  /** The integer reference against the float network: what quantisation itself costs. */
  reference: TensorDifference;
}

/** An operator's worst output. */
export interface LayerAccuracy {
  op: number;
  /** TFLite operator name. */
  name: string;
  /** Name, shape and type of the output that the figures are of. */
  output: string;
  shape: readonly number[];
  type: string;
  place: "npu" | "cpu";
  /** How the compiler computes the layer; null where its report says nothing. */
  method: string | null;
  /** Largest difference that the compiler promises, steps; null where its report says nothing. */
  bound: number | null;
  /** The same of the way in which it is computed alone, which is another one with other channel groups. */
  aloneBound: number | null;
  /** Fed with the integer reference's inputs; null on the CPU, where the reference itself runs, and where it does not compile alone. */
  alone: TensorDifference | null;
  /** The compiled network's own value; null where it could not be read. */
  chained: TensorDifference | null;
  float?: FloatAccuracy;
}

export interface OutputAccuracy extends TensorDifference {
  name: string;
  shape: readonly number[];
  float?: { chained: TensorDifference; reference: TensorDifference };
}

/** One set of inputs. */
export interface PictureAccuracy {
  name: string;
  outputs: OutputAccuracy[];
  /** The layer that is furthest from the reference's when it is alone; null when all are equal to it. */
  worst: { op: number; name: string; max: number; mean: number } | null;
}

export interface AccuracyReport {
  model: { name: string; sha256: string };
  target: string;
  mode: string;
  /** What the answers of the NPU are worth. */
  evidence: Evidence;
  layers: LayerAccuracy[];
  /** Outputs of the model as it is compiled without anything being read out of it. */
  wholeModel: OutputAccuracy[];
  pictures: PictureAccuracy[];
  /** Sentences: what could not be compared, and why. */
  notes: string[];
}

/** Which comparison of a layer is meant. */
export type Comparison = "alone" | "chained";

/** A layer's figures against the integer reference or against float. */
export function differenceOf(
  layer: LayerAccuracy,
  comparison: Comparison,
  float: boolean,
): TensorDifference | null {
  return float ? (layer.float?.[comparison] ?? null) : layer[comparison];
}

/** Layers that differ when they are alone, worst first: largest difference, then largest mean. */
export function worstFirst(layers: readonly LayerAccuracy[], float = false): LayerAccuracy[] {
  const of = (layer: LayerAccuracy): TensorDifference => differenceOf(layer, "alone", float)!;
  return layers
    .filter((layer) => (differenceOf(layer, "alone", float)?.different ?? 0) > 0)
    .sort(
      (a, b) =>
        of(b).notFinite - of(a).notFinite ||
        of(b).max - of(a).max ||
        of(b).mean - of(a).mean ||
        a.op - b.op,
    );
}

/** "channel 3, row 1, column 7" for four dimensions, otherwise the plain index. */
export function elementName(shape: readonly number[], index: number): string {
  if (shape.length !== 4) return `element ${index}`;
  const [, height, width, channels] = shape as [number, number, number, number];
  const channel = index % channels;
  const column = Math.floor(index / channels) % width;
  const row = Math.floor(index / (channels * width)) % height;
  return `channel ${channel}, row ${row}, column ${column}`;
}

/** "channel 3, row 1, column 7: 12 / 13" = expected / actual; null without differences. */
export function firstText(
  shape: readonly number[],
  { first }: Pick<TensorDifference, "first">,
): string | null {
  if (first === null) return null;
  const number = (value: number): string =>
    Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(6)));
  const { index, actual, expected } = first;
  return `${elementName(shape, index)}: ${number(expected)} / ${number(actual)}`;
}

/** "exact", "48.1", or "no signal" where nothing but zeros is expected. */
export function snrText({
  snrDb,
  different,
}: Pick<TensorDifference, "snrDb" | "different">): string {
  if (snrDb !== null) return snrDb.toFixed(1);
  return different === 0 ? "exact" : "no signal";
}
