// Rules for ADD and SOFTMAX, and rules about quantisation that several operators share.
// SPDX-License-Identifier: MIT
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
  const rank = Math.max(a.length, b.length);
  const wanted: number[] = [];
  for (let i = 0; i < rank; i++) {
    const sizeA = a[i - rank + a.length] ?? 1;
    const sizeB = b[i - rank + b.length] ?? 1;
    if (sizeA !== sizeB && sizeA !== 1 && sizeB !== 1)
      return `operands ${shapeText(a)} and ${shapeText(b)} do not fit each other`;
    wanted.push(Math.max(sizeA, sizeB));
  }
  const out = outputs[0]!.shape;
  return sameShape(out, wanted)
    ? null
    : `output is ${shapeText(out)}, the operands give ${shapeText(wanted)}`;
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
