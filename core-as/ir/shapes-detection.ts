// Rule for the custom operator TFLite_Detection_PostProcess.
// SPDX-License-Identifier: MIT
import { detectionShapes, readDetectionOptions } from "./detection.ts";
import { checkOutputShape, shapeText } from "./shapes-elementwise.ts";
import type { BoundOp } from "./shapes.ts";

/** Boxes [1, n, >= 4], scores [1, n, classes with or without background], anchors [n, 4]. */
export function checkDetection({ op, inputs, outputs }: BoundOp): string | null {
  const options = readDetectionOptions(op);
  if (typeof options === "string") return options;
  const [boxes, scores, anchors] = inputs.map((tensor) => tensor!.shape) as [
    number[],
    number[],
    number[],
  ];
  const count = boxes[1];
  if (boxes.length !== 3 || boxes[0] !== 1 || boxes[2]! < 4)
    return `boxes are ${shapeText(boxes)}, not [1, boxes, 4]`;
  if (scores.length !== 3 || scores[0] !== 1 || scores[1] !== count)
    return `scores are ${shapeText(scores)}, not [1, ${count}, classes]`;
  if (anchors.length !== 2 || anchors[0] !== count || anchors[1] !== 4)
    return `anchors are ${shapeText(anchors)}, not [${count}, 4]`;
  const background = scores[2]! - options.numClasses;
  if (background !== 0 && background !== 1)
    return `scores are of ${scores[2]} classes, the options say ${options.numClasses}`;

  for (const [i, shape] of detectionShapes(options).entries()) {
    if (outputs[i]!.type !== "float32") return `output ${i} is ${outputs[i]!.type}, not float32`;
    const problem = checkOutputShape(outputs[i]!, shape, "the options give");
    if (problem !== null) return problem;
  }
  return null;
}
