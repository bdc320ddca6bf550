// Answers of runs as results.
// SPDX-License-Identifier: MIT
import type { SubmitResult } from "../../core-as/runtime/transport.ts";
import { decodeFrame, decodeResult, PROFILED, protocolError } from "../protocol.ts";
import type { ClientRun } from "./runs.ts";

/** An answer whose frame is in order; whether it fits its run is seen when that is found. */
export interface Answer {
  id: number;
  /** @throws TransportError TW_IO_PROTOCOL when it is no answer to what was asked */
  resultFor(run: ClientRun): SubmitResult;
}

/** @throws TransportError TW_IO_PROTOCOL */
export function readPlain(bytes: Uint8Array): Answer {
  const { evidence, run: id, milliseconds, outputs } = decodeResult(bytes);
  return {
    id,
    resultFor(run) {
      check(run, false, outputs);
      const { steps } = run.session.executable;
      return {
        outputs: run.session.split(outputs),
        evidence,
        // With one step the whole is its time; how several share it is told by a profile only.
        timings: steps.length === 1 ? [{ step: 0, kind: steps[0]!.kind, milliseconds }] : [],
        milliseconds,
      };
    },
  };
}

/** @throws TransportError TW_IO_PROTOCOL */
export function readProfiled(bytes: Uint8Array): Answer {
  const values = decodeFrame(PROFILED, bytes);
  const { evidence, run: id, milliseconds, outputs, steps: timings } = values;
  const jobs = values.jobs.map(({ counters, ...job }) => ({
    ...job,
    counters: Object.fromEntries(counters.map(({ name, value }) => [name, value])),
  }));
  return {
    id,
    resultFor(run) {
      check(run, true, outputs);
      return {
        outputs: run.session.split(outputs),
        evidence,
        timings,
        milliseconds,
        ...(values.hasJobs ? { jobs } : {}),
      };
    },
  };
}

function check({ id, profile, session }: ClientRun, isProfile: boolean, outputs: Uint8Array): void {
  if (profile !== isProfile)
    throw protocolError(`run ${id} was answered ${isProfile ? "with" : "without"} a profile`, 0);
  if (outputs.length !== session.outputBytes)
    throw protocolError(
      `run ${id} was answered with ${outputs.length} bytes of outputs, the executable has ${session.outputBytes}`,
      0,
    );
}
