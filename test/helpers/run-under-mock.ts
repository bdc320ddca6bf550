// Runs a test file in a process under the mock kernel and takes its results over.
// SPDX-License-Identifier: MIT
import { spawn } from "node:child_process";
import { once } from "node:events";
import { basename, dirname } from "node:path";
import { suite } from "uvu";
import { needMockKernel, startMockKernel, type MockKernelOptions } from "./mock-kernel.ts";
import { skipSuite } from "./skip.ts";

export interface UnderMockOptions extends MockKernelOptions {
  /** The child is killed after this time, which is a failure; default 120 s. */
  timeoutMs?: number;
  /** Further variables of the child. */
  env?: Readonly<Record<string, string>>;
}

interface ChildResult {
  /** Why the child itself failed, or null. */
  broken: string | null;
  output: string;
}

async function runChild(
  file: string,
  env: Readonly<Record<string, string>>,
  timeoutMs: number,
): Promise<ChildResult> {
  const pattern = `^${basename(file).replaceAll(".", "\\.")}$`;
  const child = spawn(
    process.execPath,
    ["--import", "tsx", "test/run.ts", dirname(file), pattern],
    { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] },
  );
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, timeoutMs);
  const [code, signal] = (await once(child, "close")) as [number | null, string | null];
  clearTimeout(timer);
  if (late) return { broken: `no end within ${timeoutMs} ms`, output };
  if (signal !== null) return { broken: `ended by ${signal}`, output };
  // 1 is the code for failed tests, which the last line counts.
  return { broken: code === 0 || code === 1 ? null : `exit code ${code}`, output };
}

interface Counts {
  passed: number;
  failed: number;
}

function countsOf({ broken, output }: ChildResult): Counts {
  const last = /^(\d+) passed, (\d+) failed/.exec(output.trimEnd().split("\n").at(-1) ?? "");
  if (broken !== null || last === null) return { passed: 0, failed: 0 };
  return { passed: Number(last[1]), failed: Number(last[2]) };
}

/**
 * Runs a test file, which ends with `test.run()` as any other, in a process under a mock kernel of its own, and queues
 * its results as a suite of the calling file: as many passing tests, and one failing test with the child's output when
 * any fails, crashes or takes too long. Call it with `await` at the top of a test file; the child's file must not be
 * called *.test.ts, or it would also run without the mock.
 */
export async function runUnderMock(
  suiteName: string,
  file: string,
  options: UnderMockOptions = {},
): Promise<void> {
  if (!needMockKernel(suiteName)) return;
  const kernel = await startMockKernel(options);
  let result: ChildResult;
  try {
    result = await runChild(file, { ...kernel.env, ...options.env }, options.timeoutMs ?? 120_000);
  } finally {
    kernel.stop();
  }
  queueResult(suiteName, file, result);
}

function queueResult(suiteName: string, file: string, result: ChildResult): void {
  const { passed, failed } = countsOf(result);
  const skipped = [...result.output.matchAll(/^skipped: (.*)$/gm)];
  for (const [, name] of skipped) skipSuite(name!, file);
  const test = suite(`${suiteName} (under the mock kernel)`);
  for (let i = 0; i < passed; i++) test(`${file} ${i + 1}`, () => {});
  const why = result.broken ?? (failed > 0 ? `${failed} failed` : null);
  if (why !== null || passed + skipped.length === 0)
    test(file, () => {
      throw new Error(`${file}: ${why ?? "no test ran"}\n${result.output}`);
    });
  // Failures that the child counts and one test cannot.
  for (let i = 1; i < failed; i++)
    test(`${file}, failure ${i + 1}`, () => {
      throw new Error("see the first one");
    });
  test.run();
}
