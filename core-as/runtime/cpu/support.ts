// Which operators the CPU kernels run: one table, asked before anything is planned.
// SPDX-License-Identifier: MIT
import type { Graph, Op } from "../../ir/graph.ts";
import { add, softmax } from "./arithmetic.ts";
import type { Refusal } from "./check.ts";
import { conv2d, depthwiseConv2d, fullyConnected } from "./convolution.ts";
import { logistic, quantize } from "./lookup.ts";
import { mean } from "./mean.ts";
import { concatenation, pad, reshape, split } from "./movement.ts";
import type { CpuOperator } from "./plan.ts";
import { averagePool2d, maxPool2d } from "./pooling.ts";

/** Every operator with a CPU kernel, by its TFLite name. */
export const CPU_OPERATORS: ReadonlyMap<string, CpuOperator> = new Map([
  ["ADD", add],
  ["AVERAGE_POOL_2D", averagePool2d],
  ["CONCATENATION", concatenation],
  ["CONV_2D", conv2d],
  ["DEPTHWISE_CONV_2D", depthwiseConv2d],
  ["FULLY_CONNECTED", fullyConnected],
  ["LOGISTIC", logistic],
  ["MAX_POOL_2D", maxPool2d],
  ["MEAN", mean],
  ["PAD", pad],
  ["PADV2", pad],
  ["QUANTIZE", quantize],
  ["RESHAPE", reshape],
  ["SOFTMAX", softmax],
  ["SPLIT", split],
]);

export type CpuSupport = { ok: true } | ({ ok: false } & Refusal);

/** Whether the CPU kernels run this operator of this graph; if not, the constraint and a sentence with the value. */
export function canRunOnCpu(graph: Graph, op: Op): CpuSupport {
  const operator = CPU_OPERATORS.get(op.kind);
  const name = op.customName === null ? op.kind : `${op.kind} ${op.customName}`;
  const refusal =
    operator === undefined
      ? { constraint: "cpu-operator", reason: `${name} has no CPU kernel` }
      : operator.check(graph, op);
  return refusal === null ? { ok: true } : { ok: false, ...refusal };
}
