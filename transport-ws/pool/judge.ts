// What an error of a board means for the run: its answer, a reason to try elsewhere, or a reason to leave the board alone.
// SPDX-License-Identifier: MIT
import type { NpuError } from "../../core-as/errors.ts";

/**
 * answer: the run's own, given to the caller.
 * lost: the connection died; another board may do it, since runs have no side effects.
 * board: lost, and the connection is of no use any more.
 * full: the board has no room now.
 * closing: the board takes nothing new, but finishes what it has.
 * unsuitable: this board cannot run this executable.
 */
export type Verdict = "answer" | "lost" | "board" | "full" | "closing" | "unsuitable";

/** @param loading the error came from loading the executable, not from the run */
export function judge({ code }: NpuError, loading: boolean): Verdict {
  switch (code) {
    case "TW_IO_LOST":
    case "TW_IO_CONNECT":
      return "lost";
    case "TW_IO_CLOSED":
      return "closing";
    case "TW_IO_DEVICE_LOST":
    case "TW_IO_NO_DEVICE":
    case "TW_IO_PROTOCOL":
    case "TW_IO_VERSION":
    case "TW_IO_UPLOAD":
      return "board";
    case "TW_IO_ABORTED":
    case "TW_IO_TIMEOUT":
      return "answer";
    case "TW_IO_LIMIT":
      return loading ? "unsuitable" : "full";
    default:
      // A hung job, a fault, a refused stream: sent to another board it would do the same there.
      return loading ? "unsuitable" : "answer";
  }
}
