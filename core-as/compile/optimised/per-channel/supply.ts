// Planes at a fraction: what weights with fractions are multiplied by. One NN job supplies them, behind the planes themselves.
// SPDX-License-Identifier: MIT
import { NnJob } from "../../../assembly/abi.ts";
import type { Op, Tensor } from "../../../ir/graph.ts";
import { storedWeights, zp8 } from "../../lower-shared.ts";
import type { LoweringContext } from "../context.ts";
import { stageRecord } from "../output-stage.ts";
import { onePlaneRecord } from "../ops/rescale.ts";
import { ALIGN } from "./layer.ts";

/**
 * Drafts what supplies planes and, behind them, those at a fraction: the zero point and a part of what is above or below it, rounded.
 * @param input the tensor that the planes hold
 * @param parts 16 = a sixteenth
 * @param from node of the planes; moves into the result where it still can
 * @returns node of both
 */
export function supplyFractions(
  context: LoweringContext,
  op: Op,
  input: Tensor,
  parts: number,
  from: number,
): number {
  const known = context.fractions.get(from);
  // Readers may want another fraction of the same planes.
  if (known?.parts === parts) return known.both;
  const { placement } = context;
  const bytes = placement.bytesOf(from);
  const both = placement.add(2 * bytes);
  if (known === undefined) context.fractions.set(from, { both, parts });
  // An output of its own begins where a job may.
  const isBehind = placement.isFree(from) && bytes % ALIGN === 0;
  if (isBehind) placement.attach(from, both, 0);
  const to = isBehind ? placement.addPiece(bytes, both, bytes) : both;
  const kernels = isBehind ? [1] : [parts, 1];
  context.nn(op, {
    op: "rescale",
    record: {
      ...onePlaneRecord(context.chip, bytes, kernels.length),
      ...context.quantisation(input, input),
      [NnJob.WEIGHT_ZP]: 0,
      [NnJob.PAD_BYTE]: 0,
      ...stageRecord({ factor: 1 / parts, offset: 0, zeroPoint: zp8(input) }, zp8(input), 0),
    },
    weights: storedWeights(Uint8Array.from(kernels.flatMap((weight) => [weight, 0, 0, 0]))),
    biases: new Int32Array(kernels.length),
    from,
    to,
  });
  return both;
}
