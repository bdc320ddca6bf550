// What the outputs of a model say: boxes of a detection, areas of a mask, key points of a pose, the best classes, the range of anything
// else. For command lines and pages alike.
// SPDX-License-Identifier: MIT
import { realValuesOf, elementsOf } from "../ir/elements.ts";
import type { Graph } from "../ir/graph.ts";
import type { TensorInfo } from "../runtime/tensor-info.ts";
import { isClassification, modelKind } from "./kinds.ts";
import { decodeKeypoints, type Keypoint } from "./pose.ts";

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
  kind: "detection" | "segmentation" | "pose" | "tensors";
  /** Best first, as the model gives them. */
  detections?: Detection[];
  /** Largest area first. */
  mask?: MaskClass[];
  /** The 17 key points of a person, in the order of KEYPOINT_NAMES. */
  keypoints?: Keypoint[];
  outputs: OutputAnswer[];
}

export interface AnswerOptions {
  /** Classes to list. */
  top: number;
  labels: readonly string[];
}

/**
 * Describes all outputs of a model by what its last operators make of them.
 * @param graph of the model or of an executable
 * @param infos of the outputs, as `outputInfos(graph)` gives them
 * @param outputs bytes of each
 */
export function describeOutputs(
  graph: Graph,
  infos: readonly TensorInfo[],
  outputs: readonly Uint8Array[],
  options: AnswerOptions,
): ModelAnswer {
  const kind = modelKind(graph);
  const values = (at: number): Float64Array => realValuesOf(infos[at]!, outputs[at]!)!;
  const answers = infos.map((info, i) =>
    describeOutput(
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
  if (kind.kind === "pose")
    return { kind: "pose", keypoints: decodeKeypoints(values(kind.keypoints)), outputs: answers };
  return { kind: "tensors", outputs: answers };
}

/** Describes one output; `labels` fit when there are as many as classes, or one less (a background class comes first). */
export function describeOutput(
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
