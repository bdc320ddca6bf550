// A file with figures of a chip's surroundings, in place of those that Tilewright has.
// SPDX-License-Identifier: MIT
import { overrideSystem, systemOf, targetChip, UsageError, type System } from "../core-as/index.ts";
import { readJson } from "./files.ts";

/**
 * Figures of the target, with those of the file in place of its own.
 * @throws UsageError TW_USAGE for anything but an object with members of a system description
 */
export function readSystem(path: string, target: string): System {
  const overrides = readJson(path, "system");
  try {
    return overrideSystem(systemOf(targetChip(target).name), overrides);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new UsageError(`--system ${path}: ${cause.message}`, "system");
  }
}
