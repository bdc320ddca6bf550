// Operators that only move bytes: concatenation, split, padding.
// SPDX-License-Identifier: MIT
import type { Op } from "../../../ir/graph.ts";
import { sameQuantisation } from "../../../legalise/constraint.ts";
import { zp8 } from "../../lower-shared.ts";
import { padPrograms } from "../../tp-programs.ts";
import type { LoweringContext } from "../context.ts";
import { draftLinear } from "./rescale.ts";

export function lowerConcatenation(context: LoweringContext, op: Op): void {
  const output = context.tensor(op.outputs[0]!);
  const container = context.produce(output.id);
  let offset = 0;
  for (const id of op.inputs) {
    if (sameQuantisation(context.tensor(id), output)) context.place(op, id, container, offset);
    else
      rescaleInto(
        context,
        op,
        id,
        context.placement.addPiece(context.bytes(id), container, offset),
      );
    offset += context.bytes(id);
  }
  context.publish(op);
}

/** Brings an input to the output's scale on its way. */
function rescaleInto(context: LoweringContext, op: Op, id: number, piece: number): void {
  const job = {
    from: context.tensor(id),
    to: context.tensor(op.outputs[0]!),
    linear: { factor: 1, offset: 0 },
    values: context.bytes(id),
    relu: 0,
  };
  draftLinear(context, op, job, context.planarOf(op, id), piece);
}

export function lowerSplit(context: LoweringContext, op: Op): void {
  const container = context.planarOf(op, op.inputs[1]!);
  let offset = 0;
  for (const id of op.outputs) {
    context.alias(id, context.placement.addPiece(context.bytes(id), container, offset));
    offset += context.bytes(id);
  }
  context.publish(op);
}

export function lowerPad(context: LoweringContext, op: Op): void {
  const input = context.tensor(op.inputs[0]!);
  const extent = context.extent(input.id);
  const from = context.planarOf(op, input.id);
  const to = context.produce(op.outputs[0]!);
  const cores = Math.min(context.chip.tpCores, extent.c);
  const zp = zp8(input);
  context.tp("pad", op.id, from, to, padPrograms(extent, 1, { in: zp, out: zp }, cores));
  context.publish(op);
}
