// Planes at a fraction: what weights with fractions are multiplied by. One NN job supplies them, behind the planes themselves.
// SPDX-License-Identifier: MIT
import { NnJob } from "../../../assembly/abi.ts";
import type { Chip } from "../../../hw/chips.ts";
import type { Extent } from "../../../ir/extent.ts";
import type { Op, Tensor } from "../../../ir/graph.ts";
import { addSides, pointwiseGeometry } from "../../../legalise/conv-geometry.ts";
import type { NnRecord } from "../../jobs.ts";
import { storedWeights, zp8 } from "../../lower-shared.ts";
import type { JobPrice, LoweringContext } from "../context.ts";
import { stageRecord } from "../output-stage.ts";
import { onePlaneRecord } from "../ops/rescale.ts";
import { sizedRecord } from "../records.ts";
import { coefficientBytes } from "../search/coefficient-estimate.ts";
import { selectPlanes } from "./select-planes.ts";

/** How: all planes as one image, or by a 1x1 convolution. */
interface SupplyWay {
  /** Infinity = neither is possible. */
  ms: number;
  isPointwise: boolean;
}

/** Convolutions with more planes have too many weights. */
const MOST_PLANES = 256;

/**
 * The faster way.
 * @param image the planes that are supplied at a fraction
 * @param copies the planes themselves have to be written as well
 */
export function supplyWay(chip: Chip, price: JobPrice, image: Extent, copies: boolean): SupplyWay {
  const { s, f, c } = image;
  const each = copies ? 2 : 1;
  const priced = (record: NnRecord, kernels: number, zeros: number): number =>
    price(record, coefficientBytes(chip, kernels, { whole: 1, small: 0, zeros }));
  // Few numbers of bytes are no image's.
  const isImage = addSides(s * f * c) !== null;
  const asOne = isImage ? priced(onePlaneRecord(chip, s * f * c, each), each, 3) : Infinity;
  if (c > MOST_PLANES || c < 2) return { ms: asOne, isPointwise: false };
  const pointwise = sizedRecord(chip, pointwiseGeometry(image, each * c));
  const ms = priced(pointwise, each * c, c - 1);
  return ms < asOne ? { ms, isPointwise: true } : { ms: asOne, isPointwise: false };
}

/**
 * Drafts what supplies planes and, behind them, those at a fraction: the zero point and a part of what is above or below it, rounded.
 * @param input the tensor that the planes hold
 * @param image the planes
 * @param parts 16 = a sixteenth
 * @param from node of the planes; moves into the result where it still can
 * @returns node of both
 */
export function supplyFractions(
  context: LoweringContext,
  op: Op,
  input: Tensor,
  image: Extent,
  parts: number,
  from: number,
): number {
  const known = context.fractions.get(from);
  // Readers may want another fraction of the same planes.
  if (known?.parts === parts) return known.both;
  const { placement, chip } = context;
  const bytes = placement.bytesOf(from);
  const both = placement.add(2 * bytes);
  if (known === undefined) context.fractions.set(from, { both, parts });
  const isBehind = placement.isFree(from) && staysInPlace(bytes);
  if (isBehind) placement.attach(from, both, 0);
  const to = isBehind ? placement.addPiece(bytes, both, bytes) : both;
  // What copies the planes and what takes their fraction.
  const weights = isBehind ? [1] : [parts, 1];
  const factor = 1 / parts;
  if (supplyWay(chip, context.choices.jobMs, image, !isBehind).isPointwise) {
    const kernels = weights.flatMap((weight) =>
      Array.from({ length: image.c }, (_, plane) => ({ plane, weight })),
    );
    selectPlanes(context, op, { tensor: input, image, kernels, factor }, from, to);
    return both;
  }
  context.nn(op, {
    op: "rescale",
    record: {
      ...onePlaneRecord(chip, bytes, weights.length),
      ...context.quantisation(input, input),
      [NnJob.WEIGHT_ZP]: 0,
      [NnJob.PAD_BYTE]: 0,
      ...stageRecord({ factor, offset: 0, zeroPoint: zp8(input) }, zp8(input), 0),
    },
    weights: storedWeights(Uint8Array.from(weights.flatMap((weight) => [weight, 0, 0, 0]))),
    biases: new Int32Array(weights.length),
    from,
    to,
  });
  return both;
}

/** Addresses at which jobs begin to read and write stay at multiples of this (spec/cost-model.md, Limits on freedom). */
export const ALIGN = 64;

/** Whether planes can have their fractions behind them where they lie: an output of its own begins where a job may. */
export const staysInPlace = (bytes: number): boolean => bytes % ALIGN === 0;
