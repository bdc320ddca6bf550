// What came of a load or of a run, as a recording keeps it: numbers and texts, no objects of a transport.
// SPDX-License-Identifier: MIT
import {
  CoreBugError,
  EncodeError,
  ERROR_CODES,
  ExecutableError,
  GraphError,
  NpuError,
  PlanError,
  SimFault,
  SubmitCheckError,
  TransportError,
  UnsupportedError,
  type ErrorCode,
  type ErrorLocation,
} from "../../errors.ts";
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

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERROR_CODES, text);
}

type CodesOf<Prefix extends string> = Extract<ErrorCode, `${Prefix}${string}`>;

const CLASSES: readonly [prefix: string, make: (error: RecordedError) => NpuError][] = [
  ["TW_IO_", (e) => new TransportError(e.code as CodesOf<"TW_IO_">, e.message, e.where)],
  ["TW_SIM_", (e) => new SimFault(e.code as CodesOf<"TW_SIM_">, e.message, e.where)],
  ["TW_CHECK_", (e) => new SubmitCheckError(e.code as CodesOf<"TW_CHECK_">, e.message, e.where)],
  ["TW_EXE_", (e) => new ExecutableError(e.code as CodesOf<"TW_EXE_">, e.message, e.where)],
  ["TW_UNSUP_", (e) => new UnsupportedError(e.code as CodesOf<"TW_UNSUP_">, e.message, e.where)],
  ["TW_PLAN_", (e) => new PlanError(e.code as CodesOf<"TW_PLAN_">, e.message, e.where)],
  ["TW_ENC_", (e) => new EncodeError(e.code as CodesOf<"TW_ENC_">, e.message, e.where)],
  ["TW_GRAPH_", (e) => new GraphError(e.message, e.where)],
  ["TW_BUG", (e) => new CoreBugError(e.message)],
];

/** The error again, in the class that its code belongs to. */
export function makeError(error: RecordedError): NpuError {
  const found = CLASSES.find(([prefix]) => error.code.startsWith(prefix));
  return found === undefined ? new NpuError(error.message, error) : found[1](error);
}
