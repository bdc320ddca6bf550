// The one answer of a run as a frame.
// SPDX-License-Identifier: MIT
import { TransportError } from "../../core-as/errors.ts";
import type { SubmitResult } from "../../core-as/runtime/transport.ts";
import { encodeFailure, encodeFrame, PROFILED, RESULT } from "../protocol.ts";
import type { RunOutcome, WaitingRun } from "./scheduler.ts";

/** @param frameBytes largest frame that the client takes */
export function encodeOutcome(
  { id, profile, session }: WaitingRun,
  outcome: RunOutcome,
  frameBytes: number,
): Uint8Array {
  if ("error" in outcome) return encodeFailure("run", id, outcome.error);
  const { result, milliseconds } = outcome;
  const { outputs } = session.shared;
  if (
    result.outputs.length !== outputs.length ||
    result.outputs.some(({ length }, i) => length !== outputs[i])
  )
    return encodeFailure(
      "run",
      id,
      new Error(
        `the transport gave outputs of ${result.outputs.map(({ length }) => length).join(", ")} bytes ` +
          `instead of ${outputs.join(", ")}`,
      ),
    );
  const frame = profile ? profiled(id, result, milliseconds) : plain(id, result, milliseconds);
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

function plain(run: number, { evidence, outputs }: SubmitResult, milliseconds: number): Uint8Array {
  return encodeFrame(RESULT, { evidence, run, milliseconds, outputs });
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
