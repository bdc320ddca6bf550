// Which operators have an NPU form in optimised mode, and what is known about it.
// SPDX-License-Identifier: MIT
import type { JobEvidence } from "../executable/executable.ts";
import { dimensionOf } from "../ir/shapes-layout.ts";
import {
  commonOptions,
  operand,
  result,
  sameQuantisation,
  type Constraint,
  type ConstraintContext,
} from "./constraint.ts";
import { hasConstants } from "./arithmetic.ts";
import { convGeometry, isGrouped } from "./conv-geometry.ts";
import { LOOKUP_OPERATORS } from "./lookup-functions.ts";
import { padsByOne } from "./window-constraints.ts";

/** Operators that give the same bytes another shape. */
export const RENAMINGS: readonly string[] = ["RESHAPE", "SQUEEZE", "EXPAND_DIMS"];

/** Operators that the reference driver takes. */
export const REFERENCE_OPERATORS: readonly string[] = [
  "CONV_2D",
  "DEPTHWISE_CONV_2D",
  "ADD",
  "CONCATENATION",
  "SPLIT",
  "PAD",
  "FULLY_CONNECTED",
];

/** How well the mechanism behind an operator's jobs is known; it may depend on how the operator is used. */
type EvidenceOf = (context: ConstraintContext) => JobEvidence;

const captured: EvidenceOf = () => "captured";
const neverCaptured: EvidenceOf = () => "never captured";
const newerDriver: EvidenceOf = () => "newer driver, not captured";

/** A sum of two tensors is captured, one with constants is not. */
const additionEvidence: EvidenceOf = ({ graph, op }) =>
  hasConstants(graph, op) ? "never captured" : "captured";

/** Placing channels is captured, bringing them to another scale and other dimensions are not. */
const concatenationEvidence: EvidenceOf = (context) => {
  const { op } = context;
  const { length } = result(context).shape;
  const alike = op.inputs.every((_, i) => sameQuantisation(operand(context, i), result(context)));
  return alike && length === 4 && dimensionOf(op.options["axis"], length) === 3
    ? "captured"
    : "never captured";
};

/** The reference driver knows equal strides of 1 and 2, no dilation, no groups, and native depthwise modes without multiplier. */
const convolution: EvidenceOf = (context) => {
  const { op, graph, chip } = context;
  if (isGrouped(graph, op)) return "never captured";
  if (convGeometry(graph, op, chip).expanded) return "never captured";
  const { strideW, strideH, dilationW, dilationH } = commonOptions(op);
  const plain = strideW === strideH && strideW! <= 2 && dilationW === 1 && dilationH === 1;
  return plain ? "captured" : "never captured";
};

const padding: EvidenceOf = (context) =>
  padsByOne(operand(context, 1)) ? "captured" : "never captured";

/** Operators with a lowering in compile/optimised/lower.ts. */
export const OPTIMISED_OPERATORS: Readonly<Record<string, EvidenceOf>> = {
  CONV_2D: convolution,
  DEPTHWISE_CONV_2D: convolution,
  ADD: additionEvidence,
  CONCATENATION: concatenationEvidence,
  SPLIT: captured,
  PAD: padding,
  FULLY_CONNECTED: captured,
  ...Object.fromEntries(LOOKUP_OPERATORS.map((kind) => [kind, newerDriver])),
  RESHAPE: newerDriver,
  SQUEEZE: neverCaptured,
  EXPAND_DIMS: neverCaptured,
  SUB: neverCaptured,
  MUL: neverCaptured,
  QUANTIZE: neverCaptured,
  RELU: neverCaptured,
  SLICE: neverCaptured,
  STRIDED_SLICE: neverCaptured,
  TRANSPOSE: neverCaptured,
  RESIZE_NEAREST_NEIGHBOR: neverCaptured,
  SPACE_TO_DEPTH: neverCaptured,
  DEPTH_TO_SPACE: neverCaptured,
  AVERAGE_POOL_2D: neverCaptured,
  MEAN: neverCaptured,
};

/** Why operators that users ask for have none. */
const REASONS: Readonly<Record<string, string>> = {
  MAX_POOL_2D:
    "TP programs move values and cannot compare them, and the NN unit's own pooling was never captured",
  RESIZE_BILINEAR: "the weights of its pixels differ from pixel to pixel",
  SOFTMAX: "it divides by a sum of its own row",
};

/** The constraint that an operator has an NPU form at all. */
export function knownOperator(operators: readonly string[]): Constraint {
  return {
    id: "OPERATOR",
    operators: ["*"],
    sentence: `Operators with one are ${operators.join(", ")}.`,
    remedy: "it stays on the CPU; nothing in the model needs to change",
    violation: ({ op }) => {
      if (operators.includes(op.kind)) return null;
      const reason = Object.hasOwn(REASONS, op.kind) ? `: ${REASONS[op.kind]}` : "";
      return `${op.customName ?? op.kind} has no NPU form${reason}`;
    },
  };
}
