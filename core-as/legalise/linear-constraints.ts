// What a x + b of every value demands: requantisation, RELU, arithmetic with a constant number.
// SPDX-License-Identifier: MIT
import { generationOf } from "../hw/chips.ts";
import { elementCount, type Tensor } from "../ir/graph.ts";
import { channelArithmetic, channelGeometry, scalarArithmetic, type Linear } from "./arithmetic.ts";
import { flatExtent } from "../ir/extent.ts";
import {
  describe,
  operand,
  result,
  sameQuantisation,
  type Constraint,
  type ConstraintContext,
} from "./constraint.ts";
import { addSides, convLimit } from "./conv-geometry.ts";

const ARITHMETIC = ["ADD", "SUB", "MUL"];
const UNARY = ["QUANTIZE", "RELU"];
const IDENTITY: Linear = { factor: 1, offset: 0 };

/** Tensors that a job of its own rescales, with the function. */
function rescaled(context: ConstraintContext): Array<[Tensor, Linear]> {
  const { graph, op } = context;
  if (UNARY.includes(op.kind)) return [[operand(context, 0), IDENTITY]];
  if (op.kind === "CONCATENATION")
    return op.inputs
      .map((id) => graph.tensors[id]!)
      .filter((tensor) => !sameQuantisation(tensor, result(context)))
      .map((tensor) => [tensor, IDENTITY]);
  const scalar = scalarArithmetic(graph, op);
  return scalar ? [[scalar.input, scalar.linear]] : [];
}

const UNARY_TYPES: Constraint = {
  id: "RESCALE_TYPES",
  operators: UNARY,
  sentence:
    "Input and output are uint8 or int8 with exactly one scale and one zero point; of one type unless the operator is QUANTIZE.",
  remedy: "quantise the model to 8 bits, one scale for each tensor",
  violation: (context) => {
    const both = [operand(context, 0), result(context)];
    const wrong = both.find(({ type }) => type !== "uint8" && type !== "int8");
    if (wrong) return `${describe(wrong)} is ${wrong.type}`;
    const loose = both.find(({ quant }) => quant?.scales.length !== 1 || !(quant.scales[0]! > 0));
    if (loose) return `${describe(loose)} has ${loose.quant?.scales.length ?? 0} scales`;
    const mixed = context.op.kind !== "QUANTIZE" && both[0]!.type !== both[1]!.type;
    return mixed ? `${both[0]!.type} becomes ${both[1]!.type}` : null;
  },
};

const COMPUTED: Constraint = {
  id: "COMPUTED",
  operators: [...UNARY, ...ARITHMETIC, "CONCATENATION"],
  sentence:
    "Operands are computed, but for one constant number in ADD, SUB and MUL, or one for each channel.",
  remedy: "fold the constant when converting the model",
  violation: (context) => {
    const { graph, op } = context;
    const isArithmetic = ARITHMETIC.includes(op.kind);
    if (isArithmetic && channelArithmetic(graph, op)) return null;
    const scalar = isArithmetic ? scalarArithmetic(graph, op) : null;
    const constant = op.inputs
      .map((id) => graph.tensors[id]!)
      .find((tensor) => tensor.constant && scalar === null);
    if (constant) return `${describe(constant)} is constant`;
    return scalar?.input.constant ? `${describe(scalar.input)} is constant` : null;
  },
};

const MUL_NUMBER: Constraint = {
  id: "MUL_NUMBER",
  operators: ["MUL"],
  sentence: "One operand is a constant number other than 0, or a constant for each channel.",
  remedy: "fold the factor into the operator before",
  violation: ({ graph, op }) => {
    if (channelArithmetic(graph, op)) return null;
    const scalar = scalarArithmetic(graph, op);
    if (!scalar) return "both operands have many values";
    return scalar.linear.factor === 0 ? "the factor is 0" : null;
  },
};

const SINGLE_BATCH: Constraint = {
  id: "SINGLE_BATCH",
  operators: [...UNARY, "MUL"],
  sentence: "The input has the output's shape; of four dimensions the first one is 1.",
  remedy: "convert the model with a batch size of 1",
  violation: (context) => {
    const channels =
      context.op.kind === "MUL" ? channelArithmetic(context.graph, context.op) : null;
    const tensor = channels ? channels.input : rescaled(context)[0]![0];
    const { shape } = result(context);
    if (tensor.shape.join() !== shape.join())
      return `${describe(tensor)} is [${tensor.shape}], the output [${shape}]`;
    return shape.length === 4 && shape[0] !== 1 ? `the output is [${shape}]` : null;
  },
};

const RESCALE_IMAGE: Constraint = {
  id: "RESCALE_IMAGE",
  operators: [...UNARY, ...ARITHMETIC, "CONCATENATION"],
  sentence: "The values of what is rescaled split into rows and columns of at most 8191 each.",
  remedy: "change a side of the tensor by one",
  violation: (context) => {
    const wrong = rescaled(context).find(([{ shape }]) => !addSides(elementCount(shape)));
    return wrong ? `${elementCount(wrong[0].shape)} values have no such factors` : null;
  },
};

/** Smallest factor that the shift field can say, with room for the weight. */
const MIN_RATIO = 2 ** -100;
/** The smallest weight that lowering chooses. */
const WEIGHT = 64;
const MAX_OFFSET = 2 ** 22;

const RESCALE_RANGE: Constraint = {
  id: "RESCALE_RANGE",
  operators: [...UNARY, ...ARITHMETIC, "CONCATENATION"],
  sentence:
    "What is rescaled has at least 2^-100 and less than 2^22 (NN core version 8: 128) times the output's scale, and a constant number is at most 16384 steps of it.",
  remedy: "check the quantisation of the layer",
  violation: (context) => {
    const to = result(context).quant!.scales[0]!;
    for (const [{ quant }, { factor, offset }] of rescaled(context)) {
      const ratio = (quant!.scales[0]! * Math.abs(factor)) / to;
      if (!(ratio >= MIN_RATIO && ratio < generationOf(context.chip).maxFactor * WEIGHT))
        return `the factor is ${ratio}`;
      const steps = (Math.abs(offset) / quant!.scales[0]!) * 256;
      if (!(steps <= MAX_OFFSET)) return `the constant is ${steps / 256} steps`;
    }
    return null;
  },
};

const CHANNEL_CONSTANTS: Constraint = {
  id: "CHANNEL_CONSTANTS",
  operators: ARITHMETIC,
  sentence:
    "Constants for each channel meet an image of four dimensions that fits the chip's descriptor, with a scale of at most 4096 times its own, and their product with it is less than 2^16 (NN core version 8: 2) output scales.",
  remedy: "fold the constants into the convolution before",
  violation: (context) => {
    const { graph, op, chip } = context;
    const found = channelArithmetic(graph, op);
    if (found === null) return null;
    const { shape } = result(context);
    if (shape.length !== 4) return `the output is [${shape}]`;
    const from = found.input.quant!.scales[0]!;
    const constant = found.constant.quant!.scales[0]!;
    if (!(constant <= 4096 * from)) return `the scales are ${from} and ${constant}`;
    const factor = Math.fround(Math.fround(from * constant) / result(context).quant!.scales[0]!);
    if (op.kind === "MUL" && !(factor >= MIN_RATIO && factor < generationOf(chip).maxFactor))
      return `the factor is ${factor}`;
    return convLimit(channelGeometry(flatExtent(shape), chip), chip);
  },
};

export const LINEAR_CONSTRAINTS: readonly Constraint[] = [
  UNARY_TYPES,
  COMPUTED,
  MUL_NUMBER,
  SINGLE_BATCH,
  RESCALE_IMAGE,
  RESCALE_RANGE,
  CHANNEL_CONSTANTS,
];
