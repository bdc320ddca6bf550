// The one answer of a run as a frame.
// SPDX-License-Identifier: MIT
import { TransportError } from "../../core-as/errors.ts";
import type { SubmitResult } from "../../core-as/runtime/transport.ts";
import { encodeFailure, encodeFrame, encodeResult, PROFILED } from "../protocol.ts";
import type { RunOutcome, WaitingRun } from "./scheduler.ts";

/** @param frameBytes largest frame that the client takes */
export function encodeOutcome(
  { id, profile, session }: WaitingRun,
  outcome: RunOutcome,
  frameBytes: number,
): Uint8Array {
  if ("error" in outcome) return encodeFailure("run", id, outcome.error);
  const { result, milliseconds } = outcome;
  const { outputs, outputBytes } = session.shared;
  if (!fit(result.outputs, outputs))
    return encodeFailure(
      "run",
      id,
      new Error(
        `the transport gave outputs of ${result.outputs.map(({ length }) => length).join(", ")} bytes ` +
          `instead of ${outputs.join(", ")}`,
      ),
    );
  const frame = profile
    ? profiled(id, result, milliseconds)
    : encodeResult(result.evidence, id, milliseconds, result.outputs, outputBytes);
  if (frame.length <= frameBytes) return frame;
  return encodeFailure(
    "run",
    id,
    new TransportError(
      "TW_IO_LIMIT",
      `the answer has ${frame.length} bytes, the client takes ${frameBytes}`,
    ),
  );
}

function fit(given: readonly Uint8Array[], sizes: readonly number[]): boolean {
  if (given.length !== sizes.length) return false;
  for (let i = 0; i < sizes.length; i++) if (given[i]!.length !== sizes[i]) return false;
  return true;
}

function profiled(
  run: number,
  { evidence, outputs, timings, jobs }: SubmitResult,
  milliseconds: number,
): Uint8Array {
  return encodeFrame(PROFILED, {
    evidence,
    run,
    milliseconds,
    steps: timings,
    hasJobs: jobs !== undefined,
    jobs: (jobs ?? []).map(({ counters, ...job }) => ({
      ...job,
      counters: Object.entries(counters).map(([name, value]) => ({ name, value })),
    })),
    outputs,
  });
}
