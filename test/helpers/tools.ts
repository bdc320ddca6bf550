// Optional tools of the machine: a suite without its tool is skipped by name, or fails where all are required.
// SPDX-License-Identifier: MIT
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { suite } from "uvu";
import { skipSuite } from "./skip.ts";

/**
 * Guard of a suite: true = go on. Without the tool the suite is reported as skipped by name, or, when
 * TILEWRIGHT_REQUIRE_TOOLS is 1, has one failing test.
 * @param tool what is needed, as the report names it
 */
export function needTool(suiteName: string, tool: string, present: boolean): boolean {
  if (present) return true;
  if (process.env["TILEWRIGHT_REQUIRE_TOOLS"] === "1") {
    const test = suite(suiteName);
    test(`has its tool: ${tool}`, () => {
      throw new Error(`${tool} is required but missing; .ci/install-tools installs it`);
    });
    test.run();
  } else skipSuite(suiteName, `no ${tool}`);
  return false;
}

/** Path of a program on PATH or in one of the folders where systems keep servers; null when there is none. */
export function findProgram(...names: string[]): string | null {
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  for (const name of names)
    for (const folder of [...folders, "/usr/sbin", "/sbin"])
      if (existsSync(join(folder, name))) return join(folder, name);
  return null;
}

/** True when a program runs and returns 0, e.g. works("cc", "--version"). */
export function works(program: string, ...args: string[]): boolean {
  return spawnSync(program, args, { stdio: "ignore" }).status === 0;
}
