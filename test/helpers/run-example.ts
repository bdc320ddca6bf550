// Runs an example as its head comment says: with plain Node, on the built package.
// SPDX-License-Identifier: MIT
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

export interface ExampleOutcome {
  /** null: it was ended by a signal. */
  code: number | null;
  stdout: string;
  stderr: string;
}

/**
 * Runs `node examples/PATH ARGS`.
 * @param env further variables
 */
export async function runExample(
  path: string,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<ExampleOutcome> {
  const child = spawn(process.execPath, [join("examples", path), ...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 120_000,
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}
