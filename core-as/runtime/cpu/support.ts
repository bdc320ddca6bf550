// Which operators the CPU kernels run: one table, asked before anything is planned.
// SPDX-License-Identifier: MIT
import { DETECTION_NAME } from "../../ir/detection.ts";
import { operatorKey, type Graph, type Op } from "../../ir/graph.ts";
import { softmax } from "./arithmetic.ts";
import { binary } from "./binary.ts";
import type { Refusal } from "./check.ts";
import { cast, dequantize, quantize } from "./convert.ts";
import { conv2d, depthwiseConv2d, fullyConnected } from "./convolution.ts";
import { detection } from "./detection.ts";
import { sigmoidal } from "./lookup.ts";
import { mean } from "./mean.ts";
import { concatenation, pad, reshape, split } from "./movement.ts";
import { pack, unpack } from "./packing.ts";
import type { CpuOperator } from "./plan.ts";
import { averagePool2d, maxPool2d } from "./pooling.ts";
import { resize } from "./resize.ts";
import { argExtreme, gatherNd, reduceExtreme } from "./search.ts";
import { depthToSpace, slice, spaceToDepth, transpose } from "./slices.ts";
import { unary } from "./unary.ts";

/** Every operator with a CPU kernel, by operatorKey. */
export const CPU_OPERATORS: ReadonlyMap<string, CpuOperator> = new Map([
  ["ABS", unary],
  ["ADD", binary],
  ["ARG_MAX", argExtreme],
  ["ARG_MIN", argExtreme],
  ["AVERAGE_POOL_2D", averagePool2d],
  ["CAST", cast],
  ["CONCATENATION", concatenation],
  ["CONV_2D", conv2d],
  [`CUSTOM ${DETECTION_NAME}`, detection],
  ["DEPTHWISE_CONV_2D", depthwiseConv2d],
  ["DEPTH_TO_SPACE", depthToSpace],
  ["DEQUANTIZE", dequantize],
  ["DIV", binary],
  ["EXPAND_DIMS", reshape],
  ["FLOOR_DIV", binary],
  ["FULLY_CONNECTED", fullyConnected],
  ["GATHER_ND", gatherNd],
  ["HARD_SWISH", unary],
  ["LEAKY_RELU", unary],
  ["LOGISTIC", sigmoidal],
  ["MAXIMUM", binary],
  ["MAX_POOL_2D", maxPool2d],
  ["MEAN", mean],
  ["MINIMUM", binary],
  ["MUL", binary],
  ["NEG", unary],
  ["PACK", pack],
  ["PAD", pad],
  ["PADV2", pad],
  ["PRELU", binary],
  ["QUANTIZE", quantize],
  ["REDUCE_MAX", reduceExtreme],
  ["REDUCE_MIN", reduceExtreme],
  ["RELU", unary],
  ["RELU6", unary],
  ["RELU_N1_TO_1", unary],
  ["RESHAPE", reshape],
  ["RESIZE_BILINEAR", resize],
  ["RESIZE_NEAREST_NEIGHBOR", resize],
  ["SLICE", slice],
  ["SOFTMAX", softmax],
  ["SPACE_TO_DEPTH", spaceToDepth],
  ["SPLIT", split],
  ["SQRT", unary],
  ["SQUEEZE", reshape],
  ["STRIDED_SLICE", slice],
  ["SUB", binary],
  ["TANH", sigmoidal],
  ["TRANSPOSE", transpose],
  ["UNPACK", unpack],
]);

export type CpuSupport = { ok: true } | ({ ok: false } & Refusal);

/** Whether the CPU kernels run this operator of this graph; if not, the constraint and a sentence with the value. */
export function canRunOnCpu(graph: Graph, op: Op): CpuSupport {
  const operator = CPU_OPERATORS.get(operatorKey(op));
  const refusal =
    operator === undefined
      ? { constraint: "cpu-operator", reason: `${operatorKey(op)} has no CPU kernel` }
      : operator.check(graph, op);
  return refusal === null ? { ok: true } : { ok: false, ...refusal };
}
