// Which operators have an NPU form in optimised mode, and what is known about it.
// SPDX-License-Identifier: MIT
import type { JobEvidence } from "../executable/executable.ts";
import type { Constraint, ConstraintContext } from "./constraint.ts";
import { LOOKUP_OPERATORS } from "./lookup-functions.ts";

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
const newerDriver: EvidenceOf = () => "newer driver, not captured";

/** Operators with a lowering in compile/optimised/lower.ts. */
export const OPTIMISED_OPERATORS: Readonly<Record<string, EvidenceOf>> = {
  CONV_2D: captured,
  DEPTHWISE_CONV_2D: captured,
  ADD: captured,
  CONCATENATION: captured,
  SPLIT: captured,
  PAD: captured,
  FULLY_CONNECTED: captured,
  ...Object.fromEntries(LOOKUP_OPERATORS.map((kind) => [kind, newerDriver])),
};

/** The constraint that an operator has an NPU form at all. */
export function knownOperator(operators: readonly string[]): Constraint {
  return {
    id: "OPERATOR",
    operators: ["*"],
    sentence: `Operators with one are ${operators.join(", ")}.`,
    remedy: "it stays on the CPU; nothing in the model needs to change",
    violation: ({ op }) =>
      operators.includes(op.kind) ? null : `${op.customName ?? op.kind} has no NPU form`,
  };
}
