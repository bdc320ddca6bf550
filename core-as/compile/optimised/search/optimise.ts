// What the cost model changes about lowered jobs: a list of transformations, each in a file and with a switch of its own.
// None of them changes a result.
// SPDX-License-Identifier: MIT
import type { Core } from "../../../core.ts";
import type { Chip } from "../../../hw/chips.ts";
import type { System } from "../../../hw/systems.ts";
import type { Lowered, NnWork, Work } from "../../jobs.ts";
import type { Optimisations } from "../../options.ts";
import { splitDepthwise } from "./depthwise-groups.ts";
import { PlanSearch } from "./plan-search.ts";
import { reshapePointwise } from "./pointwise-shapes.ts";

/** A search with the switches of a compilation; one for all partitions. */
export function planSearch(
  core: Core,
  chip: Chip,
  system: System,
  { tileSearch, cacheSplit }: Optimisations,
): PlanSearch {
  return new PlanSearch(core, chip, system, { tiles: tileSearch, caches: cacheSplit });
}

/** Replaces NN jobs by cheaper ones. */
export function optimiseJobs(
  lowered: Lowered,
  chip: Chip,
  system: System,
  search: PlanSearch,
  switches: Optimisations,
): Lowered {
  const transformations: ((work: NnWork) => NnWork[])[] = [
    ...(switches.depthwiseGroups
      ? [(work: NnWork) => splitDepthwise(work, chip, system, search)]
      : []),
    ...(switches.pointwiseShapes ? [(work: NnWork) => [reshapePointwise(work, search)]] : []),
  ];
  const jobs = lowered.jobs.flatMap((work): Work[] => {
    if (work.kind === "TP") return [work];
    return transformations.reduce<NnWork[]>((list, change) => list.flatMap(change), [work]);
  });
  return { ...lowered, jobs };
}
