// What operators demand that run through a look-up table of the TP cores.
// SPDX-License-Identifier: MIT
import type { Tensor } from "../ir/graph.ts";
import { describe, operand, result, type Constraint } from "./constraint.ts";
import { alphaOf, LOOKUP_OPERATORS, stepFunction } from "./lookup-functions.ts";
import { lookupEntries, lookupError } from "./lookup-table.ts";

const MAX_16 = 0xffff;

/** Zero point in the NPU's unsigned form. */
const unsignedZp = ({ type, quant }: Tensor): number =>
  quant!.zeroPoints[0]! + (type === "int8" ? 128 : 0);

const LOOKUP_OPERAND: Constraint = {
  id: "LOOKUP_OPERAND",
  operators: LOOKUP_OPERATORS,
  sentence: "The operand is computed, not constant, and has the shape of the output.",
  remedy: "fold the function of a constant when converting the model",
  violation: (context) => {
    const [input, output] = [operand(context, 0), result(context)];
    if (input.constant) return `${describe(input)} is constant`;
    return input.shape.join() === output.shape.join()
      ? null
      : `${describe(input)} is [${input.shape}], the output [${output.shape}]`;
  },
};

const LOOKUP_SIZES: Constraint = {
  id: "LOOKUP_SIZES",
  operators: LOOKUP_OPERATORS,
  sentence: `Tensors have at most ${MAX_16} values along every dimension and pixels of a row; with four dimensions the batch is 1.`,
  remedy: "reshape or split the tensor before the operator",
  violation: (context) => {
    const { shape } = operand(context, 0);
    const text = `${describe(operand(context, 0))} has the shape [${shape}]`;
    if (shape.length === 4 && shape[0] !== 1) return text;
    if (shape.some((size) => size > MAX_16)) return text;
    // Of other ranks, all dimensions but the last make up one row.
    const row = shape.slice(0, -1).reduce((product, size) => product * size, 1);
    return shape.length !== 4 && row > MAX_16 ? text : null;
  },
};

/** Within half a step of the function before rounding, a result is within one of it after. */
const MAX_ERROR = 0.5;

const LOOKUP_ERROR: Constraint = {
  id: "LOOKUP_ERROR",
  operators: LOOKUP_OPERATORS,
  sentence:
    "Straight lines between the table's entries stay within half an output step of the function: 32, 64 and 128 input " +
    "steps beside the zero point, entries lie 2, 4 and 8 steps apart.",
  remedy:
    "move the input's range so that the function's bend lies near the zero point, or use coarser outputs",
  violation: (context) => {
    const { op } = context;
    if (op.kind === "LEAKY_RELU" && !Number.isFinite(alphaOf(op))) return "alpha is not a number";
    const [input, output] = [operand(context, 0), result(context)];
    const compute = stepFunction(op, input, output);
    const zp = { in: unsignedZp(input), out: unsignedZp(output) };
    const error = lookupError(compute, lookupEntries(compute), zp);
    return error <= MAX_ERROR ? null : `the table would be off by ${error.toFixed(2)} steps`;
  },
};

export const LOOKUP_CONSTRAINTS: readonly Constraint[] = [
  LOOKUP_OPERAND,
  LOOKUP_SIZES,
  LOOKUP_ERROR,
];
