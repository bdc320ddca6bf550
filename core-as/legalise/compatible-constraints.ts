// What the reference driver's rules add in compatible mode (spec/lowering.md 1).
// SPDX-License-Identifier: MIT
import { activationConstraint, referenceRange } from "./activation.ts";
import { BATCH_1, CHANNEL_AXIS, RANK_4 } from "./common-constraints.ts";
import { readInts } from "../ir/constants.ts";
import {
  CONVOLUTIONS,
  commonOptions,
  describe,
  operand,
  optionalOperand,
  type Constraint,
} from "./constraint.ts";

const CONV_STRIDE: Constraint = {
  id: "CONV_STRIDE",
  operators: CONVOLUTIONS,
  sentence: "Both strides are equal, and 1 or 2.",
  remedy: "use stride 1 or 2 in both directions",
  violation: ({ op }) => {
    const { strideW, strideH } = commonOptions(op);
    return strideW === strideH && (strideW === 1 || strideW === 2)
      ? null
      : `strides are ${strideH} (rows) and ${strideW} (columns)`;
  },
};

const CONV_DILATION: Constraint = {
  id: "CONV_DILATION",
  operators: CONVOLUTIONS,
  sentence: "Both dilations are 1.",
  remedy: "train with a larger kernel or more layers instead of dilation",
  violation: ({ op }) => {
    const { dilationW, dilationH } = commonOptions(op);
    return dilationW === 1 && dilationH === 1
      ? null
      : `dilations are ${dilationH} (rows) and ${dilationW} (columns)`;
  },
};

const PAD_BY_ONE: Constraint = {
  id: "PAD_BY_ONE",
  operators: ["PAD"],
  sentence: "The padding is one row and one column on every side.",
  remedy: "pad by one, or use SAME padding in the convolution that follows",
  violation: (context) => {
    const amounts = operand(context, 1);
    if (amounts.constant === null || amounts.type !== "int32") return "the padding is computed";
    const values = [...readInts(amounts.constant)];
    return values.join() === "0,0,1,1,1,1,0,0" ? null : `the padding is [${values}]`;
  },
};

export const COMPATIBLE_CONSTRAINTS: readonly Constraint[] = [
  CONV_STRIDE,
  CONV_DILATION,
  PAD_BY_ONE,
  {
    id: "ADD_OPERANDS",
    operators: ["ADD"],
    sentence: "Both operands are computed, not constant.",
    remedy: "fold the constant into the bias of the operator before",
    violation: (context) => {
      const constant = [0, 1].map((i) => operand(context, i)).find((tensor) => tensor.constant);
      return constant ? `${describe(constant)} is constant` : null;
    },
  },
  activationConstraint(CONVOLUTIONS, referenceRange),
  ...[RANK_4, BATCH_1, CHANNEL_AXIS].map((constraint) => ({
    ...constraint,
    id: `REFERENCE_${constraint.id}`,
    operators: ["CONCATENATION"],
  })),
  {
    id: "CONV_GROUPS",
    operators: ["CONV_2D"],
    sentence: "Every kernel reads all input channels.",
    remedy: "compile in optimised mode, or replace the grouped convolution by one for each group",
    violation: (context) => {
      const [have, read] = [operand(context, 0).shape[3], operand(context, 1).shape[3]];
      return have === read ? null : `kernels read ${read} of ${have} channels`;
    },
  },
  {
    id: "REFERENCE_BIAS",
    operators: [...CONVOLUTIONS, "FULLY_CONNECTED"],
    sentence: "A bias exists; without one the reference driver reads out of bounds (Q24).",
    remedy: "add a bias of zeros, or compile in optimised mode",
    violation: (context) => (optionalOperand(context, 2) ? null : "the bias is left out"),
  },
  {
    id: "REFERENCE_EQUAL_PARTS",
    operators: ["CONCATENATION"],
    sentence: "All inputs have the same number of channels.",
    remedy: "compile in optimised mode",
    violation: (context) => {
      const sizes = context.op.inputs.map((_, i) => operand(context, i).shape[3]!);
      return new Set(sizes).size === 1 ? null : `inputs have ${sizes.join(", ")} channels`;
    },
  },
  {
    id: "REFERENCE_EQUAL_HALVES",
    operators: ["SPLIT"],
    sentence: "The first two outputs have the same number of channels.",
    remedy: "compile in optimised mode",
    violation: ({ graph, op }) => {
      const sizes = op.outputs.map((id) => graph.tensors[id]!.shape[3]!);
      return sizes[0] === (sizes[1] ?? sizes[0])
        ? null
        : `outputs have ${sizes.join(", ")} channels`;
    },
  },
];
