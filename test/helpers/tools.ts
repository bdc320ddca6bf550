// Optional tools of the machine: a suite without its tool is skipped by name, or fails where all are required.
// SPDX-License-Identifier: MIT
import { skipSuite } from "./skip.ts";

/**
 * Guard of a suite: true = go on. Without the tool the suite is reported as skipped by name, or, when
 * TILEWRIGHT_REQUIRE_TOOLS is 1, fails.
 * @param tool what is needed, as the report names it
 */
export function needTool(suiteName: string, tool: string, present: boolean): boolean {
  if (present) return true;
  if (process.env["TILEWRIGHT_REQUIRE_TOOLS"] === "1")
    throw new Error(`${suiteName}: ${tool} is required but missing`);
  skipSuite(suiteName, `no ${tool}`);
  return false;
}
