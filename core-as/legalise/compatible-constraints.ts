// What the reference driver's rules add in compatible mode (spec/lowering.md 1).
// SPDX-License-Identifier: MIT
import { activationConstraint, referenceRange } from "./activation.ts";
import { CONVOLUTIONS, describe, operand, optionalOperand, type Constraint } from "./constraint.ts";

export const COMPATIBLE_CONSTRAINTS: readonly Constraint[] = [
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
