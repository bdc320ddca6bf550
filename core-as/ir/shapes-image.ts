// Rules for operators that resize or rearrange pixels, search along a dimension or reduce dimensions.
// SPDX-License-Identifier: MIT
import { integersOf } from "./constants.ts";
import { checkOutputShape, checkSameType, shapeText } from "./shapes-elementwise.ts";
import { dimensionOf } from "./shapes-layout.ts";
import type { BoundOp } from "./shapes.ts";

/** Input and output of four dimensions and one type. */
function checkImages({ op, inputs, outputs }: BoundOp): string | null {
  for (const tensor of [inputs[0]!, outputs[0]!])
    if (tensor.shape.length !== 4)
      return `${op.kind} needs four dimensions, not ${shapeText(tensor.shape)}`;
  return checkSameType([inputs[0]!, outputs[0]!], "input and output");
}

/** RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR: input 1 holds the new height and width. */
export function checkResize(bound: BoundOp): string | null {
  const { op, inputs, outputs } = bound;
  const problem = checkImages(bound);
  if (problem !== null) return problem;
  const both = op.options["alignCorners"] === true && op.options["halfPixelCenters"] === true;
  if (both && op.kind === "RESIZE_BILINEAR")
    return "alignCorners and halfPixelCenters exclude each other";

  const size = inputs[1]!;
  if (size.type !== "int32" || size.shape.length !== 1 || size.shape[0] !== 2)
    return `the new size is ${size.type} ${shapeText(size.shape)}, not two int32`;
  const values = integersOf(size);
  if (values === null) return null;
  if (values.some((value) => value < 1)) return `the new size is ${values.join(" x ")}`;
  const [batch, , , channels] = inputs[0]!.shape as [number, number, number, number];
  return checkOutputShape(outputs[0]!, [batch, ...values, channels], "the new size gives");
}

/** SPACE_TO_DEPTH: blocks of pixels become channels. */
export function checkSpaceToDepth(bound: BoundOp): string | null {
  const problem = checkImages(bound);
  if (problem !== null) return problem;
  const [n, h, w, c] = bound.inputs[0]!.shape as [number, number, number, number];
  const block = bound.op.options["blockSize"] as number;
  if (!(block >= 1 && h % block === 0 && w % block === 0))
    return `blockSize is ${block} for ${h} x ${w} pixels`;
  const wanted = [n, h / block, w / block, c * block * block];
  return checkOutputShape(bound.outputs[0]!, wanted, "the block size gives");
}

/** DEPTH_TO_SPACE: channels become blocks of pixels. */
export function checkDepthToSpace(bound: BoundOp): string | null {
  const problem = checkImages(bound);
  if (problem !== null) return problem;
  const [n, h, w, c] = bound.inputs[0]!.shape as [number, number, number, number];
  const block = bound.op.options["blockSize"] as number;
  if (!(block >= 1 && c % (block * block) === 0)) return `blockSize is ${block} for ${c} channels`;
  const wanted = [n, h * block, w * block, c / (block * block)];
  return checkOutputShape(bound.outputs[0]!, wanted, "the block size gives");
}

/** ARG_MAX and ARG_MIN: position of the extreme along the dimension that input 1 names. */
export function checkArgExtreme({ inputs, outputs }: BoundOp): string | null {
  const { shape } = inputs[0]!;
  const output = outputs[0]!;
  if (output.type !== "int32" && output.type !== "int64") return `output is ${output.type}`;
  const axes = integersOf(inputs[1]!);
  if (axes === null) return null;
  const dimension = axes.length === 1 ? dimensionOf(axes[0], shape.length) : null;
  if (dimension === null) return `axis is [${axes.join(", ")}], input is ${shapeText(shape)}`;
  return checkOutputShape(output, shape.toSpliced(dimension, 1), "the axis gives");
}

/** MEAN, SUM, REDUCE_MAX, REDUCE_MIN: input 1 names the dimensions that go. */
export function checkReduce({ op, inputs, outputs }: BoundOp): string | null {
  const { shape } = inputs[0]!;
  const types = checkSameType([inputs[0]!, outputs[0]!], "input and output");
  const axes = integersOf(inputs[1]!);
  if (types !== null || axes === null) return types;
  const reduced = axes.map((axis) => dimensionOf(axis, shape.length));
  if (reduced.includes(null)) return `axes are [${axes.join(", ")}], input is ${shapeText(shape)}`;
  const kept = shape.map((size, i) => (reduced.includes(i) ? 1 : size));
  const wanted =
    op.options["keepDims"] === true ? kept : shape.filter((_, i) => !reduced.includes(i));
  return checkOutputShape(outputs[0]!, wanted, "the axes give");
}
