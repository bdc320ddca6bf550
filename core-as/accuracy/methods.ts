// How the compiler computes layers that a single job does not get right, and how near it promises to come.
// SPDX-License-Identifier: MIT
import type { CompileReport } from "../inspect/report.ts";

/** A layer's method in words, and its bound. */
export interface LayerMethod {
  method: string;
  /** Largest difference from the integer reference that is promised, steps. */
  bound: number;
}

/** What a report says of a layer with a scale for each channel; reports of older executables have no such list. */
interface ChannelScales {
  op: number;
  /** NN jobs, each for the channels of one multiplier. */
  groups: number;
  /** Most times that the input is supplied to one of them. */
  copies: number;
  /** Another job brings the channels into the tensor's order. */
  reorders: boolean;
  /** Error before the last rounding, output steps. */
  bound: number;
}

/** "3 groups, 2 copies, reordered". */
function methodText({ groups, copies, reorders }: ChannelScales): string {
  const parts = [groups === 1 ? "1 group" : `${groups} groups`];
  if (copies > 1) parts.push(`${copies} copies`);
  if (reorders) parts.push("reordered");
  return parts.join(", ");
}

/** Layers that a report tells more of, by operator. */
export function methodsOf(report: CompileReport): Map<number, LayerMethod> {
  const { accuracies = [] } = report as { accuracies?: readonly ChannelScales[] };
  return new Map(
    accuracies.map((layer) => [
      layer.op,
      { method: methodText(layer), bound: Math.ceil(layer.bound) },
    ]),
  );
}
