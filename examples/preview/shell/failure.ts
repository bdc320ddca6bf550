// An error as the page shows it: the line that the command line tool prints, and where it was found.
// SPDX-License-Identifier: MIT
import {
  ERROR_CODES,
  NpuError,
  type ErrorCode,
  type ErrorLocation,
} from "../../../core-as/index.ts";

export interface Failure {
  /** The same text as after "error:" on a terminal. */
  message: string;
  code: ErrorCode;
  /** What the code means in general. */
  meaning: string;
  where: [name: string, value: string][];
}

const PLACES: Readonly<Record<keyof ErrorLocation, string>> = {
  op: "operator",
  tensor: "tensor",
  job: "job",
  byteOffset: "byte",
  wordIndex: "word",
  addrGpu: "address",
  field: "field",
};

/** Whether somebody stopped it. */
export const isAborted = (error: unknown): boolean =>
  error instanceof NpuError && error.code === "TW_IO_ABORTED";

/** Anything that was thrown, in words. What is no NpuError is a bug of ours, as in the command line tool. */
export function failureOf(error: unknown): Failure {
  const code = error instanceof NpuError ? error.code : "TW_BUG";
  const message = error instanceof Error ? error.message : String(error);
  const where = error instanceof NpuError ? error.where : {};
  return {
    message,
    code,
    meaning: ERROR_CODES[code],
    where: (Object.keys(PLACES) as (keyof ErrorLocation)[]).flatMap((name) => {
      const value = where[name];
      if (value === undefined) return [];
      const text = name === "addrGpu" ? `0x${value.toString(16)}` : String(value);
      return [[PLACES[name], text] as [string, string]];
    }),
  };
}
