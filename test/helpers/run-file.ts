// Runs the suites of one file in this process, the way uvu's own runner does; a throwing hook counts as a failure.
// SPDX-License-Identifier: MIT
import { pathToFileURL } from "node:url";
import { skippedByName } from "./skip.ts";

/** What one file's suites came to. */
export interface FileResult {
  passed: number;
  failed: number;
  skipped: number;
  /** Suites that this machine cannot run, with the reason. */
  skippedByName: readonly string[];
  ms: number;
}

type RunSuite = () => Promise<[string | true, number, number, number]>;
const globals = globalThis as unknown as {
  UVU_DEFER: number;
  UVU_INDEX: number;
  UVU_QUEUE: RunSuite[][];
};

// uvu reads this when it is first loaded: suites queue up instead of starting at once.
globals.UVU_DEFER = 1;
globals.UVU_INDEX = 0;
globals.UVU_QUEUE = [];

/** Of a file that never got to its tests. */
export const FAILED: FileResult = { passed: 0, failed: 1, skipped: 0, skippedByName: [], ms: 0 };

/**
 * @param file path of a test file
 * @throws whatever loading the file throws
 */
export async function runFile(file: string): Promise<FileResult> {
  const start = performance.now();
  const suites: RunSuite[] = [];
  globals.UVU_QUEUE[0] = suites;
  const known = skippedByName().length;
  await import(pathToFileURL(file).href);
  const result = { passed: 0, failed: 0, skipped: 0 };
  for (const run of suites) {
    const [errors, passed, skipped, all] = await run();
    result.passed += passed;
    result.failed += all - passed;
    result.skipped += skipped;
    // uvu loses an error that a before or after hook throws; the count still tells.
    if (errors !== true) process.stdout.write(`\n${errors}\n`);
    else if (all !== passed) process.stdout.write("\na before or after hook failed\n");
  }
  const ms = performance.now() - start;
  return { ...result, skippedByName: skippedByName().slice(known), ms };
}
