// What a chip's surroundings decide about its speed: clocks, memory, the cost of starting a job. Data, and overridable.
// SPDX-License-Identifier: MIT

/** Figures of a chip's surroundings that predictions follow (docs/cost-model.md). */
export interface System {
  /** Target name of the chip. */
  chip: string;
  /** Clock of NN and TP cores. */
  clockMHz: number;
  /** Bandwidth that one job after the other gets from DRAM, in 10^9 bytes a second. */
  bandwidthGBs: number;
  /** Time of a job besides computing and moving: start, drain, synchronisation. */
  overheadUs: number;
  /** Elements that a TP core moves in a cycle: an assumption, no source has a figure. */
  tpElementsPerCycle: number;
  /** Error of times predicted with these figures, as a share: r.m.s. of the calibration; null = never compared with a time. */
  error: number | null;
  /** Where the figures come from. */
  evidence: string;
}

const ASSUMED = {
  clockMHz: 800,
  bandwidthGBs: 4,
  overheadUs: 10,
  tpElementsPerCycle: 2,
  error: null,
  evidence: "assumed: the figures of the A311D, compared with nothing",
} as const;

const SYSTEMS: readonly System[] = [
  {
    chip: "a311d",
    clockMHz: 800,
    bandwidthGBs: 4,
    overheadUs: 10,
    tpElementsPerCycle: 2,
    error: 0.092,
    evidence: "calibrated on six published times of the reference driver (docs/cost-model.md)",
  },
  {
    chip: "imx8mp",
    clockMHz: 1000,
    bandwidthGBs: 4,
    overheadUs: 10,
    tpElementsPerCycle: 2,
    error: 0.19,
    evidence:
      "the bandwidth of the A311D; compared with two published times, not fitted (docs/cost-model.md)",
  },
];

/** Figures for a chip, by its target name; assumed ones where nothing was published. */
export function systemOf(chip: string): System {
  return SYSTEMS.find((system) => system.chip === chip) ?? { chip, ...ASSUMED };
}

/** Members of a system description that a file may override. */
const NUMBERS = ["clockMHz", "bandwidthGBs", "overheadUs", "tpElementsPerCycle"] as const;

/**
 * A system description with members replaced, e.g. by those of a JSON file. An override makes the calibration's error void,
 * unless it brings its own.
 * @param overrides an object with any of clockMHz, bandwidthGBs, overheadUs (0 or more), tpElementsPerCycle, error, evidence
 * @throws RangeError naming the member that is unknown or out of range
 */
export function overrideSystem(system: System, overrides: unknown): System {
  if (typeof overrides !== "object" || overrides === null || Array.isArray(overrides))
    throw new RangeError("a system description is an object");
  const result: System = { ...system, error: null, evidence: "given by the caller" };
  for (const [name, value] of Object.entries(overrides)) {
    if (name === "evidence" && typeof value === "string") result.evidence = value;
    else if (name === "chip" && value === system.chip) continue;
    else if (name === "error" && isNumber(value) && value >= 0) result.error = value;
    else if (!NUMBERS.some((known) => known === name))
      throw new RangeError(
        `a system description has no member ${JSON.stringify(name)} of that kind; members are ${NUMBERS.join(", ")}, error, evidence`,
      );
    else if (!isNumber(value) || value < 0 || (value === 0 && name !== "overheadUs"))
      throw new RangeError(
        `${name} is ${typeof value === "number" ? value : JSON.stringify(value)}, not a number ` +
          (name === "overheadUs" ? "of 0 or more" : "above 0"),
      );
    else result[name as (typeof NUMBERS)[number]] = value;
  }
  return result;
}

const isNumber = (value: unknown): value is number =>
  typeof value === "number" && Number.isFinite(value);
