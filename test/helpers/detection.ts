// A detection operator of three boxes and two classes with options to choose.
// SPDX-License-Identifier: MIT
import { DETECTION_NAME } from "../../core-as/ir/detection.ts";
import type { Graph, Op } from "../../core-as/ir/graph.ts";
import { flexbuffer } from "./flexbuffer.ts";
import { floats, tinyGraph, type TinyTensor } from "./tiny-graph.ts";

/** Options as converters write them, for three results. */
export const DETECTION_OPTIONS: Readonly<Record<string, unknown>> = {
  max_detections: 3,
  max_classes_per_detection: 1,
  detections_per_class: 100,
  use_regular_nms: false,
  nms_score_threshold: 0.3,
  nms_iou_threshold: 0.5,
  num_classes: 2,
  y_scale: 10,
  x_scale: 10,
  h_scale: 5,
  w_scale: 5,
};

/** Two anchors on [0, 0, 1, 1] and one on [1.5, 1.5, 2.5, 2.5]. */
export const ANCHORS: readonly number[] = [0.5, 0.5, 1, 1, 0.5, 0.5, 1, 1, 2, 2, 1, 1];

/** A graph with the operator: boxes and scores come in, anchors are a constant. */
export function detectionGraph(
  changes: Readonly<Record<string, unknown>> = {},
  inputs: Array<TinyTensor> = [floats([1, 3, 4]), floats([1, 3, 3]), floats([3, 4], [...ANCHORS])],
): { graph: Graph; op: Op } {
  const options = { ...DETECTION_OPTIONS, ...changes };
  const results = Number(options["max_detections"]) * Number(options["max_classes_per_detection"]);
  const count = results > 0 && results < 1000 ? results : 1;
  const outputs = [floats([1, count, 4]), floats([1, count]), floats([1, count]), floats([1])];
  const tiny = tinyGraph("CUSTOM", {}, inputs, outputs);
  tiny.op.customName = DETECTION_NAME;
  tiny.op.customOptions = flexbuffer(options);
  return tiny;
}
