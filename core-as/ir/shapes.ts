// What TFLite demands of the types and shapes of an operator's tensors, for the operators that the compiler lowers.
// SPDX-License-Identifier: MIT
import { checkAdd, checkAddBroadcast, checkSoftmax } from "./shapes-elementwise.ts";
import { checkConcatenation, checkPad, checkReshape, checkSplit } from "./shapes-layout.ts";
import { checkConv, checkDepthwise, checkFullyConnected, checkPool } from "./shapes-window.ts";
import type { Graph, Op, Tensor } from "./graph.ts";

/**
 * A rule that an operator breaks. "error": no stage can work with it. "broadcast": an ADD whose shapes do not fit each
 * other, which TFLite refuses and the reference driver compiles unseen (quirk Q25).
 */
export interface ShapeProblem {
  /** Index of the operator. */
  op: number;
  message: string;
  severity: "error" | "broadcast";
}

/** An operator with its tensors instead of their ids; null = optional input left out. */
export interface BoundOp {
  op: Op;
  inputs: ReadonlyArray<Tensor | null>;
  outputs: readonly Tensor[];
}

/** Returns the first rule that is broken as a sentence, or null. Inputs up to `required` are there when it is called. */
export type ShapeCheck = (bound: BoundOp) => string | null;

interface OpRule {
  /** Fewest and most inputs; the first `required` of them may not be left out. */
  inputs: readonly [number, number];
  required: number;
  outputs: readonly [number, number];
  check: ShapeCheck;
}

const ANY = Infinity;

const RULES: Readonly<Record<string, OpRule>> = {
  CONV_2D: { inputs: [2, 3], required: 2, outputs: [1, 1], check: checkConv },
  DEPTHWISE_CONV_2D: { inputs: [2, 3], required: 2, outputs: [1, 1], check: checkDepthwise },
  // The second output is the quantised input of weights in the shuffled format.
  FULLY_CONNECTED: { inputs: [2, 3], required: 2, outputs: [1, 2], check: checkFullyConnected },
  ADD: { inputs: [2, 2], required: 2, outputs: [1, 1], check: checkAdd },
  CONCATENATION: { inputs: [1, ANY], required: ANY, outputs: [1, 1], check: checkConcatenation },
  SPLIT: { inputs: [2, 2], required: 2, outputs: [1, ANY], check: checkSplit },
  PAD: { inputs: [2, 2], required: 2, outputs: [1, 1], check: checkPad },
  AVERAGE_POOL_2D: { inputs: [1, 1], required: 1, outputs: [1, 1], check: checkPool },
  MAX_POOL_2D: { inputs: [1, 1], required: 1, outputs: [1, 1], check: checkPool },
  RESHAPE: { inputs: [1, 2], required: 1, outputs: [1, 1], check: checkReshape },
  SOFTMAX: { inputs: [1, 1], required: 1, outputs: [1, 1], check: checkSoftmax },
};

/**
 * Checks types, ranks, shapes and quantisation of the operators with a rule (CONV_2D, DEPTHWISE_CONV_2D,
 * FULLY_CONNECTED, ADD, CONCATENATION, SPLIT, PAD, AVERAGE_POOL_2D, MAX_POOL_2D, RESHAPE, SOFTMAX); others pass.
 * @param graph all tensor ids of its operators are in range (verifyGraph sees to that first)
 * @returns at most one problem an operator, in plan order
 */
export function checkOperatorShapes(graph: Graph): ShapeProblem[] {
  const problems: ShapeProblem[] = [];
  for (const op of graph.ops) {
    const rule = Object.hasOwn(RULES, op.kind) ? RULES[op.kind] : undefined;
    if (rule === undefined) continue;

    const bound = bindOp(graph, op);
    const message = checkCounts(bound, rule) ?? rule.check(bound);
    if (message !== null) {
      problems.push({ op: op.id, message, severity: "error" });
      continue;
    }
    const broadcast = op.kind === "ADD" ? checkAddBroadcast(bound) : null;
    if (broadcast !== null) problems.push({ op: op.id, message: broadcast, severity: "broadcast" });
  }
  return problems;
}

function bindOp(graph: Graph, op: Op): BoundOp {
  return {
    op,
    inputs: op.inputs.map((id) => (id === -1 ? null : graph.tensors[id]!)),
    outputs: op.outputs.map((id) => graph.tensors[id]!),
  };
}

function checkCounts({ op, inputs, outputs }: BoundOp, rule: OpRule): string | null {
  const [fewestIn, mostIn] = rule.inputs;
  if (inputs.length < fewestIn || inputs.length > mostIn)
    return `${op.kind} has ${inputs.length} inputs, not ${range(fewestIn, mostIn)}`;

  const [fewestOut, mostOut] = rule.outputs;
  if (outputs.length < fewestOut || outputs.length > mostOut)
    return `${op.kind} has ${outputs.length} outputs, not ${range(fewestOut, mostOut)}`;

  const missing = inputs.indexOf(null);
  return missing >= 0 && missing < rule.required ? `input ${missing} is left out` : null;
}

function range(low: number, high: number): string {
  if (low === high) return String(low);
  return high === ANY ? `at least ${low}` : `${low} to ${high}`;
}
