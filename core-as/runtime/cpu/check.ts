// Building blocks of the constraints that decide which operators the CPU kernels take.
// SPDX-License-Identifier: MIT
import { checkOperator } from "../../ir/shapes.ts";
import {
  elementBytes,
  elementCount,
  type ElementType,
  type Graph,
  type Op,
  type Tensor,
} from "../../ir/graph.ts";

/** Why an operator cannot run: a stable constraint id and a sentence that names the offending value. */
export interface Refusal {
  constraint: string;
  reason: string;
}

/** Kernels count elements and offsets in int32; this leaves room for kernel sizes and padding. */
const MAX_ELEMENTS = 2 ** 30;
/** Limit of strides, dilations and kernel sizes, so that no position overflows int32. */
const MAX_WINDOW = 2 ** 15;

/** The first refusal, or null. */
export function firstRefusal(
  ...checks: Array<Refusal | null | (() => Refusal | null)>
): Refusal | null {
  for (const check of checks) {
    const refusal = typeof check === "function" ? check() : check;
    if (refusal !== null) return refusal;
  }
  return null;
}

export function nameOf(tensor: Tensor): string {
  return `tensor ${tensor.id} "${tensor.name}"`;
}

export function tensorAt(graph: Graph, id: number | undefined): Tensor {
  const tensor = id === undefined ? undefined : graph.tensors[id];
  if (tensor === undefined) throw new RangeError(`the graph has no tensor ${id}`);
  return tensor;
}

function isConstant(graph: Graph, id: number): boolean {
  return tensorAt(graph, id).constant !== null;
}

/** Number of operands, all of them present unless they are behind the first `required`. */
export function checkOperands(
  graph: Graph,
  op: Op,
  inputs: { required: number; most: number },
  outputs: number | null = 1,
): Refusal | null {
  const refuse = (reason: string): Refusal => ({ constraint: "cpu-operands", reason });
  const count = op.inputs.length;
  if (count < inputs.required || count > inputs.most)
    return refuse(`${op.kind} has ${count} inputs; ${inputs.required} to ${inputs.most} are known`);
  if (outputs !== null && op.outputs.length !== outputs)
    return refuse(`${op.kind} has ${op.outputs.length} outputs, not ${outputs}`);
  const missing = op.inputs.findIndex((id, i) => id < 0 && i < inputs.required);
  if (missing >= 0) return refuse(`input ${missing} of ${op.kind} is left out`);
  for (const [i, id] of op.outputs.entries())
    if (op.inputs.includes(id) || op.outputs.indexOf(id) !== i || isConstant(graph, id))
      return refuse(`${op.kind} writes ${nameOf(tensorAt(graph, id))}, which is not its own`);
  for (const id of [...op.inputs, ...op.outputs]) {
    const refusal = id < 0 ? null : checkSize(tensorAt(graph, id));
    if (refusal !== null) return refusal;
  }
  return null;
}

/** What the graph's rules for the operator say: types, shapes, counts. */
export function checkRule(graph: Graph, op: Op): Refusal | null {
  const reason = checkOperator(graph, op);
  return reason === null ? null : { constraint: "cpu-shape", reason };
}

/** One of a list of element types. */
export function checkType(tensor: Tensor, types: readonly ElementType[]): Refusal | null {
  if (types.includes(tensor.type)) return null;
  return {
    constraint: "cpu-type",
    reason: `${nameOf(tensor)} is ${tensor.type}, not ${types.join(" or ")}`,
  };
}

/** A type whose elements are whole bytes. */
export function checkCopyable(tensor: Tensor): Refusal | null {
  if (elementBytes(tensor.type) !== null) return null;
  return {
    constraint: "cpu-type",
    reason: `${nameOf(tensor)} is ${tensor.type}, which has no fixed element size`,
  };
}

function checkSize(tensor: Tensor): Refusal | null {
  const elements = elementCount(tensor.shape);
  if (elements >= MAX_ELEMENTS)
    return {
      constraint: "cpu-size",
      reason: `${nameOf(tensor)} has ${elements} elements; the limit is ${MAX_ELEMENTS - 1}`,
    };
  // The product hides what the loops over the other dimensions cost.
  if (elements === 0)
    return {
      constraint: "cpu-size",
      reason: `${nameOf(tensor)} is empty: [${tensor.shape}]`,
    };
  const bytes = elements * (elementBytes(tensor.type) ?? 0);
  if (tensor.constant !== null && tensor.constant.length < bytes)
    return {
      constraint: "cpu-size",
      reason: `constant ${nameOf(tensor)} has ${tensor.constant.length} bytes, not ${bytes}`,
    };
  return null;
}

/** The output quantisation that TFLite prescribes for probabilities: scale 1/256, lowest value = 0. */
export function checkFixedOutput(output: Tensor): Refusal | null {
  const [scale, zero] = [output.quant!.scales[0]!, output.quant!.zeroPoints[0]!];
  const lowest = output.type === "int8" ? -128 : 0;
  if (Math.abs(scale - 1 / 256) <= 0.001 / 256 && zero === lowest) return null;
  return {
    constraint: "cpu-fixed-output",
    reason: `the output scale is ${scale}, zero point ${zero}; not 1/256 and ${lowest}`,
  };
}

/** int8 or uint8 with one valid scale and zero point. */
export function checkQuantised(tensor: Tensor): Refusal | null {
  if (tensor.type !== "int8" && tensor.type !== "uint8")
    return {
      constraint: "cpu-type",
      reason: `${nameOf(tensor)} is ${tensor.type}; the CPU kernels take int8 and uint8`,
    };
  const entries = tensor.quant?.scales.length ?? 0;
  if (entries !== 1)
    return {
      constraint: "cpu-per-tensor",
      reason: `${nameOf(tensor)} has ${entries} scales, not 1`,
    };
  return checkEntries(tensor);
}

/** All scales positive and finite, all zero points within the type. */
export function checkEntries(tensor: Tensor): Refusal | null {
  const low = tensor.type === "int8" ? -128 : 0;
  for (const scale of tensor.quant?.scales ?? [])
    if (!(scale > 0 && scale < Infinity))
      return { constraint: "cpu-scale", reason: `${nameOf(tensor)} has the scale ${scale}` };
  for (const zeroPoint of tensor.quant?.zeroPoints ?? [])
    if (zeroPoint < low || zeroPoint > low + 255)
      return {
        constraint: "cpu-zero-point",
        reason: `${nameOf(tensor)} has the zero point ${zeroPoint}, outside ${tensor.type}`,
      };
  return null;
}

export function checkSameType(...tensors: Tensor[]): Refusal | null {
  const other = tensors.find((tensor) => tensor.type !== tensors[0]!.type);
  if (other === undefined) return null;
  return {
    constraint: "cpu-same-type",
    reason: `${nameOf(tensors[0]!)} is ${tensors[0]!.type} but ${nameOf(other)} is ${other.type}`,
  };
}

export function checkRank(tensor: Tensor, lowest: number, highest = lowest): Refusal | null {
  const rank = tensor.shape.length;
  if (rank >= lowest && rank <= highest) return null;
  const wanted = lowest === highest ? `${lowest}` : `${lowest} to ${highest}`;
  return {
    constraint: "cpu-rank",
    reason: `${nameOf(tensor)} has ${rank} dimensions, not ${wanted}`,
  };
}

export function checkShape(tensor: Tensor, wanted: readonly number[]): Refusal | null {
  if (tensor.shape.length === wanted.length && tensor.shape.every((n, i) => n === wanted[i]))
    return null;
  return {
    constraint: "cpu-shape",
    reason: `${nameOf(tensor)} has the shape [${tensor.shape}]; the operator makes it [${wanted}]`,
  };
}

export function checkConstant(tensor: Tensor): Refusal | null {
  if (tensor.constant !== null) return null;
  return { constraint: "cpu-constant", reason: `${nameOf(tensor)} is not a constant` };
}

/** Strides, dilations and kernel sizes: 1..32768. */
export function checkWindow(sizes: Record<string, number>): Refusal | null {
  for (const [name, size] of Object.entries(sizes))
    if (!(size >= 1 && size <= MAX_WINDOW))
      return { constraint: "cpu-window", reason: `${name} is ${size}, outside 1..${MAX_WINDOW}` };
  return null;
}

/** Rescaling factors that have a fixed-point form. */
export function checkFactor(real: number): Refusal | null {
  if (real < 2 ** 30) return null;
  return { constraint: "cpu-scale", reason: `the output is rescaled by ${real}, not below 2^30` };
}

/** Fused activations that are a clamp. */
export function checkActivation(activation: string): Refusal | null {
  if (["none", "relu", "relu6", "relu_n1_to_1"].includes(activation)) return null;
  return { constraint: "cpu-activation", reason: `the fused activation is ${activation}` };
}

/** Dimension that a possibly negative axis names, or null. */
export function resolveAxis(axis: number, rank: number): number | null {
  const resolved = axis < 0 ? axis + rank : axis;
  return resolved >= 0 && resolved < rank ? resolved : null;
}

export function refuseAxis(axis: number, rank: number): Refusal {
  return { constraint: "cpu-axis", reason: `axis ${axis} of ${rank} dimensions` };
}

/** A constant of `count` int32 or int64. */
export function checkIntegers(tensor: Tensor, count: number): Refusal | null {
  const isInteger = tensor.type === "int32" || tensor.type === "int64";
  if (!isInteger || elementCount(tensor.shape) !== count)
    return {
      constraint: "cpu-type",
      reason: `${nameOf(tensor)} is ${tensor.type} [${tensor.shape}], not ${count} integers`,
    };
  return checkConstant(tensor);
}

/** Values of an int32 or int64 constant. */
export function integersOf(tensor: Tensor): number[] {
  const bytes = tensor.constant!;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: elementCount(tensor.shape) }, (_, i) =>
    tensor.type === "int64" ? Number(view.getBigInt64(i * 8, true)) : view.getInt32(i * 4, true),
  );
}
