// Averages over windows, as convolutions whose weights are all equal.
// SPDX-License-Identifier: MIT
import type { Op } from "../../../ir/graph.ts";
import { averageWeight, averageWindow } from "../../../legalise/window-constraints.ts";
import type { LoweringContext } from "../context.ts";
import { averageSteps, lowestOf } from "../numerics.ts";
import { fitOutputStage, stageLimits } from "../output-stage.ts";
import { equalWeights } from "./channels.ts";
import { draftWindow } from "./window.ts";

/** Lowers AVERAGE_POOL_2D, and MEAN over rows and columns. */
export function lowerAverage(context: LoweringContext, op: Op): void {
  const input = context.tensor(op.inputs[0]!);
  const output = context.tensor(op.outputs[0]!);
  const { count, global, geometry } = averageWindow(context.graph, op, context.chip);
  const value = averageWeight(input, output, count, context.chip);
  const kernels = global ? geometry.in.c : count * geometry.out.c;
  const steps = averageSteps(op, input, output, count, value);
  const limits = stageLimits(context.chip, lowestOf(op, output), count * value * 255);
  const stage = steps && fitOutputStage(steps, limits);
  draftWindow(context, op, {
    name: global ? "pwconv" : "dwconv",
    geometry,
    input,
    weight: equalWeights(value, 0, kernels, 1 / (count * value)),
    output,
    biases: new Int32Array(geometry.out.c).fill(stage?.offset ?? 0),
    from: global ? context.nhwcOf(op, input.id) : context.planarOf(op, input.id),
    stage,
  });
}
