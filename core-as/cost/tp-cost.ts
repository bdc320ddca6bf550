// Cost of a TP job. The sources give none: a core is assumed to move a fixed number of elements in a cycle.
// SPDX-License-Identifier: MIT
import type { System } from "../hw/systems.ts";
import type { JobCost } from "./job-cost.ts";

/** What one TP core does in a job. */
export interface TpShape {
  /** Elements that the walk visits; each writes a byte. */
  elements: number;
  /** Bytes of the image that lie in the walk's window. */
  read: number;
  /** Bytes of the look-up table. */
  table: number;
}

/** Cost of a job on one or several cores, which work at the same time. */
export function tpCost(
  cores: readonly TpShape[],
  { tpElementsPerCycle }: Pick<System, "tpElementsPerCycle">,
): JobCost {
  const total = (member: keyof TpShape): number =>
    cores.reduce((sum, core) => sum + core[member], 0);
  const slowest = Math.max(0, ...cores.map(({ elements }) => elements));
  return {
    cycles: Math.ceil(slowest / tpElementsPerCycle),
    inputBytes: total("read"),
    coefficientBytes: total("table"),
    outputBytes: total("elements"),
    cachedBytes: 0,
    macs: 0,
    utilisation: 0,
  };
}
