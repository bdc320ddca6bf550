// Rules for operators with weights or a window: convolutions, FULLY_CONNECTED, pooling.
// SPDX-License-Identifier: MIT
import { elementCount, type ElementType, type Op, type Padding, type Tensor } from "./graph.ts";
import { checkActivation, sameShape, shapeText } from "./shapes-elementwise.ts";
import type { BoundOp } from "./shapes.ts";

/**
 * Output height or width of a convolution or pooling, as TFLite computes it.
 * @param size input height or width, >= 1
 * @param window kernel or filter size, >= 1
 * @param dilation distance between taps, 1 = none
 * @returns elements; 0 or less when the window does not fit
 */
export function windowOutputSize(
  padding: Padding,
  size: number,
  window: number,
  stride: number,
  dilation: number,
): number {
  if (padding === "same") return Math.ceil(size / stride);
  const reach = (window - 1) * dilation + 1;
  return Math.ceil((size - reach + 1) / stride);
}

/** Types of weights and bias that TFLite computes with, by the type of the input. */
const WEIGHT_TYPES: Partial<Record<ElementType, readonly [ElementType[], ElementType[]]>> = {
  float32: [
    ["float32", "float16", "int8", "uint8", "int4"],
    ["float32", "float16"],
  ],
  uint8: [["uint8"], ["int32"]],
  int8: [["int8", "int4", "int2"], ["int32"]],
  int16: [
    ["int8", "int4"],
    ["int32", "int64"],
  ],
};

/** Types of input, weights, bias and output, and quantisation of all four. */
function checkOperands(bound: BoundOp, channelAxis: number, outChannels: number): string | null {
  const input = bound.inputs[0]!;
  const weights = bound.inputs[1]!;
  const bias = bound.inputs[2] ?? null;
  const output = bound.outputs[0]!;
  const allowed = WEIGHT_TYPES[input.type];
  if (allowed === undefined) return `input is ${input.type}`;
  if (!allowed[0].includes(weights.type)) return `input is ${input.type}, weights ${weights.type}`;
  if (output.type !== input.type) return `input is ${input.type}, output ${output.type}`;
  return (
    checkActivation(input, "input") ??
    checkActivation(output, "output") ??
    checkWeightScales(weights, channelAxis) ??
    checkBias(bias, allowed[1], outChannels) ??
    checkBiasScale(input, weights, bias, output)
  );
}

/** Share of an output step that the scales of products and bias may be apart, as in TFLite. */
const BIAS_SCALE_TOLERANCE = 0.02;

/** The bias is added to products of inputs and weights; TFLite checks that their scales agree for uint8 only. */
function checkBiasScale(
  input: Tensor,
  weights: Tensor,
  bias: Tensor | null,
  output: Tensor,
): string | null {
  const scales = [input, weights, bias, output].map((tensor) => tensor?.quant?.scales[0]);
  const [x, w, b, y] = scales;
  if (input.type !== "uint8" || !x || !w || !y || b === undefined) return null;
  return Math.abs(x * w - b) / y <= BIAS_SCALE_TOLERANCE
    ? null
    : `bias has a scale of ${shortNumber(b)}, input times weights one of ${shortNumber(x * w)}`;
}

const shortNumber = (value: number): number => Number(value.toPrecision(6));

function checkWeightScales({ quant }: Tensor, channelAxis: number): string | null {
  if (quant === null) return null;
  if (quant.scales.length > 1 && quant.axis !== channelAxis)
    return `weights have scales along dimension ${quant.axis}, not ${channelAxis}`;
  const wrong = quant.scales.findIndex((scale) => !(scale > 0));
  return wrong < 0 ? null : `weights have a scale of ${quant.scales[wrong]} in channel ${wrong}`;
}

function checkBias(
  bias: Tensor | null,
  allowed: readonly ElementType[],
  outChannels: number,
): string | null {
  if (bias === null) return null;
  if (!allowed.includes(bias.type)) return `bias is ${bias.type}, not ${allowed.join(" or ")}`;
  return elementCount(bias.shape) === outChannels
    ? null
    : `bias is ${shapeText(bias.shape)} for ${outChannels} output channels`;
}

function checkPositive(op: Op, names: readonly string[]): string | null {
  for (const name of names) {
    const value = op.options[name];
    if (!(typeof value === "number" && value >= 1))
      return `${name} is ${value}, at least 1 expected`;
  }
  return null;
}

/** Output shape of a windowed operator against its options. */
function checkWindow(
  bound: BoundOp,
  windowH: number,
  windowW: number,
  channels: number,
): string | null {
  const { op } = bound;
  const input = bound.inputs[0]!.shape;
  const output = bound.outputs[0]!.shape;
  const padding = op.options["padding"] as Padding;
  const number = (name: string) => (op.options[name] as number | undefined) ?? 1;
  const height = windowOutputSize(
    padding,
    input[1]!,
    windowH,
    number("strideH"),
    number("dilationH"),
  );
  const width = windowOutputSize(
    padding,
    input[2]!,
    windowW,
    number("strideW"),
    number("dilationW"),
  );
  if (height < 1 || width < 1)
    return `a window of ${windowH} x ${windowW} does not fit input ${shapeText(input)}`;

  const wanted = [input[0]!, height, width, channels];
  return sameShape(output, wanted)
    ? null
    : `output is ${shapeText(output)}, the options give ${shapeText(wanted)}`;
}

function checkRanks(bound: BoundOp, tensors: ReadonlyArray<[string, Tensor]>): string | null {
  for (const [role, tensor] of tensors)
    if (tensor.shape.length !== 4)
      return `${role} is ${shapeText(tensor.shape)}, ${bound.op.kind} needs four dimensions`;
  return null;
}

const STRIDES = ["strideW", "strideH"];
const DILATIONS = ["dilationW", "dilationH"];

/** CONV_2D: weights are [output channels, height, width, input channels of a group]. */
export function checkConv(bound: BoundOp): string | null {
  const input = bound.inputs[0]!;
  const weights = bound.inputs[1]!;
  const early =
    checkRanks(bound, [
      ["input", input],
      ["weights", weights],
      ["output", bound.outputs[0]!],
    ]) ?? checkPositive(bound.op, [...STRIDES, ...DILATIONS]);
  if (early !== null) return early;

  const [outChannels, kernelH, kernelW, groupChannels] = weights.shape as [
    number,
    number,
    number,
    number,
  ];
  const groups = input.shape[3]! / groupChannels;
  if (!Number.isInteger(groups) || outChannels % groups !== 0)
    return `weights ${shapeText(weights.shape)} do not fit ${input.shape[3]} input channels`;
  return checkOperands(bound, 0, outChannels) ?? checkWindow(bound, kernelH, kernelW, outChannels);
}

/** DEPTHWISE_CONV_2D: weights are [1, height, width, output channels]. */
export function checkDepthwise(bound: BoundOp): string | null {
  const input = bound.inputs[0]!;
  const weights = bound.inputs[1]!;
  const early =
    checkRanks(bound, [
      ["input", input],
      ["weights", weights],
      ["output", bound.outputs[0]!],
    ]) ?? checkPositive(bound.op, [...STRIDES, ...DILATIONS]);
  if (early !== null) return early;

  const [one, kernelH, kernelW, outChannels] = weights.shape as [number, number, number, number];
  const multiplier = outChannels / input.shape[3]!;
  if (one !== 1 || !Number.isInteger(multiplier))
    return `weights ${shapeText(weights.shape)} do not fit ${input.shape[3]} input channels`;
  // Runtimes take it from the shapes, so some writers leave it out.
  const stated = bound.op.options["depthMultiplier"];
  if (stated !== 0 && stated !== multiplier)
    return `depthMultiplier is ${stated}, the shapes give ${multiplier}`;
  return checkOperands(bound, 3, outChannels) ?? checkWindow(bound, kernelH, kernelW, outChannels);
}

/** FULLY_CONNECTED: weights are [units, depth]; the input is seen as rows of `depth` elements. */
export function checkFullyConnected(bound: BoundOp): string | null {
  const input = bound.inputs[0]!;
  const weights = bound.inputs[1]!;
  const output = bound.outputs[0]!;
  if (weights.shape.length !== 2)
    return `weights are ${shapeText(weights.shape)}, not [units, depth]`;
  const [units, depth] = weights.shape as [number, number];
  const rows = elementCount(input.shape) / depth;
  if (!Number.isInteger(rows) || input.shape.length === 0)
    return `input ${shapeText(input.shape)} does not fit weights ${shapeText(weights.shape)}`;

  if (bound.op.options["keepNumDims"] === true) {
    const wanted = [...input.shape.slice(0, -1), units];
    if (input.shape.at(-1) !== depth || !sameShape(output.shape, wanted))
      return `output is ${shapeText(output.shape)}, the weights give ${shapeText(wanted)}`;
  } else if (elementCount(output.shape) !== rows * units || output.shape.at(-1) !== units)
    return `output is ${shapeText(output.shape)}, the weights give [${rows}, ${units}]`;
  return checkOperands(bound, 0, units);
}

/** AVERAGE_POOL_2D and MAX_POOL_2D. */
export function checkPool(bound: BoundOp): string | null {
  const input = bound.inputs[0]!;
  const output = bound.outputs[0]!;
  const early =
    checkRanks(bound, [
      ["input", input],
      ["output", output],
    ]) ?? checkPositive(bound.op, [...STRIDES, "filterW", "filterH"]);
  if (early !== null) return early;
  if (input.type !== output.type) return `input is ${input.type}, output ${output.type}`;

  const { filterH, filterW } = bound.op.options as { filterH: number; filterW: number };
  return (
    checkActivation(input, "input") ??
    checkActivation(output, "output") ??
    checkMaximum(bound.op, input, output) ??
    checkWindow(bound, filterH, filterW, input.shape[3]!)
  );
}

/** TFLite takes scales that differ by less than this for equal. */
const SCALE_TOLERANCE = 1e-6;

/** A maximum is one of its bytes as it is. (Averages of another scale are refused by TFLite too, but the NPU has them.) */
function checkMaximum(op: Op, input: Tensor, output: Tensor): string | null {
  if (op.kind !== "MAX_POOL_2D" || !input.quant || !output.quant) return null;
  const [scaleIn, scaleOut] = [input.quant.scales[0]!, output.quant.scales[0]!];
  const [zeroIn, zeroOut] = [input.quant.zeroPoints[0]!, output.quant.zeroPoints[0]!];
  return Math.abs(scaleIn - scaleOut) <= SCALE_TOLERANCE && zeroIn === zeroOut
    ? null
    : `input has scale ${shortNumber(scaleIn)} and zero point ${zeroIn}, output ${shortNumber(scaleOut)} and ${zeroOut}; MAX_POOL_2D does not rescale`;
}
