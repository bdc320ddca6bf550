// What operators demand that only move or rename values.
// SPDX-License-Identifier: MIT
import { flatExtent } from "../ir/extent.ts";
import {
  describe,
  operand,
  result,
  type Constraint,
  type ConstraintContext,
} from "./constraint.ts";
import { copyOf, movementOf, MOVEMENTS, stepsOf, walkOf } from "./movement.ts";
import { RENAMINGS } from "./npu-operators.ts";

const MAX_16 = 0xffff;
/** A pixel may become this many. */
const MAX_COPIES = 16;

const MOVED_TENSORS: Constraint = {
  id: "MOVED_TENSORS",
  operators: [...RENAMINGS, ...MOVEMENTS],
  sentence: `Input and output are uint8 or int8, computed, of at most ${MAX_16} pixels in a row, rows and channels; of four dimensions the first one is 1.`,
  remedy: "quantise the model to 8 bits and convert it with a batch size of 1",
  violation: (context) => {
    for (const tensor of [operand(context, 0), result(context)]) {
      const { type, shape, constant } = tensor;
      if (type !== "uint8" && type !== "int8") return `${describe(tensor)} is ${type}`;
      if (constant) return `${describe(tensor)} is constant`;
      const { s, f, c } = flatExtent(shape);
      if ((shape.length === 4 && shape[0] !== 1) || Math.max(s, f, c) > MAX_16 || s * f * c === 0)
        return `${describe(tensor)} has the shape [${shape}]`;
    }
    return null;
  },
};

const MOVEMENT: Constraint = {
  id: "MOVEMENT",
  operators: MOVEMENTS,
  sentence: `Positions are constant, strides positive, sizes multiplied by whole numbers (at most ${MAX_COPIES} pixels from one), and the values are three even walks through the input.`,
  remedy: "split the operator into simpler ones",
  violation: (context) => {
    const { graph, op } = context;
    const movement = movementOf(graph, op);
    if (typeof movement === "string") return movement;
    if (movement.copies.length > MAX_COPIES)
      return `every pixel becomes ${movement.copies.length} ones`;
    return fitsAll(context) ? null : `[${operand(context, 0).shape}] needs more walks`;
  },
};

/** The walk must exist for each of the layouts that the tensors can have. */
function fitsAll(context: ConstraintContext): boolean {
  const { graph, op } = context;
  const movement = movementOf(graph, op);
  if (typeof movement === "string") return false;
  const layouts = [false, true];
  return layouts.every((from) =>
    layouts.every((to) => {
      const inSteps = stepsOf(operand(context, 0).shape, from);
      return walkOf(copyOf(movement, inSteps, stepsOf(result(context).shape, to))) !== null;
    }),
  );
}

export const MOVEMENT_CONSTRAINTS: readonly Constraint[] = [MOVED_TENSORS, MOVEMENT];
