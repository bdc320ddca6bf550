// Prices a captured submit of a driver: finds its jobs in the command stream, their descriptors by address.
// SPDX-License-Identifier: MIT
import type { JobCost } from "../cost/job-cost.ts";
import { STATES } from "../hw/commands.ts";
import type { System } from "../hw/systems.ts";
import type { Capture } from "../runtime/capture.ts";
import { fieldReader } from "./decode.ts";
import { INST_ADDR_TAG_MASK } from "./gen/fields.ts";
import { priceJob, type JobBytes, type PricedChip } from "./price.ts";

/** LOAD_STATE with a count of 1. */
const LOAD_ONE_STATE = 0x0801;

const stateAddress = (name: string): number =>
  STATES.find((state) => state.name === name)!.stateAddr;
const START_NN = stateAddress("PS_NN_INST_ADDR");
const START_TP = stateAddress("PS_TP_INST_ADDR");
/** Written behind the last descriptor of a job. */
const END_JOB = stateAddress("UNK_010A4");

/** Jobs that a captured submit starts, in order. */
function capturedJobBytes(capture: Capture): JobBytes[] {
  const version = capture.chip.nnCoreVersion;
  const at = (address: number): Uint8Array => {
    const buffer = capture.buffers.find(
      (candidate) => candidate.address <= address && address < candidate.address + candidate.bytes,
    );
    return buffer?.contents?.subarray(address - buffer.address) ?? new Uint8Array(0);
  };
  const jobs: JobBytes[] = [];
  let programs: Uint8Array[] = [];
  for (const { state, value } of stateWrites(capture.stream)) {
    const descriptor = at((value & ~INST_ADDR_TAG_MASK) >>> 0);
    if (state === START_NN) {
      const coefficients = at(fieldReader("NN", descriptor, version)("KERNEL_ADDR"));
      jobs.push({ kind: "NN", descriptor, coefficients });
    } else if (state === START_TP) programs.push(descriptor);
    else if (state === END_JOB && programs.length > 0) {
      const table = fieldReader("TP", programs[0], version)("LUT_ADDR");
      const tableBytes = table === 0 ? 0 : at(table).length;
      jobs.push({ kind: "TP", descriptors: programs, tableBytes });
      programs = [];
    }
  }
  return jobs;
}

/** Costs of the jobs of a captured submit. */
export function priceCapture(
  capture: Capture,
  chip: PricedChip,
  system: Pick<System, "tpElementsPerCycle">,
): JobCost[] {
  return capturedJobBytes(capture).map((job) => priceJob(job, chip, system));
}

/** Writes of single states; anything else in a user's stream starts nothing. */
function stateWrites(stream: Uint32Array): { state: number; value: number }[] {
  const writes: { state: number; value: number }[] = [];
  for (let i = 0; i + 1 < stream.length; i += 2)
    if (stream[i]! >>> 16 === LOAD_ONE_STATE)
      writes.push({ state: (stream[i]! & 0xffff) * 4, value: stream[i + 1]! });
  return writes;
}
