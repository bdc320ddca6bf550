// What came of a load or of a run, as a recording keeps it: numbers and texts, no objects of a transport.
// SPDX-License-Identifier: MIT
import { NpuError, type ErrorCode, type ErrorLocation } from "../../errors.ts";
import type { Evidence, JobProfile, StepTiming } from "../transport.ts";

/** An error without its class, cause and stack. */
export interface RecordedError {
  code: ErrorCode;
  message: string;
  where: ErrorLocation;
}

export interface RecordedLoad {
  /** SHA-256 of the executable's file, hexadecimal. */
  executable: string;
  error: RecordedError | null;
}

/** An answer; outputs are numbers of contents. */
export interface RecordedAnswer {
  outputs: readonly number[];
  evidence: Evidence;
  timings: readonly StepTiming[];
  /** Wall clock of the run where it ran; null when the transport did not tell. */
  milliseconds: number | null;
  jobs: readonly JobProfile[] | null;
}

export interface RecordedRun {
  /** SHA-256 of the executable's file, hexadecimal. */
  executable: string;
  /** Numbers of contents, in the order of the graph's inputs. */
  inputs: readonly number[];
  profile: boolean;
  /** The caller's time limit in milliseconds; null = none. */
  timeoutMs: number | null;
  /** From the call to its end, seen by the caller. */
  milliseconds: number;
  outcome: RecordedAnswer | RecordedError;
}

export function isError(outcome: RecordedRun["outcome"]): outcome is RecordedError {
  return "code" in outcome;
}

/** What a recording keeps of an error; those that are none of Tilewright's count as bugs. */
export function recordError(error: unknown): RecordedError {
  if (error instanceof NpuError) {
    const { code, message, where } = error;
    return { code, message, where };
  }
  return { code: "TW_BUG", message: String(error), where: {} };
}
