// Constraints that hold in both modes: what the reference's rules and the hardware agree on (spec/lowering.md 1).
// SPDX-License-Identifier: MIT
import type { Tensor } from "../ir/graph.ts";
import { readInts } from "../ir/constants.ts";
import {
  CONVOLUTIONS,
  commonOptions,
  dataTensors,
  describe,
  operand,
  optionalOperand,
  type Constraint,
  type ConstraintContext,
} from "./constraint.ts";
import { LOOKUP_OPERATORS } from "./lookup-functions.ts";

const isByte = (tensor: Tensor): boolean => tensor.type === "uint8" || tensor.type === "int8";

/** Activations of an operator: inputs and outputs that are not parameters. */
function activations(context: ConstraintContext): Tensor[] {
  const parameters: Record<string, number[]> = {
    CONV_2D: [1, 2],
    DEPTHWISE_CONV_2D: [1, 2],
    FULLY_CONNECTED: [1, 2],
    PAD: [1],
    SPLIT: [0],
    MEAN: [1],
  };
  const skipped = parameters[context.op.kind] ?? [];
  const inputs = context.op.inputs.filter((id, i) => id >= 0 && !skipped.includes(i));
  return [...inputs, ...context.op.outputs].map((id) => context.graph.tensors[id]!);
}

/** A constant number has no dimensions that matter. */
const computedActivations = (context: ConstraintContext): Tensor[] =>
  activations(context).filter(({ constant }) => constant === null);

const TYPE_8BIT: Constraint = {
  id: "TYPE_8BIT",
  operators: [
    ...CONVOLUTIONS,
    "ADD",
    "SUB",
    "MUL",
    "CONCATENATION",
    "SPLIT",
    "PAD",
    "FULLY_CONNECTED",
    ...LOOKUP_OPERATORS,
    "AVERAGE_POOL_2D",
    "MEAN",
  ],
  sentence: "Activations are uint8 or int8, all of the same type.",
  remedy: "quantise the model to 8 bits with one type for all activations",
  violation: (context) => {
    const all = activations(context);
    const wrong = all.find((tensor) => !isByte(tensor));
    if (wrong) return `${describe(wrong)} is ${wrong.type}`;
    const other = all.find((tensor) => tensor.type !== all[0]!.type);
    return other ? `${describe(other)} is ${other.type}, others are ${all[0]!.type}` : null;
  },
};

export const QUANT_PER_TENSOR: Constraint = {
  id: "QUANT_PER_TENSOR",
  operators: [
    ...CONVOLUTIONS,
    "FULLY_CONNECTED",
    "ADD",
    "SUB",
    "MUL",
    "CONCATENATION",
    "SPLIT",
    "PAD",
    ...LOOKUP_OPERATORS,
    "AVERAGE_POOL_2D",
    "MEAN",
  ],
  sentence: "Input, weights, bias and output have exactly one scale and one zero point.",
  remedy: "quantise per tensor: the NPU has one post multiplier per job",
  violation: (context) => {
    const relevant = CONVOLUTIONS.some((kind) => kind === context.op.kind)
      ? dataTensors(context)
      : activations(context).concat(
          context.op.kind === "FULLY_CONNECTED" ? [operand(context, 1)] : [],
        );
    return notPerTensor(relevant);
  },
};

/** What keeps tensors from having one scale and one zero point each, or null. */
function notPerTensor(tensors: readonly Tensor[]): string | null {
  for (const tensor of tensors) {
    if (tensor.quant === null) return `${describe(tensor)} has no quantisation`;
    if (tensor.quant.scales.length !== 1)
      return `${describe(tensor)} has ${tensor.quant.scales.length} scales`;
    if (!(tensor.quant.scales[0]! > 0))
      return `${describe(tensor)} has the scale ${tensor.quant.scales[0]}`;
  }
  return null;
}

/** What optimised mode has instead: it finds common scales for channels. */
export const QUANT_CHANNELS: Constraint = {
  id: "QUANT_CHANNELS",
  operators: QUANT_PER_TENSOR.operators,
  sentence:
    "Input and output have exactly one scale and one zero point, and so have weights and bias; or int8 weights have a scale for each output channel and zero points of 0.",
  remedy: "quantise activations per tensor, and weights per tensor or per output channel",
  violation: (context) => {
    const { kind } = context.op;
    const isConvolution = CONVOLUTIONS.some((name) => name === kind);
    if (!isConvolution && kind !== "FULLY_CONNECTED") return notPerTensor(activations(context));
    const weights = operand(context, 1);
    if ((weights.quant?.scales.length ?? 0) <= 1) {
      const bias = isConvolution ? optionalOperand(context, 2) : null;
      return notPerTensor([...activations(context), weights, ...(bias ? [bias] : [])]);
    }
    return notPerTensor(activations(context)) ?? notPerChannel(kind, weights);
  },
};

/** What keeps weights from having a scale for each output channel, or null. */
function notPerChannel(kind: string, weights: Tensor): string | null {
  const { scales, zeroPoints, axis } = weights.quant!;
  if (weights.type !== "int8")
    return `${describe(weights)} is ${weights.type} with ${scales.length} scales`;
  const wanted = kind === "DEPTHWISE_CONV_2D" ? 3 : 0;
  const channels = weights.shape[wanted];
  if (axis !== wanted || scales.length !== channels)
    return `${describe(weights)} has ${scales.length} scales along dimension ${axis}, its ${channels} output channels are dimension ${wanted}`;
  const zero = zeroPoints.find((value) => value !== 0);
  if (zero !== undefined) return `${describe(weights)} has the zero point ${zero}`;
  const scale = scales.find((value) => !(value >= 0 && value < Infinity));
  return scale === undefined ? null : `${describe(weights)} has the scale ${scale}`;
}

const WEIGHTS_CONSTANT: Constraint = {
  id: "WEIGHTS_CONSTANT",
  operators: [...CONVOLUTIONS, "FULLY_CONNECTED"],
  sentence: "Weights are 8-bit constants of the activations' type, the bias is an int32 constant.",
  remedy: "fold the computation of weights and bias when converting the model",
  violation: (context) => {
    const weights = operand(context, 1);
    const bias = optionalOperand(context, 2);
    if (weights.constant === null) return `weights, ${describe(weights)}, are computed`;
    if (weights.type !== operand(context, 0).type)
      return `weights are ${weights.type}, activations ${operand(context, 0).type}`;
    if (bias && (bias.constant === null || bias.type !== "int32"))
      return `the bias, ${describe(bias)}, is ${bias.constant ? bias.type : "computed"}`;
    return null;
  },
};

export const RANK_4: Constraint = {
  id: "RANK_4",
  operators: [...CONVOLUTIONS, "ADD", "SUB", "SPLIT", "PAD", "AVERAGE_POOL_2D"],
  sentence: "Activations have four dimensions: batch, rows, columns, channels.",
  remedy: "reshape to four dimensions before the operator",
  violation: (context) => {
    const wrong = computedActivations(context).find((tensor) => tensor.shape.length !== 4);
    return wrong ? `${describe(wrong)} has the shape [${wrong.shape}]` : null;
  },
};

export const BATCH_1: Constraint = {
  id: "BATCH_1",
  operators: [...CONVOLUTIONS, "ADD", "SUB", "SPLIT", "PAD", "AVERAGE_POOL_2D"],
  sentence: "The batch size is 1.",
  remedy: "convert the model with a batch size of 1 and run it once for each item",
  violation: (context) => {
    const wrong = computedActivations(context).find((tensor) => tensor.shape[0] !== 1);
    return wrong ? `${describe(wrong)} has the shape [${wrong.shape}]` : null;
  },
};

export const CHANNEL_AXIS: Constraint = {
  id: "CHANNEL_AXIS",
  operators: ["SPLIT"],
  sentence: "The axis is the channel dimension (3 or -1).",
  remedy: "transpose so that the axis becomes the last one",
  violation: (context) => {
    const axis = axisOf(context);
    return axis === 3 || axis === -1 ? null : `the axis is ${axis ?? "computed"}`;
  },
};

function axisOf(context: ConstraintContext): number | null {
  if (context.op.kind === "CONCATENATION") return commonOptions(context.op).axis ?? 0;
  const axis = operand(context, 0);
  return axis.constant && axis.type === "int32" ? (readInts(axis.constant)[0] ?? null) : null;
}

/** Constraints of both modes, checked in this order. */
export const COMMON_CONSTRAINTS: readonly Constraint[] = [
  RANK_4,
  BATCH_1,
  TYPE_8BIT,
  QUANT_PER_TENSOR,
  WEIGHTS_CONSTANT,
  CHANNEL_AXIS,
];
