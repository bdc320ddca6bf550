// What optimised mode demands beyond the common constraints: only what would make the result wrong or not fit.
// SPDX-License-Identifier: MIT
import { generationOf } from "../hw/chips.ts";
import { flatExtent } from "../ir/extent.ts";
import type { Tensor } from "../ir/graph.ts";
import { activationConstraint, quantisedRange } from "./activation.ts";
import {
  CONVOLUTIONS,
  commonOptions,
  describe,
  operand,
  result,
  sameQuantisation,
  type Constraint,
  type ConstraintContext,
} from "./constraint.ts";
import { LOOKUP_CONSTRAINTS } from "./lookup-constraints.ts";
import { channelArithmetic, hasConstants } from "./arithmetic.ts";
import { addSides, convGeometry, convLimit } from "./conv-geometry.ts";
import { LINEAR_CONSTRAINTS } from "./linear-constraints.ts";
import { MOVEMENT_CONSTRAINTS } from "./movement-constraints.ts";
import { WINDOW_CONSTRAINTS } from "./window-constraints.ts";

const MAX_SIDE = 0x1fff;
const MAX_16 = 0xffff;

function quantText({ quant }: Tensor): string {
  return `scale ${quant!.scales[0]}, zero point ${quant!.zeroPoints[0]}`;
}

/** Tensors that only move bytes: what must agree with the operator's output or input. */
function movedTensors(context: ConstraintContext): [reference: Tensor, others: Tensor[]] {
  const { op, graph } = context;
  if (op.kind === "SPLIT") return [operand(context, 1), op.outputs.map((id) => graph.tensors[id]!)];
  return [result(context), [operand(context, 0)]];
}

const SAME_QUANTISATION: Constraint = {
  id: "SAME_QUANTISATION",
  operators: ["SPLIT", "PAD", "AVERAGE_POOL_2D"],
  sentence: "All inputs and outputs have the same scale and zero point.",
  remedy: "requantise the operands to the output's scale when converting the model",
  violation: (context) => {
    const [reference, others] = movedTensors(context);
    const other = others.find((tensor) => !sameQuantisation(tensor, reference));
    return other
      ? `${describe(other)} has ${quantText(other)}, ${describe(reference)} has ${quantText(reference)}`
      : null;
  },
};

const NO_ACTIVATION: Constraint = {
  id: "NO_ACTIVATION",
  operators: ["CONCATENATION"],
  sentence: "There is no fused activation.",
  remedy: "fuse the activation into the operators before the concatenation",
  violation: ({ op }) => {
    const activation = commonOptions(op).activation ?? "none";
    return activation === "none" ? null : `the activation is ${activation}`;
  },
};

const SAME_SHAPES: Constraint = {
  id: "SAME_SHAPES",
  operators: ["ADD", "SUB"],
  sentence:
    "Both operands have the shape of the output, or one is a constant number or one for each channel: nothing else is broadcast.",
  remedy: "tile the smaller operand before the addition",
  violation: (context) => {
    const { graph, op } = context;
    const channels = channelArithmetic(graph, op);
    if (channels === null && hasConstants(graph, op)) return null;
    const output = result(context);
    const other = (channels ? [channels.input] : [operand(context, 0), operand(context, 1)]).find(
      (tensor) => tensor.shape.join() !== output.shape.join(),
    );
    return other ? `${describe(other)} is [${other.shape}], the output [${output.shape}]` : null;
  },
};

const ADD_IMAGE: Constraint = {
  id: "ADD_IMAGE",
  operators: ["ADD", "SUB"],
  sentence: `The number of values splits into rows and columns of at most ${MAX_SIDE} each.`,
  remedy: "change a side of the tensor by one",
  violation: (context) => {
    // Operands that lie in channels keep the tensor's own rows and columns.
    if (generationOf(context.chip).addition === "channels") return null;
    if (channelArithmetic(context.graph, context.op)) return null;
    const { s, f, c } = flatExtent(result(context).shape);
    return addSides(s * f * c) ? null : `${s * f * c} values have no such factors`;
  },
};

const ADD_CHANNELS: Constraint = {
  id: "ADD_CHANNELS",
  operators: ["ADD", "SUB"],
  sentence: `Where operands are added as channels: at most 4096 channels and sides of at most ${MAX_SIDE}.`,
  remedy: "split the tensor by channels",
  violation: (context) => {
    if (generationOf(context.chip).addition !== "channels") return null;
    if (hasConstants(context.graph, context.op)) return null;
    const { s, f, c } = flatExtent(result(context).shape);
    if (c > 4096) return `${c} channels`;
    return Math.max(s, f) > MAX_SIDE ? `${s} rows and ${f} columns` : null;
  },
};

const CONV_FITS: Constraint = {
  id: "CONV_FITS",
  operators: CONVOLUTIONS,
  sentence:
    "Sides, channels, padding and kernel fit the chip; strides divide a kernel's sides, and wide dilations an image.",
  remedy: "split the layer, or make the image or the kernel smaller",
  violation: ({ graph, op, chip }) => convLimit(convGeometry(graph, op, chip), chip),
};

/** Weights of a grouped convolution, those that are zero included, beyond which the CPU is the better place. */
const MAX_GROUPED = 2 ** 23;

const CONV_GROUPS: Constraint = {
  id: "CONV_GROUPS",
  operators: ["CONV_2D"],
  sentence: `Kernels that read only a group of the channels have at most ${MAX_GROUPED} weights when zeros fill them up to all channels.`,
  remedy: "replace the grouped convolution by one convolution for each group",
  violation: (context) => {
    const channels = operand(context, 0).shape[3]!;
    const { shape } = operand(context, 1);
    if (shape[3] === channels) return null;
    const weights = shape[0]! * shape[1]! * shape[2]! * channels;
    return weights > MAX_GROUPED ? `they would have ${weights} weights` : null;
  },
};

const FC_FITS: Constraint = {
  id: "FC_FITS",
  operators: ["FULLY_CONNECTED"],
  sentence: `At most ${MAX_SIDE} rows, 1048575 inputs and 16383 outputs.`,
  remedy: "split the layer",
  violation: (context) => {
    const [outputs = 1, inputs = 1] = operand(context, 1).shape;
    const from = operand(context, 0).shape;
    const rows = from.reduce((product, size) => product * size, 1) / inputs;
    if (rows > MAX_SIDE) return `${rows} rows`;
    if (rows > 1 && inputs > MAX_16) return `${inputs} inputs of ${rows} rows each`;
    if (inputs > 0xfffff) return `${inputs} inputs`;
    return outputs > 0x3fff ? `${outputs} outputs` : null;
  },
};

const LAYOUT_FITS: Constraint = {
  id: "LAYOUT_FITS",
  operators: [
    ...CONVOLUTIONS,
    "ADD",
    "SUB",
    "CONCATENATION",
    "SPLIT",
    "PAD",
    "AVERAGE_POOL_2D",
    "MEAN",
  ],
  sentence: `Rows, columns and channels of every activation are at most ${MAX_16}.`,
  remedy: "split the tensor",
  violation: (context) => {
    const { graph, op } = context;
    const wrong = [...op.inputs, ...op.outputs]
      .filter((id) => id >= 0 && graph.tensors[id]!.constant === null)
      .map((id) => graph.tensors[id]!)
      .find((tensor) => tensor.shape.some((size) => size > MAX_16));
    return wrong ? `${describe(wrong)} is [${wrong.shape}]` : null;
  },
};

/** Smallest requantisation factor that the shift field can say (spec/hardware.md 7). */
const MIN_FACTOR = 2 ** -112;

const SCALE_RANGE: Constraint = {
  id: "SCALE_RANGE",
  operators: [...CONVOLUTIONS, "FULLY_CONNECTED"],
  sentence:
    "input scale x weight scale / output scale lies between 2^-112 and 2^16 (NN core version 8: 2); of several weight scales the largest counts, and none is too small.",
  remedy: "check the quantisation of the layer; such a factor saturates every output",
  violation: (context) => {
    const [input, weight] = [operand(context, 0), operand(context, 1)];
    const scales = weight.quant!.scales;
    const product = Math.fround(input.quant!.scales[0]! * Math.max(...scales));
    const factor = Math.fround(product / result(context).quant!.scales[0]!);
    // With a scale for each channel a job has a multiplier of its own choice.
    const least = scales.length > 1 ? 0 : MIN_FACTOR;
    return factor >= least && factor < generationOf(context.chip).maxFactor
      ? null
      : `the factor is ${factor}`;
  },
};

const PAIR_RANGE: Constraint = {
  id: "PAIR_RANGE",
  operators: ["ADD", "SUB"],
  sentence:
    "The larger operand scale has at least 2^-100 and less than 2^22 (NN core version 8: 128) times the output's.",
  remedy: "check the quantisation of the layer; such a factor saturates every output",
  violation: (context) => {
    const [a, b] = [0, 1].map((i) => operand(context, i).quant!.scales[0]!) as [number, number];
    const ratio = Math.max(a, b) / result(context).quant!.scales[0]!;
    const limit = generationOf(context.chip).maxFactor * 64;
    return ratio >= 2 ** -100 && ratio < limit ? null : `the factor is ${ratio}`;
  },
};

export const OPTIMISED_CONSTRAINTS: readonly Constraint[] = [
  activationConstraint(
    [...CONVOLUTIONS, "ADD", "SUB", "MUL", "FULLY_CONNECTED", "AVERAGE_POOL_2D"],
    quantisedRange,
  ),
  SAME_QUANTISATION,
  NO_ACTIVATION,
  SAME_SHAPES,
  ADD_IMAGE,
  ADD_CHANNELS,
  PAIR_RANGE,
  SCALE_RANGE,
  CONV_GROUPS,
  CONV_FITS,
  FC_FITS,
  LAYOUT_FITS,
  ...LOOKUP_CONSTRAINTS,
  ...LINEAR_CONSTRAINTS,
  ...MOVEMENT_CONSTRAINTS,
  ...WINDOW_CONSTRAINTS,
];
