// Operators that only move bytes: concatenation, split, padding.
// SPDX-License-Identifier: MIT
import type { Op } from "../../../ir/graph.ts";
import { dimensionOf } from "../../../ir/shapes-layout.ts";
import { copyOf, isContiguous, pieceMovement, stepsOf } from "../../../legalise/movement.ts";
import { sameQuantisation } from "../../../legalise/constraint.ts";
import { zp8 } from "../../lower-shared.ts";
import { padBorder } from "../../../legalise/window-constraints.ts";
import { padPrograms } from "../../tp-programs.ts";
import type { LoweringContext } from "../context.ts";
import { rescaledBytes } from "../byte-functions.ts";
import { draftLinear } from "./rescale.ts";
import { copyJobs } from "./strided.ts";

export function lowerConcatenation(context: LoweringContext, op: Op): void {
  const { shape } = context.tensor(op.outputs[0]!);
  const dimension = dimensionOf(op.options["axis"], shape.length)!;
  if (dimension < shape.length - 1) concatenatePixels(context, op, dimension);
  else concatenateChannels(context, op);
}

/** Rows or columns; inputs that are whole pieces of the output become that, others are copied. */
function concatenatePixels(context: LoweringContext, op: Op, dimension: number): void {
  const output = context.tensor(op.outputs[0]!);
  const planar = context.wantsPlanar(output.id);
  const container = context.placement.add(context.bytes(output.id));
  let at = 0;
  for (const id of op.inputs) {
    const input = context.tensor(id);
    // A change of layout would be a job as well as a copy, but may already be there or be wanted again.
    const node = planar ? context.planarOf(op, id) : context.nhwcOf(op, id);
    const steps = stepsOf(input.shape, planar);
    const movement = pieceMovement(input, dimension, at);
    const copy = copyOf(movement, steps, stepsOf(output.shape, planar));
    if (isContiguous(copy) && context.placement.isFree(node))
      context.placement.attach(node, container, copy.to[0]!);
    else
      for (const programs of copyJobs(copy, zp8(input), context.chip.tpCores))
        context.tp("move", op.id, node, container, programs);
    at += input.shape[dimension]!;
  }
  context.define(output.id, container, planar);
  context.publish(op);
}

/** Channels are whole planes: each input is a piece of the output. */
function concatenateChannels(context: LoweringContext, op: Op): void {
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
  const [from, to] = [context.tensor(id), context.tensor(op.outputs[0]!)];
  const job = {
    from,
    to,
    linear: { factor: 1, offset: 0 },
    bytes: rescaledBytes(op, from, to),
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
  if ([...context.mergedPadding.values()].some(({ pad }) => pad === op)) return;
  const input = context.tensor(op.inputs[0]!);
  const extent = context.extent(input.id);
  const from = context.planarOf(op, input.id);
  const to = context.produce(op.outputs[0]!);
  const cores = Math.min(context.chip.tpCores, extent.c);
  const zp = zp8(input);
  const border = padBorder(context.tensor(op.inputs[1]!));
  context.tp("pad", op.id, from, to, padPrograms(extent, border, { in: zp, out: zp }, cores));
  context.publish(op);
}
