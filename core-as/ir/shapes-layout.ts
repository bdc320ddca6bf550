// Rules for operators that move data: CONCATENATION, SPLIT, PAD, RESHAPE and its kin, TRANSPOSE, PACK, UNPACK.
// SPDX-License-Identifier: MIT
import { integersOf, readInts } from "./constants.ts";
import { elementCount, type Tensor } from "./graph.ts";
import {
  checkActivation,
  checkOutputShape,
  checkSameType,
  sameShape,
  shapeText,
} from "./shapes-elementwise.ts";
import type { BoundOp } from "./shapes.ts";

/** Dimension that an axis names, counted from the end when negative; null when there is no such dimension. */
export function dimensionOf(axis: unknown, rank: number): number | null {
  if (typeof axis !== "number" || !Number.isInteger(axis) || axis < -rank || axis >= rank)
    return null;
  return axis < 0 ? axis + rank : axis;
}

/** All inputs and the output agree, except along the axis, where the output is as long as the inputs together. */
export function checkConcatenation({ op, inputs, outputs }: BoundOp): string | null {
  const output = outputs[0]!;
  const parts = inputs as readonly Tensor[];
  const dimension = dimensionOf(op.options["axis"], output.shape.length);
  if (dimension === null)
    return `axis is ${op.options["axis"]}, output is ${shapeText(output.shape)}`;

  let length = 0;
  for (const part of parts) {
    if (!sameShapeExcept(part.shape, output.shape, dimension))
      return `input ${shapeText(part.shape)} does not fit output ${shapeText(output.shape)} along axis ${dimension}`;
    length += part.shape[dimension]!;
  }
  if (length !== output.shape[dimension])
    return `inputs have ${length} entries along axis ${dimension}, output ${output.shape[dimension]}`;
  return checkSameType([...parts, output], "inputs and output");
}

function sameShapeExcept(a: readonly number[], b: readonly number[], dimension: number): boolean {
  return a.length === b.length && a.every((size, i) => i === dimension || size === b[i]);
}

/** Input 0 is the axis, input 1 is split into equal parts along it. */
export function checkSplit({ op, inputs, outputs }: BoundOp): string | null {
  const axisTensor = inputs[0]!;
  const input = inputs[1]!;
  const count = op.options["numSplits"];
  if (count !== outputs.length) return `numSplits is ${count} with ${outputs.length} outputs`;
  if (axisTensor.type !== "int32" || elementCount(axisTensor.shape) !== 1)
    return `axis is ${axisTensor.type} ${shapeText(axisTensor.shape)}, not one int32`;

  const types = checkSameType([input, ...outputs], "input and outputs");
  // An axis that is computed is legal; then only the outputs' sum can be known.
  if (types !== null || axisTensor.constant === null) return types;

  const axis = readInts(axisTensor.constant)[0]!;
  const dimension = dimensionOf(axis, input.shape.length);
  if (dimension === null) return `axis is ${axis}, input is ${shapeText(input.shape)}`;

  const wanted = input.shape.map((size, i) => (i === dimension ? size / outputs.length : size));
  if (!Number.isInteger(wanted[dimension]))
    return `${input.shape[dimension]} entries do not split into ${outputs.length}`;
  const wrong = outputs.find((output) => !sameShape(output.shape, wanted));
  return wrong === undefined
    ? null
    : `output is ${shapeText(wrong.shape)}, the split gives ${shapeText(wanted)}`;
}

/** Input 1 holds the amounts before and after for each dimension. */
export function checkPad({ inputs, outputs }: BoundOp): string | null {
  const input = inputs[0]!;
  const amounts = inputs[1]!;
  const output = outputs[0]!;
  const rank = input.shape.length;
  if (amounts.type !== "int32" && amounts.type !== "int64")
    return `paddings are ${amounts.type}, not int32 or int64`;
  if (!sameShape(amounts.shape, [rank, 2]))
    return `paddings are ${shapeText(amounts.shape)}, not [${rank}, 2]`;
  if (output.shape.length !== rank)
    return `output is ${shapeText(output.shape)}, input ${shapeText(input.shape)}`;

  const types = checkSameType([input, output], "input and output");
  if (types !== null || amounts.constant === null) return types;

  const words = readInts(amounts.constant);
  // An int64 that fits has its value in the low word and the sign alone in the high one.
  const step = amounts.type === "int64" ? 2 : 1;
  for (let i = 0; i < 2 * rank; i++)
    if (words[step * i]! < 0 || (step === 2 && words[2 * i + 1] !== 0))
      return `padding ${i % 2 === 0 ? "before" : "after"} dimension ${i >> 1} is out of range`;

  const wanted = input.shape.map(
    (size, i) => size + words[step * 2 * i]! + words[step * (2 * i + 1)]!,
  );
  return sameShape(output.shape, wanted)
    ? null
    : `output is ${shapeText(output.shape)}, the paddings give ${shapeText(wanted)}`;
}

/** Same elements in another shape; a constant shape tensor must agree with the output. */
export function checkReshape({ inputs, outputs }: BoundOp): string | null {
  const input = inputs[0]!;
  const output = outputs[0]!;
  if (input.type !== output.type) return `input is ${input.type}, output ${output.type}`;
  if (elementCount(input.shape) !== elementCount(output.shape))
    return `input ${shapeText(input.shape)} and output ${shapeText(output.shape)} differ in size`;

  const problem = checkActivation(input, "input") ?? checkActivation(output, "output");
  const wanted = inputs[1] ?? null;
  return problem ?? (wanted === null ? null : checkNewShape(wanted, output));
}

function checkNewShape(wanted: Tensor, output: Tensor): string | null {
  if (wanted.constant === null) return null;
  if (wanted.type !== "int32" || wanted.shape.length > 1 || elementCount(wanted.shape) > 8)
    return `new shape is ${wanted.type} ${shapeText(wanted.shape)}, not a list of int32`;

  const sizes = Array.from(readInts(wanted.constant));
  // Old files say [0] for a scalar.
  if (output.shape.length === 0 && sizes.length === 1 && sizes[0] === 0) return null;
  const open = sizes.filter((size) => size === -1).length;
  const fits =
    open <= 1 &&
    sizes.length === output.shape.length &&
    sizes.every((size, i) => size === -1 || size === output.shape[i]);
  return fits ? null : `output is ${shapeText(output.shape)}, the new shape ${shapeText(sizes)}`;
}

/** SQUEEZE: drops the named dimensions of size 1, or all when none is named. */
export function checkSqueeze({ op, inputs, outputs }: BoundOp): string | null {
  const { shape } = inputs[0]!;
  const types = checkSameType([inputs[0]!, outputs[0]!], "input and output");
  if (types !== null) return types;

  const named = (op.options["squeezeDims"] as number[] | null | undefined) ?? [];
  const dropped = named.map((axis) => dimensionOf(axis, shape.length));
  const wrong = dropped.findIndex((dimension) => dimension === null || shape[dimension] !== 1);
  if (wrong >= 0) return `dimension ${named[wrong]} of ${shapeText(shape)} cannot be dropped`;
  const isDropped = (i: number) => (named.length === 0 ? shape[i] === 1 : dropped.includes(i));
  const wanted = shape.filter((_, i) => !isDropped(i));
  return checkOutputShape(outputs[0]!, wanted, "the options give");
}

/** EXPAND_DIMS: input 1 is where a dimension of size 1 comes in. */
export function checkExpandDims({ inputs, outputs }: BoundOp): string | null {
  const { shape } = inputs[0]!;
  const types = checkSameType([inputs[0]!, outputs[0]!], "input and output");
  const axes = integersOf(inputs[1]!);
  if (types !== null || axes === null) return types;
  const dimension = axes.length === 1 ? dimensionOf(axes[0], shape.length + 1) : null;
  if (dimension === null) return `axis is [${axes.join(", ")}], input is ${shapeText(shape)}`;
  return checkOutputShape(outputs[0]!, shape.toSpliced(dimension, 0, 1), "the axis gives");
}

/** TRANSPOSE: input 1 names the input's dimension for each of the output's. */
export function checkTranspose({ inputs, outputs }: BoundOp): string | null {
  const { shape } = inputs[0]!;
  const types = checkSameType([inputs[0]!, outputs[0]!], "input and output");
  const order = integersOf(inputs[1]!);
  if (types !== null || order === null) return types;
  const isPermutation =
    order.length === shape.length && shape.every((_, dimension) => order.includes(dimension));
  if (!isPermutation) return `[${order.join(", ")}] does not reorder ${shapeText(shape)}`;
  const wanted = order.map((dimension) => shape[dimension]!);
  return checkOutputShape(outputs[0]!, wanted, "the order gives");
}

/** PACK: inputs of one shape become entries of a new dimension. */
export function checkPack({ op, inputs, outputs }: BoundOp): string | null {
  const parts = inputs as readonly Tensor[];
  const { shape } = parts[0]!;
  const wrong = parts.find((part) => !sameShape(part.shape, shape));
  if (wrong !== undefined) return `inputs are ${shapeText(shape)} and ${shapeText(wrong.shape)}`;
  const dimension = dimensionOf(op.options["axis"], shape.length + 1);
  if (dimension === null) return `axis is ${op.options["axis"]}, inputs are ${shapeText(shape)}`;
  const wanted = shape.toSpliced(dimension, 0, parts.length);
  return (
    checkSameType([...parts, outputs[0]!], "inputs and output") ??
    checkOutputShape(outputs[0]!, wanted, "the inputs give")
  );
}

/** UNPACK: entries along a dimension become outputs without that dimension. */
export function checkUnpack({ op, inputs, outputs }: BoundOp): string | null {
  const { shape } = inputs[0]!;
  const dimension = dimensionOf(op.options["axis"], shape.length);
  if (dimension === null) return `axis is ${op.options["axis"]}, input is ${shapeText(shape)}`;
  if (shape[dimension] !== outputs.length)
    return `${shape[dimension]} entries do not become ${outputs.length} outputs`;
  const wanted = shape.toSpliced(dimension, 1);
  const types = checkSameType([inputs[0]!, ...outputs], "input and outputs");
  return outputs.reduce<string | null>(
    (problem, output) => problem ?? checkOutputShape(output, wanted, "the input gives"),
    types,
  );
}
