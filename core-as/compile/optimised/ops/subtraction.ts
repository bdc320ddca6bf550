// Subtractions: additions with a negative second weight.
// SPDX-License-Identifier: MIT
import type { Op, Tensor } from "../../../ir/graph.ts";
import { scaleOf } from "../../lower-shared.ts";
import type { LoweringContext } from "../context.ts";
import { closestAddFactors } from "../numerics.ts";
import { draftPair } from "./addition.ts";
import { lowerWithConstants } from "./rescale.ts";

/** Weights count from here, so that half of them are negative. */
const WEIGHT_ZERO = 128;

export function lowerSubtraction(context: LoweringContext, op: Op): void {
  if (lowerWithConstants(context, op)) return;
  const [a, b] = op.inputs.map((id) => context.tensor(id)) as [Tensor, Tensor];
  const choices = closestAddFactors(scaleOf(a), scaleOf(b), 127);
  draftPair(
    context,
    op,
    choices.map((factors) => ({ ...factors, addOff: -factors.addOff, zero: WEIGHT_ZERO })),
  );
}
