// Outputs for people: boxes of a detection, areas of a mask, the best classes, the range of anything else.
// SPDX-License-Identifier: MIT
import type { Graph, TensorInfo } from "../core-as/index.ts";
import { readText } from "./files.ts";
import { isClassification, kindOf } from "./model-kinds.ts";
import { elementsOf, realValuesOf } from "./tensors.ts";
import { count, out, print, table } from "./terminal.ts";

export interface RankedClass {
  index: number;
  label: string | null;
  value: number;
}

/** An output as JSON prints it. */
export interface OutputAnswer {
  name: string;
  type: string;
  shape: readonly number[];
  bytes: number;
  /** The largest values, best first; null when the output is no list of classes. */
  top: RankedClass[] | null;
  /** Smallest, largest and mean real value; null without numbers. */
  range: { min: number; max: number; mean: number } | null;
}

/** A box in shares of the picture, 0 = top or left. */
export interface Detection {
  class: number;
  label: string | null;
  score: number;
  box: { top: number; left: number; bottom: number; right: number };
}

/** A class of a mask. */
export interface MaskClass {
  index: number;
  label: string | null;
  pixels: number;
  share: number;
}

/** What a model said. */
export interface ModelAnswer {
  kind: "detection" | "segmentation" | "tensors";
  /** Best first, as the model gives them. */
  detections?: Detection[];
  /** Largest area first. */
  mask?: MaskClass[];
  outputs: OutputAnswer[];
}

export interface AnswerOptions {
  /** Classes to list. */
  top: number;
  labels: readonly string[];
}

/** One label a line; empty lines at the end do not count. */
export function readLabels(path: string): string[] {
  const lines = readText(path).split(/\r?\n/);
  while (lines.at(-1) === "") lines.pop();
  return lines;
}

/** Describes all outputs of a model by what its last operators make of them. */
export function answerOf(
  graph: Graph,
  infos: readonly TensorInfo[],
  outputs: readonly Uint8Array[],
  options: AnswerOptions,
): ModelAnswer {
  const kind = kindOf(graph);
  const values = (at: number): Float64Array => realValuesOf(infos[at]!, outputs[at]!)!;
  const answers = infos.map((info, i) =>
    outputAnswer(
      info,
      outputs[i]!,
      kind.kind === "tensors" && isClassification(graph, info.tensor),
      options,
    ),
  );
  const { labels } = options;
  if (kind.kind === "detection") {
    const parts = [kind.boxes, kind.classes, kind.scores].map(values);
    const detections = detectionsOf(parts, values(kind.count)[0]!, labels);
    return { kind: "detection", detections, outputs: answers };
  }
  if (kind.kind === "segmentation") {
    const classes = elementsOf(infos[kind.mask]!.type, outputs[kind.mask]!)!;
    return { kind: "segmentation", mask: maskOf(classes, labels), outputs: answers };
  }
  return { kind: "tensors", outputs: answers };
}

/** Describes one output; `labels` fit when there are as many as classes, or one less (a background class comes first). */
export function outputAnswer(
  info: TensorInfo,
  bytes: Uint8Array,
  isClasses: boolean,
  { top, labels }: AnswerOptions,
): OutputAnswer {
  const values = realValuesOf(info, bytes);
  const { name, type, shape } = info;
  return {
    name,
    type,
    shape,
    bytes: bytes.length,
    top: values && isClasses ? rank(values, top, labels) : null,
    range: values && values.length > 0 ? rangeOf(values) : null,
  };
}

function rank(values: Float64Array, top: number, labels: readonly string[]): RankedClass[] {
  const shift = labels.length === values.length - 1 ? 1 : 0;
  // Equal values keep their order, so the answer does not depend on the sort.
  const order = [...values.keys()].sort((a, b) => values[b]! - values[a]! || a - b);
  return order.slice(0, top).map((index) => ({
    index,
    label: labels[index - shift] ?? (shift === 1 && index === 0 ? "background" : null),
    value: values[index]!,
  }));
}

function rangeOf(values: Float64Array): { min: number; max: number; mean: number } {
  let min = Infinity;
  let max = -Infinity;
  let sum = 0;
  for (const value of values) {
    if (value < min) min = value;
    if (value > max) max = value;
    sum += value;
  }
  return { min, max, mean: sum / values.length };
}

function detectionsOf(
  parts: readonly Float64Array[],
  found: number,
  labels: readonly string[],
): Detection[] {
  const [boxes, classes, scores] = parts as [Float64Array, Float64Array, Float64Array];
  return Array.from({ length: Math.min(found, scores.length) }, (_, i) => {
    const [top, left, bottom, right] = boxes.subarray(4 * i, 4 * i + 4);
    return {
      class: classes[i]!,
      label: labels[classes[i]!] ?? null,
      score: scores[i]!,
      box: { top: top!, left: left!, bottom: bottom!, right: right! },
    };
  });
}

function maskOf(classes: Float64Array, labels: readonly string[]): MaskClass[] {
  const areas = new Map<number, number>();
  for (const index of classes) areas.set(index, (areas.get(index) ?? 0) + 1);
  return [...areas]
    .sort(([a, pixels], [b, others]) => others - pixels || a - b)
    .map(([index, pixels]) => ({
      index,
      label: labels[index] ?? null,
      pixels,
      share: pixels / classes.length,
    }));
}

/** Prints what a model said. */
export function printAnswer({ detections, mask, outputs }: ModelAnswer): void {
  if (detections) return printDetections(detections);
  if (mask) return printMask(mask, outputs[0]!);
  return printAnswers(outputs);
}

function printDetections(detections: readonly Detection[]): void {
  print(`${detections.length} detections; boxes in shares of the picture`);
  if (detections.length === 0) return;
  print(
    table(
      ["score", "class", "label", "top", "left", "bottom", "right"],
      detections.map(({ score, class: index, label, box }) => [
        score.toFixed(3),
        index,
        label ?? "",
        ...[box.top, box.left, box.bottom, box.right].map((side) => side.toFixed(3)),
      ]),
      ["right", "right", "left", "right", "right", "right", "right"],
    ),
  );
}

function printMask(classes: readonly MaskClass[], { name, shape }: OutputAnswer): void {
  const [, height, width] = shape;
  print(`mask ${out.bold(name)}: ${width} x ${height} pixels`);
  print(
    table(
      ["class", "pixels", "share", "label"],
      classes.map(({ index, pixels, share, label }) => [
        index,
        count(pixels),
        `${(share * 100).toFixed(1)} %`,
        label ?? "",
      ]),
      ["right", "right", "right"],
    ),
  );
}

/** Prints outputs one by one: classes where there are any, otherwise the range. */
export function printAnswers(answers: readonly OutputAnswer[]): void {
  for (const [i, { name, type, shape, top, range }] of answers.entries()) {
    print(`output ${i} ${out.bold(name)} ${type} [${shape.join(", ")}]`);
    if (top !== null)
      print(
        table(
          ["class", "value", "label"],
          top.map(({ index, value, label }) => [index, value.toFixed(4), label ?? ""]),
          ["right", "right"],
        ),
      );
    else if (range !== null)
      print(
        `from ${range.min.toPrecision(5)} to ${range.max.toPrecision(5)}, mean ${range.mean.toPrecision(5)}`,
      );
  }
}
