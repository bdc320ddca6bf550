// What a model's outputs mean, seen from its last operators: detections, a mask, a pose, classes, or just numbers.
// SPDX-License-Identifier: MIT
import { DETECTION_NAME } from "../ir/detection.ts";
import type { Graph, Op } from "../ir/graph.ts";
import { KEYPOINT_NAMES } from "./pose.ts";

/** Positions are those in the graph's list of outputs. */
export type ModelKind =
  | { kind: "detection"; boxes: number; classes: number; scores: number; count: number }
  | { kind: "segmentation"; mask: number }
  | { kind: "pose"; keypoints: number }
  | { kind: "tensors" };

/** Recognises a model by the operators that compute its outputs. */
export function modelKind(graph: Graph): ModelKind {
  return detectionKind(graph) ?? segmentationKind(graph) ?? poseKind(graph) ?? { kind: "tensors" };
}

function detectionKind(graph: Graph): ModelKind | null {
  const op = graph.ops.find(({ customName }) => customName === DETECTION_NAME);
  if (op === undefined || op.outputs.length !== 4) return null;
  const at = op.outputs.map((id) => graph.outputs.indexOf(id));
  if (at.includes(-1)) return null;
  const [boxes, classes, scores, count] = at as [number, number, number, number];
  return { kind: "detection", boxes, classes, scores, count };
}

/** An ARG_MAX over the channels of a picture: [1, height, width] class numbers. */
function segmentationKind(graph: Graph): ModelKind | null {
  if (graph.outputs.length !== 1) return null;
  const id = graph.outputs[0]!;
  const { shape } = graph.tensors[id]!;
  const isMask = writerOf(graph, id)?.kind === "ARG_MAX" && shape.length === 3 && shape[0] === 1;
  return isMask ? { kind: "segmentation", mask: 0 } : null;
}

/** One person's key points as MoveNet gives them: [1, 1, 17, 3] = row, column, score. */
function poseKind(graph: Graph): ModelKind | null {
  if (graph.outputs.length !== 1) return null;
  const { shape } = graph.tensors[graph.outputs[0]!]!;
  const isPose = shape.join() === [1, 1, KEYPOINT_NAMES.length, 3].join();
  return isPose ? { kind: "pose", keypoints: 0 } : null;
}

function writerOf(graph: Graph, tensor: number): Op | undefined {
  return graph.ops.find(({ outputs }) => outputs.includes(tensor));
}

/** Operators that only change how a row of values is written down. */
const PASSED = new Set(["RESHAPE", "SQUEEZE", "QUANTIZE", "DEQUANTIZE"]);

/** True for one row of at least two values that is quantised or comes out of a softmax, such as [1, 1001]. */
export function isClassification(graph: Graph, tensor: number): boolean {
  const { shape, quant } = graph.tensors[tensor]!;
  const long = shape.filter((size) => size > 1);
  if (long.length !== 1 || shape.at(-1) !== long[0]) return false;
  if (quant !== null) return true;
  let op = writerOf(graph, tensor);
  while (op !== undefined && PASSED.has(op.kind)) op = writerOf(graph, op.inputs[0]!);
  return op?.kind === "SOFTMAX" || op?.kind === "LOGISTIC";
}
