// Which operators go to the NPU, with a reason for every one that does not, and how they group into submits.
// SPDX-License-Identifier: MIT
import type { CompileSettings } from "../compile/options.ts";
import type { Placement } from "../executable/executable.ts";
import type { Graph, Op } from "../ir/graph.ts";
import { COMMON_CONSTRAINTS, QUANT_CHANNELS, QUANT_PER_TENSOR } from "./common-constraints.ts";
import { COMPATIBLE_CONSTRAINTS } from "./compatible-constraints.ts";
import type { Constraint } from "./constraint.ts";
import { knownOperator, OPTIMISED_OPERATORS, REFERENCE_OPERATORS } from "./npu-operators.ts";
import { OPTIMISED_CONSTRAINTS } from "./optimised-constraints.ts";

/** Operators that run together, in plan order. */
export interface OpGroup {
  place: "npu" | "cpu";
  ops: Op[];
}

/** Constraints of a mode in the order in which they are checked. */
export function constraintsOf(mode: CompileSettings["mode"]): readonly Constraint[] {
  return mode === "compatible"
    ? [knownOperator(REFERENCE_OPERATORS), ...COMMON_CONSTRAINTS, ...COMPATIBLE_CONSTRAINTS]
    : [
        knownOperator(Object.keys(OPTIMISED_OPERATORS)),
        ...COMMON_CONSTRAINTS.map((constraint) =>
          constraint === QUANT_PER_TENSOR ? QUANT_CHANNELS : constraint,
        ),
        ...OPTIMISED_CONSTRAINTS,
      ];
}

/** Decides for every operator; the first constraint that does not hold is the reason. */
export function placeOperators(graph: Graph, settings: CompileSettings): Placement[] {
  const constraints = constraintsOf(settings.mode);
  return graph.ops.map((op) => {
    const context = { graph, op, chip: settings.chip };
    const name = op.customName ?? op.kind;
    for (const { id, operators, sentence, remedy, violation } of constraints) {
      if (!operators.includes(op.kind) && !operators.includes("*")) continue;
      const why = violation(context);
      if (why !== null)
        return {
          op: op.id,
          name,
          place: "cpu",
          constraint: id,
          reason: `${why}. ${sentence} To change that: ${remedy}.`,
          evidence: null,
        };
    }
    const evidence =
      settings.mode === "compatible" ? "captured" : OPTIMISED_OPERATORS[op.kind]!(context);
    if (settings.capturedOnly && evidence !== "captured")
      return {
        op: op.id,
        name,
        place: "cpu",
        constraint: "CAPTURED_ONLY",
        reason: `its NPU form is ${evidence}. Only captured mechanisms were asked for. To change that: leave that option out.`,
        evidence: null,
      };
    return { op: op.id, name, place: "npu", constraint: null, reason: null, evidence };
  });
}

/**
 * Groups operators as TFLite groups the nodes of a delegate (spec/lowering.md 1): the first ready operator in plan
 * order sets the group's kind, every ready one of that kind joins, until a whole sweep adds nothing.
 */
export function groupOperators(graph: Graph, placements: readonly Placement[]): OpGroup[] {
  const ready = new Set<number>(graph.inputs);
  for (const tensor of graph.tensors) if (tensor.constant !== null) ready.add(tensor.id);
  const waiting = new Set(graph.ops);
  const groups: OpGroup[] = [];
  while (waiting.size > 0) {
    let group: OpGroup | null = null;
    for (let added = true; added;) {
      added = false;
      for (const op of waiting) {
        const place = placements[op.id]!.place;
        if (group && place !== group.place) continue;
        if (!op.inputs.every((id) => id < 0 || ready.has(id))) continue;
        group ??= { place, ops: [] };
        group.ops.push(op);
        waiting.delete(op);
        for (const id of op.outputs) ready.add(id);
        added = true;
      }
    }
    // verifyGraph has shown that plan order is topological, so something is always ready.
    groups.push(group!);
  }
  return groups;
}
