// What operators demand that only move or rename values.
// SPDX-License-Identifier: MIT
import { flatExtent } from "../ir/extent.ts";
import { dimensionOf } from "../ir/shapes-layout.ts";
import {
  describe,
  operand,
  result,
  sameQuantisation,
  type Constraint,
  type ConstraintContext,
} from "./constraint.ts";
import { copyOf, movementOf, MOVEMENTS, pieceMovement, stepsOf, walkOf } from "./movement.ts";
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

const CONCATENATION_FORM: Constraint = {
  id: "CONCATENATION_FORM",
  operators: ["CONCATENATION"],
  sentence: `Of four dimensions the first one is 1; pixels in a row, rows and channels are at most ${MAX_16}. Along another dimension than the last one all inputs and the output have the same scale and zero point, and each input is three even walks.`,
  remedy: "convert the model with a batch size of 1 and one scale for all inputs",
  violation: (context) => {
    const { graph, op } = context;
    const output = result(context);
    const rank = output.shape.length;
    if (rank === 4 && output.shape[0] !== 1)
      return `${describe(output)} has the shape [${output.shape}]`;
    const dimension = dimensionOf(op.options["axis"], rank)!;
    const all = [output, ...op.inputs.map((id) => graph.tensors[id]!)];
    const large = all.find(({ shape }) => Math.max(...Object.values(flatExtent(shape))) > MAX_16);
    if (large) return `${describe(large)} has the shape [${large.shape}]`;
    if (dimension === rank - 1) return null;
    for (const tensor of all.slice(1)) {
      if (!sameQuantisation(tensor, output)) return `${describe(tensor)} has a scale of its own`;
      const movement = pieceMovement(tensor, dimension, 0);
      const fits = [false, true].every(
        (planar) =>
          walkOf(copyOf(movement, stepsOf(tensor.shape, planar), stepsOf(output.shape, planar))) !==
          null,
      );
      if (!fits) return `${describe(tensor)} has the shape [${tensor.shape}]`;
    }
    return null;
  },
};

export const MOVEMENT_CONSTRAINTS: readonly Constraint[] = [
  MOVED_TENSORS,
  MOVEMENT,
  CONCATENATION_FORM,
];
