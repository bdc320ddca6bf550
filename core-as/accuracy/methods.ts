// How the compiler computes layers that a single job does not get right, and how near it promises to come.
// SPDX-License-Identifier: MIT
import type { LayerReport } from "../inspect/report.ts";

/** A layer's method in words, and its bound. */
export interface LayerMethod {
  method: string;
  /** Largest difference from the integer reference that is promised, steps. */
  bound: number;
}

type ChannelScales = Pick<
  LayerReport,
  "op" | "groups" | "fractions" | "remainders" | "reorders" | "bound"
>;

/** "3 groups, 1 with fractions, reordered": the report's own words are too long for a column. */
function methodText({ groups, fractions, remainders, reorders }: ChannelScales): string {
  const parts = [groups === 1 ? "1 group" : `${groups} groups`];
  if (fractions > 0) parts.push(`${fractions} with fractions`);
  if (remainders > 0) parts.push(remainders === 1 ? "1 remainder" : `${remainders} remainders`);
  if (reorders) parts.push("reordered");
  return parts.join(", ");
}

/** Layers that a report tells more of, by operator. */
export function methodsOf(report: {
  accuracies: readonly ChannelScales[];
}): Map<number, LayerMethod> {
  return new Map(
    report.accuracies.map((layer) => [
      layer.op,
      { method: methodText(layer), bound: Math.ceil(layer.bound) },
    ]),
  );
}
