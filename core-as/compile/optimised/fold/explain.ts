// Folds in words, as reasons of placements.
// SPDX-License-Identifier: MIT
import type { Placement } from "../../../executable/executable.ts";
import type { Graph } from "../../../ir/graph.ts";
import type { Fold } from "../../jobs.ts";

/** Placements of operators with a sentence for each job that they lost. */
export function explainFolds(
  graph: Graph,
  placements: readonly Placement[],
  folds: readonly Fold[],
): Placement[] {
  return placements.map((placement) => {
    const sentences = new Set(
      folds.filter(({ op }) => op === placement.op).map((fold) => sentenceOf(graph, fold)),
    );
    return sentences.size === 0 ? placement : { ...placement, reason: [...sentences].join(" ") };
  });
}

function sentenceOf(graph: Graph, { op, into, how }: Fold): string {
  if (into === null) return `Needs no job: ${how}.`;
  if (into === op) return `Two jobs are one: ${how}.`;
  return `Done by the job of operator ${into} (${graph.ops[into]!.kind}): ${how}.`;
}
