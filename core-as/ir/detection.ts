// The custom operator TFLite_Detection_PostProcess: its options and the shapes of its outputs, which files leave out.
// SPDX-License-Identifier: MIT
import { readFlexMap, type FlexValue } from "./flexbuffer.ts";
import type { Graph, Op } from "./graph.ts";

export const DETECTION_NAME = "TFLite_Detection_PostProcess";

/** More results than this are no detection model. */
const MAX_RESULTS = 2 ** 16;

export interface DetectionOptions {
  maxDetections: number;
  maxClassesPerDetection: number;
  detectionsPerClass: number;
  /** Suppression class by class instead of once for the best class of each box. */
  useRegularNms: boolean;
  scoreThreshold: number;
  iouThreshold: number;
  /** Without background. */
  numClasses: number;
  scaleY: number;
  scaleX: number;
  scaleH: number;
  scaleW: number;
}

/**
 * Options of the operator from its flexbuffer.
 * @returns a sentence when they are damaged or out of range
 */
export function readDetectionOptions(op: Op): DetectionOptions | string {
  const map = readFlexMap(op.customOptions ?? new Uint8Array(0));
  if (typeof map === "string") return `options are no flexbuffer map: ${map}`;
  const options = {
    maxDetections: asInteger(map.get("max_detections")),
    maxClassesPerDetection: asInteger(map.get("max_classes_per_detection")),
    detectionsPerClass: asInteger(map.get("detections_per_class") ?? 100),
    useRegularNms: asInteger(map.get("use_regular_nms")) !== 0,
    scoreThreshold: asFloat(map.get("nms_score_threshold")),
    iouThreshold: asFloat(map.get("nms_iou_threshold")),
    numClasses: asInteger(map.get("num_classes")),
    scaleY: asFloat(map.get("y_scale")),
    scaleX: asFloat(map.get("x_scale")),
    scaleH: asFloat(map.get("h_scale")),
    scaleW: asFloat(map.get("w_scale")),
  };
  return findProblem(options) ?? options;
}

/** Missing and null values are 0, as they are in TFLite. */
function asInteger(value: FlexValue): number {
  return Math.trunc(Number(value ?? 0));
}

function asFloat(value: FlexValue): number {
  return Math.fround(Number(value ?? 0));
}

function findProblem(o: DetectionOptions): string | null {
  const counts = ["maxDetections", "maxClassesPerDetection", "detectionsPerClass"] as const;
  for (const name of [...counts, "numClasses"] as const)
    if (!(o[name] >= 1 && o[name] <= MAX_RESULTS))
      return `${name} is ${o[name]}, outside 1..${MAX_RESULTS}`;
  if (o.maxDetections * o.maxClassesPerDetection > MAX_RESULTS)
    return `${o.maxDetections} detections of ${o.maxClassesPerDetection} classes are more than ${MAX_RESULTS}`;
  if (!(o.iouThreshold > 0 && o.iouThreshold <= 1))
    return `iouThreshold is ${o.iouThreshold}, outside 0..1`;
  if (Number.isNaN(o.scoreThreshold)) return "scoreThreshold is not a number";
  for (const name of ["scaleY", "scaleX", "scaleH", "scaleW"] as const)
    if (!(o[name] > 0 && o[name] < Infinity)) return `${name} is ${o[name]}`;
  return null;
}

/** Shapes of boxes, classes, scores and count. */
export function detectionShapes(options: DetectionOptions): number[][] {
  const results = options.maxDetections * options.maxClassesPerDetection;
  return [[1, results, 4], [1, results], [1, results], [1]];
}

/**
 * Gives the outputs of the operator their shapes: runtimes compute them from the options, so files leave them out or hold
 * an example. Operators whose options are damaged stay as they are, for the verification to name.
 */
export function resolveDetectionShapes(graph: Graph): void {
  for (const op of graph.ops) {
    if (op.customName !== DETECTION_NAME || op.outputs.length !== 4) continue;
    const options = readDetectionOptions(op);
    if (typeof options === "string") continue;
    for (const [i, shape] of detectionShapes(options).entries()) {
      const tensor = graph.tensors[op.outputs[i]!]!;
      if (tensor.type === "float32" && tensor.constant === null) tensor.shape = shape;
    }
  }
}
