// TFLite_Detection_PostProcess: constraints and parameter block.
// SPDX-License-Identifier: MIT
import { DetectionParam } from "../../assembly/abi-kernels.ts";
import type { Core } from "../../core.ts";
import { readDetectionOptions, type DetectionOptions } from "../../ir/detection.ts";
import type { Graph, Op, Tensor } from "../../ir/graph.ts";
import * as check from "./check.ts";
import type { Refusal } from "./check.ts";
import { dequantiseTable } from "./convert.ts";
import { floatBits } from "./elements.ts";
import type { CpuOperator } from "./plan.ts";

/** Limit of comparisons of two boxes, so that damaged options cannot keep the kernel busy for minutes. */
const MAX_COMPARISONS = 2 ** 30;

function inputsOf(graph: Graph, op: Op): [Tensor, Tensor, Tensor] {
  return op.inputs.slice(0, 3).map((id) => check.tensorAt(graph, id)) as [Tensor, Tensor, Tensor];
}

/** float32, or uint8 with a scale. */
function checkInput(tensor: Tensor): Refusal | null {
  return check.firstRefusal(check.checkType(tensor, ["float32", "uint8"]), () =>
    tensor.type === "uint8" ? check.checkQuantised(tensor) : null,
  );
}

function checkWork(boxes: number, o: DetectionOptions): Refusal | null {
  const comparisons = o.useRegularNms
    ? o.numClasses * boxes * Math.min(boxes, o.detectionsPerClass)
    : boxes * Math.min(boxes, o.maxDetections);
  // the results so far are sorted again for every class, and the scores of a box searched again for every result
  const others = o.useRegularNms
    ? o.numClasses * o.maxDetections
    : o.maxDetections * o.maxClassesPerDetection * o.numClasses;
  if (comparisons <= MAX_COMPARISONS && others <= MAX_COMPARISONS) return null;
  const reason = `${boxes} boxes and ${o.numClasses} classes may take ${Math.max(comparisons, others)} comparisons, more than ${MAX_COMPARISONS}`;
  return { constraint: "cpu-detection-work", reason };
}

/** 256 numbers for a quantised tensor, or 0. */
function tableFor(core: Core, tensor: Tensor): number {
  if (tensor.type === "float32") return 0;
  return core.allocCopy(new Uint8Array(dequantiseTable(tensor).buffer));
}

/** Boxes and scores of float32 or uint8 to boxes, classes, scores and count of float32. */
export const detection: CpuOperator = {
  check(graph, op) {
    const refusal = check.checkOperands(graph, op, { required: 3, most: 3 }, 4);
    if (refusal !== null) return refusal;
    const inputs = inputsOf(graph, op);
    return check.firstRefusal(
      check.checkRule(graph, op),
      ...inputs.map((tensor) => () => checkInput(tensor)),
      () => check.checkSameType(inputs[0], inputs[2]),
      () => checkWork(inputs[2].shape[0]!, readDetectionOptions(op) as DetectionOptions),
    );
  },

  plan({ core, graph, addressOf }, op) {
    const [boxes, scores, anchors] = inputsOf(graph, op);
    const options = readDetectionOptions(op) as DetectionOptions;
    const block = new Int32Array(DetectionParam.WORDS);
    block[DetectionParam.BOXES] = addressOf(boxes.id);
    block[DetectionParam.SCORES] = addressOf(scores.id);
    block[DetectionParam.ANCHORS] = addressOf(anchors.id);
    block[DetectionParam.BOX_TABLE] = tableFor(core, boxes);
    block[DetectionParam.SCORE_TABLE] = tableFor(core, scores);
    block[DetectionParam.ANCHOR_TABLE] = tableFor(core, anchors);
    block.set(op.outputs.map(addressOf), DetectionParam.OUTPUT_BOXES);
    block[DetectionParam.BOX_COUNT] = boxes.shape[1]!;
    block[DetectionParam.BOX_CODE] = boxes.shape[2]!;
    block[DetectionParam.COLUMNS] = scores.shape[2]!;
    block[DetectionParam.CLASSES] = options.numClasses;
    block[DetectionParam.MAX_DETECTIONS] = options.maxDetections;
    block[DetectionParam.CLASSES_PER_DETECTION] = options.maxClassesPerDetection;
    block[DetectionParam.DETECTIONS_PER_CLASS] = options.detectionsPerClass;
    block[DetectionParam.REGULAR] = options.useRegularNms ? 1 : 0;
    block[DetectionParam.SCORE_THRESHOLD] = floatBits(options.scoreThreshold);
    block[DetectionParam.IOU_THRESHOLD] = floatBits(options.iouThreshold);
    block[DetectionParam.SCALE_Y] = floatBits(options.scaleY);
    block[DetectionParam.SCALE_X] = floatBits(options.scaleX);
    block[DetectionParam.SCALE_H] = floatBits(options.scaleH);
    block[DetectionParam.SCALE_W] = floatBits(options.scaleW);
    return [{ kernel: "runDetection", block: core.allocWords(block) }];
  },
};
