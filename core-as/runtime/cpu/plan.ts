// What an operator family provides, and what it gets to turn an operator into kernel calls.
// SPDX-License-Identifier: MIT
import type { Core } from "../../core.ts";
import type { Graph, Op } from "../../ir/graph.ts";
import type { Refusal } from "./check.ts";

/** Kernels whose only parameter is the address of a parameter block. */
export type KernelName =
  | "runConv2d"
  | "runDepthwiseConv2d"
  | "runAdd"
  | "runAveragePool2d"
  | "runMaxPool2d"
  | "runMean"
  | "runSoftmax"
  | "runCopyBlocks"
  | "runPad"
  | "runStridedCopy"
  | "runBinary"
  | "runUnary"
  | "runCast"
  | "runQuantize"
  | "runDequantize"
  | "runResizeBilinear"
  | "runResizeNearest"
  | "runArgExtreme"
  | "runReduce"
  | "runGatherNd"
  | "runDetection";

export interface KernelCall {
  kernel: KernelName;
  /** Address of the parameter block. */
  block: number;
}

export interface PlanContext {
  core: Core;
  graph: Graph;
  /** Address of a tensor's bytes, constant or not, fixed for the life of the program. */
  addressOf(tensorId: number): number;
}

export interface CpuOperator {
  /** Null when the kernels can run this operator; must hold before `plan` is called. */
  check(graph: Graph, op: Op): Refusal | null;
  /** Prepares constants and parameter blocks in the core's memory. */
  plan(context: PlanContext, op: Op): KernelCall[];
}
