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

export interface ChildResult {
  passed: number;
  failed: number;
  /** Suites that the child skipped by name. */
  skipped: string[];
  /** Why the child's results cannot be taken as they are, or null. */
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
  // The summary is looked for here: standard error may come in between.
  let stdout = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      if (stream === child.stdout) stdout += chunk.toString();
    });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, timeoutMs);
  const [code, signal] = (await once(child, "close")) as [number | null, string | null];
  clearTimeout(timer);
  if (late) return resultOf(stdout, output, `no end within ${timeoutMs} ms`);
  if (signal !== null) return resultOf(stdout, output, `ended by ${signal}`);
  const result = resultOf(stdout, output, null);
  // 1 is the code for failed tests.
  if (code !== (result.failed > 0 ? 1 : 0)) result.broken ??= `exit code ${code}`;
  return result;
}

function resultOf(stdout: string, output: string, broken: string | null): ChildResult {
  const last = /^(\d+) passed, (\d+) failed/.exec(stdout.trimEnd().split("\n").at(-1) ?? "");
  const skipped = [...stdout.matchAll(/^skipped: (.*)$/gm)].map(([, name]) => name!);
  const [passed, failed] = [Number(last?.[1] ?? 0), Number(last?.[2] ?? 0)];
  let why = broken;
  if (last === null) why ??= "no summary of the test runner";
  else if (passed + failed + skipped.length === 0) why ??= "no test ran";
  return { passed, failed, skipped, broken: why, output };
}

/** Runs a test file in a process under a mock kernel of its own. */
export async function runFileUnderMock(
  file: string,
  options: UnderMockOptions = {},
): Promise<ChildResult> {
  const kernel = await startMockKernel(options);
  try {
    const env = { ...kernel.env, ...options.env };
    return await runChild(file, env, options.timeoutMs ?? 120_000);
  } finally {
    kernel.stop();
  }
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
  const { passed, failed, skipped, broken, output } = await runFileUnderMock(file, options);
  for (const name of skipped) skipSuite(name, `in ${file}`);
  const test = suite(`${suiteName} (under the mock kernel)`);
  for (let i = 0; i < passed; i++) test(`${file} ${i + 1}`, () => {});
  if (broken !== null || failed > 0)
    test(file, () => {
      throw new Error(`${file}: ${broken ?? `${failed} failed`}\n${output}`);
    });
  // The other failures that the child counts; the text above has them all.
  for (let i = 1; i < failed; i++)
    test(`${file}, failure ${i + 1}`, () => {
      throw new Error("see the first one");
    });
  test.run();
}
