// Limits that a comparison has to keep, for builds that fail when a model becomes worse.
// SPDX-License-Identifier: MIT
import type { TensorDifference } from "./accuracy.ts";
import { differenceOf, snrText, type AccuracyReport } from "./accuracy-report.ts";

/** What is allowed; a limit that is left out allows everything. */
export interface AccuracyLimits {
  /** Largest difference, steps. */
  maxDifference?: number;
  /** Smallest cosine, -1..1. */
  minCosine?: number;
  /** Smallest signal to noise in dB; tensors without differences always pass. */
  minSnrDb?: number;
  /** Smallest share of elements within one step, 0..1. */
  minWithin1?: number;
}

/** A figure beyond its limit. */
export interface LimitViolation {
  /** The operator, or null for an output of the whole model. */
  op: number | null;
  /** "operator 3 CONV_2D alone", "output 0 "scores"". */
  where: string;
  /** "the largest difference", "the cosine", … */
  figure: string;
  value: string;
  limit: string;
}

type Beyond = Pick<LimitViolation, "figure" | "value" | "limit">;

const percent = (share: number): string => `${Number((share * 100).toFixed(4))} %`;

/** The first of the limits that these figures break, in the order of AccuracyLimits. */
export function beyondLimit(difference: TensorDifference, limits: AccuracyLimits): Beyond | null {
  const { maxDifference, minCosine, minSnrDb, minWithin1 } = limits;
  const { max, cosine, snrDb, within1, different, notFinite } = difference;
  const isAsked = [maxDifference, minCosine, minSnrDb, minWithin1].some((n) => n !== undefined);
  if (isAsked && notFinite > 0)
    return { figure: "the count of values that are no numbers", value: `${notFinite}`, limit: "0" };
  if (maxDifference !== undefined && max > maxDifference)
    return {
      figure: "the largest difference",
      value: `${Number(max.toPrecision(6))}`,
      limit: `at most ${maxDifference}`,
    };
  if (minCosine !== undefined && cosine < minCosine)
    return { figure: "the cosine", value: cosine.toPrecision(8), limit: `at least ${minCosine}` };
  if (minSnrDb !== undefined && different > 0 && (snrDb === null || snrDb < minSnrDb))
    return {
      figure: "signal to noise",
      value: snrDb === null ? snrText(difference) : `${snrDb.toFixed(3)} dB`,
      limit: `at least ${minSnrDb} dB`,
    };
  if (minWithin1 !== undefined && within1 < minWithin1)
    return {
      figure: "the share within one step",
      value: percent(within1),
      limit: `at least ${percent(minWithin1)}`,
    };
  return null;
}

/**
 * The first figure beyond a limit: layers alone in the network's order, then the network's outputs.
 * @param float judge the differences from float instead of those from the integer reference
 */
export function firstViolation(
  { layers, wholeModel }: Pick<AccuracyReport, "layers" | "wholeModel">,
  limits: AccuracyLimits,
  float = false,
): LimitViolation | null {
  for (const layer of layers) {
    const difference = differenceOf(layer, "alone", float);
    const beyond = difference && beyondLimit(difference, limits);
    if (beyond)
      return { op: layer.op, where: `operator ${layer.op} ${layer.name} alone`, ...beyond };
  }
  for (const [i, output] of wholeModel.entries()) {
    const difference = float ? output.float?.chained : output;
    const beyond = difference && beyondLimit(difference, limits);
    if (beyond) return { op: null, where: `output ${i} ${JSON.stringify(output.name)}`, ...beyond };
  }
  return null;
}
