// A partition as a capture directory: what a kernel would see of its submit.
// SPDX-License-Identifier: MIT
import { CoreBugError } from "../errors.ts";
import type { Executable } from "../executable/executable.ts";

export interface CaptureOptions {
  /** End of the address space from which buffers are placed downwards; default 2^32. */
  top?: number;
  /** Name in capture.json; default: the graph's name. */
  model?: string;
}

/**
 * Files of a capture directory by name: capture.json and raw files.
 * @param partition index in executable.partitions
 */
export function writeCapture(
  _executable: Executable,
  _partition: number,
  _options: CaptureOptions = {},
): Map<string, Uint8Array | string> {
  throw new CoreBugError("not written yet");
}
