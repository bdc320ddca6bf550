// The .twx container: an executable as bytes and back (docs/formats.md).
// SPDX-License-Identifier: MIT
import { CoreBugError } from "../errors.ts";
import type { Executable } from "./executable.ts";

/** Writes an executable as a .twx file. */
export function serialiseExecutable(_executable: Executable): Uint8Array {
  throw new CoreBugError("not written yet");
}

/** Reads a .twx file. */
export function parseExecutable(_bytes: Uint8Array): Executable {
  throw new CoreBugError("not written yet");
}
