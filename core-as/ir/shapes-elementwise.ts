// Rules for operators that work element by element, for SOFTMAX, and rules that several operators share.
// SPDX-License-Identifier: MIT
import { broadcastShape } from "./broadcast.ts";
import type { ElementType, Tensor } from "./graph.ts";
import type { BoundOp } from "./shapes.ts";

const QUANTISED: ReadonlySet<ElementType> = new Set(["uint8", "int8", "int16"]);

/** "[1, 8, 8, 32]" */
export function shapeText(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}

/**
 * An activation of an operator that computes: one scale above zero if it is quantised.
 * @param role "input", "output", ...
 */
export function checkActivation(tensor: Tensor, role: string): string | null {
  const { quant, type } = tensor;
  if (quant === null || !QUANTISED.has(type)) return null;
  if (quant.scales.length !== 1)
    return `${role} has ${quant.scales.length} scales; only weights may have more than one`;
  return quant.scales[0]! > 0 ? null : `${role} has a scale of ${quant.scales[0]}`;
}

/** Several activations that all have the type of the first. */
export function checkSameType(tensors: readonly Tensor[], what: string): string | null {
  for (const [i, tensor] of tensors.entries()) {
    const first = tensors[0]!.type;
    if (tensor.type !== first) return `${what} differ in type: ${first} and ${tensor.type}`;
    const problem = checkActivation(tensor, `tensor ${i} of ${what}`);
    if (problem !== null) return problem;
  }
  return null;
}

/** ADD: one type; the shapes are the matter of checkAddBroadcast. */
export function checkAdd({ inputs, outputs }: BoundOp): string | null {
  return checkSameType([inputs[0]!, inputs[1]!, outputs[0]!], "operands and output");
}

/** ADD: dimensions are equal or 1, counted from the last; the output has the larger of each. */
export function checkAddBroadcast({ inputs, outputs }: BoundOp): string | null {
  const a = inputs[0]!.shape;
  const b = inputs[1]!.shape;
  const wanted = broadcastShape(a, b);
  if (wanted === null) return `operands ${shapeText(a)} and ${shapeText(b)} do not fit each other`;
  return checkOutputShape(outputs[0]!, wanted, "the operands give");
}

/**
 * An output against the shape that the operator computes.
 * @param reason "the operands give", "the options give", ...
 */
export function checkOutputShape(
  output: Tensor,
  wanted: readonly number[],
  reason: string,
): string | null {
  return sameShape(output.shape, wanted)
    ? null
    : `output is ${shapeText(output.shape)}, ${reason} ${shapeText(wanted)}`;
}

/** SUB, MUL, DIV, MINIMUM, MAXIMUM, FLOOR_DIV: as ADD, but nobody compiles malformed ones. */
export function checkBinary(bound: BoundOp): string | null {
  return checkAdd(bound) ?? checkAddBroadcast(bound);
}

/** PRELU: one type; the slopes are repeated to the shape of the input. */
export function checkPrelu(bound: BoundOp): string | null {
  const input = bound.inputs[0]!.shape;
  return checkBinary(bound) ?? checkOutputShape(bound.outputs[0]!, input, "the input is");
}

/** Functions of one element: same shape and type. */
export function checkUnary({ inputs, outputs }: BoundOp): string | null {
  const types = checkSameType([inputs[0]!, outputs[0]!], "input and output");
  return types ?? checkOutputShape(outputs[0]!, inputs[0]!.shape, "the input is");
}

/** CAST, QUANTIZE, DEQUANTIZE: same shape, another type. */
export function checkConversion({ inputs, outputs }: BoundOp): string | null {
  return checkOutputShape(outputs[0]!, inputs[0]!.shape, "the input is");
}

/** SOFTMAX: same shape; int8 may become int16, which is how TFLite keeps precision. */
export function checkSoftmax({ op, inputs, outputs }: BoundOp): string | null {
  const input = inputs[0]!;
  const output = outputs[0]!;
  if (!sameShape(input.shape, output.shape))
    return `output is ${shapeText(output.shape)}, input ${shapeText(input.shape)}`;
  if (input.shape.length < 1) return "input is a scalar";

  const widened = input.type === "int8" && output.type === "int16";
  if (input.type !== output.type && !widened)
    return `input is ${input.type}, output ${output.type}`;
  if (!(Number.isFinite(op.options["beta"]) && (op.options["beta"] as number) >= 0))
    return `beta is ${op.options["beta"]}`;
  return checkActivation(input, "input") ?? checkActivation(output, "output");
}
