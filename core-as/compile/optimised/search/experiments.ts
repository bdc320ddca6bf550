// Mechanisms of version 8 that no capture of a driver shows: only on demand (docs/cost-model.md, Experimental).
// SPDX-License-Identifier: MIT
import { Experiment, NnJob } from "../../../assembly/abi.ts";
import { generationOf, type Chip } from "../../../hw/chips.ts";
import type { Work } from "../../jobs.ts";
import type { Optimisations } from "../../options.ts";

/** Experiment bits of a compilation for a chip; 0 for core generations whose captures show all of this. */
export function experimentsOf(chip: Chip, switches: Optimisations): number {
  if (!generationOf(chip).experiments) return 0;
  return (
    (switches.experimentalCaches ? Experiment.CACHES : 0) |
    (switches.experimentalTiles ? Experiment.TALL_TILES : 0) |
    (switches.experimentalRuns ? Experiment.ZERO_RUNS : 0)
  );
}

/** The job, allowed to use these mechanisms. */
export const withExperiments = <T extends Work>(work: T, experiments: number): T =>
  work.kind === "TP" || experiments === 0
    ? work
    : { ...work, record: { ...work.record, [NnJob.EXPERIMENTS]: experiments } };
