// Operators that give the same bytes another shape: RESHAPE, SQUEEZE, EXPAND_DIMS.
// SPDX-License-Identifier: MIT
import type { Op } from "../../../ir/graph.ts";
import type { LoweringContext } from "../context.ts";

/** Where the channels stay, planes stay as they are; else the NHWC form is the same for both shapes. */
export function lowerAlias(context: LoweringContext, op: Op): void {
  const [from, to] = [op.inputs[0]!, op.outputs[0]!];
  const form = context.formOf(from);
  if (!form.planar || context.extent(from).c === context.extent(to).c)
    context.define(to, form.node, form.planar);
  else context.define(to, context.nhwcOf(op, from), false);
  context.publish(op);
}
