// The form of a constraint: a predicate with a sentence. The NPU takes an operator when every one of its constraints holds.
// SPDX-License-Identifier: MIT
import type { Chip } from "../hw/chips.ts";
import type { Activation, Graph, Op, Padding, Tensor } from "../ir/graph.ts";

export interface ConstraintContext {
  graph: Graph;
  op: Op;
  chip: Chip;
}

export interface Constraint {
  /** Stable name, part of the report, e.g. "CONV_STRIDE". */
  id: string;
  /** TFLite operators that it applies to. */
  operators: readonly string[];
  /** The published sentence: what must hold. */
  sentence: string;
  /** What a user can do about it. */
  remedy: string;
  /** null when it holds, otherwise the offending value in words. */
  violation(context: ConstraintContext): string | null;
}

export const CONVOLUTIONS = ["CONV_2D", "DEPTHWISE_CONV_2D"] as const;

/** Tensor of an operand; the operand must not be left out. */
export function operand(context: ConstraintContext, index: number): Tensor {
  return context.graph.tensors[context.op.inputs[index]!]!;
}

/** Tensor of an operand, or null when it is optional and left out. */
export function optionalOperand(context: ConstraintContext, index: number): Tensor | null {
  const id = context.op.inputs[index];
  return id === undefined || id < 0 ? null : context.graph.tensors[id]!;
}

export function result(context: ConstraintContext, index = 0): Tensor {
  return context.graph.tensors[context.op.outputs[index]!]!;
}

/** Options that several operators share; absent ones are undefined. */
export interface CommonOptions {
  padding?: Padding;
  strideW?: number;
  strideH?: number;
  dilationW?: number;
  dilationH?: number;
  activation?: Activation;
  axis?: number;
  depthMultiplier?: number;
}

export const commonOptions = (op: Op): CommonOptions => op.options as CommonOptions;

export const describe = (tensor: Tensor): string => `tensor ${tensor.id} "${tensor.name}"`;

/** Tensors that carry data through the operator: all inputs that are not left out, and all outputs. */
export function dataTensors({ graph, op }: ConstraintContext): Tensor[] {
  return [...op.inputs.filter((id) => id >= 0), ...op.outputs].map((id) => graph.tensors[id]!);
}

/** Both tensors have the same scale and zero point. */
export const sameQuantisation = (a: Tensor, b: Tensor): boolean =>
  a.quant!.scales[0] === b.quant!.scales[0] && a.quant!.zeroPoints[0] === b.quant!.zeroPoints[0];
