// Runs test files in as many processes as the machine has cores.
// SPDX-License-Identifier: MIT
import { fork, type ChildProcess } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { FAILED, type FileResult } from "./run-file.ts";

const WORKER = fileURLToPath(new URL("./file-worker.ts", import.meta.url));

/**
 * @param files paths; started in this order
 * @param done called for each file when it is through, with what it printed
 */
export async function runInWorkers(
  files: readonly string[],
  done: (file: string, result: FileResult, printed: string) => void,
): Promise<void> {
  const left = [...files];
  const work = async (): Promise<void> => {
    let worker: ChildProcess | null = null;
    for (let file = left.shift(); file !== undefined; file = left.shift()) {
      worker ??= fork(WORKER);
      const answer = await ask(worker, file);
      if (answer.ended) worker = null;
      done(file, answer, answer.printed);
    }
    worker?.disconnect();
  };
  const count = Math.min(files.length, availableParallelism());
  await Promise.all(Array.from({ length: count }, work));
}

interface Answer extends FileResult {
  printed: string;
  /** The process is gone, and with it whatever the file would have tested. */
  ended?: boolean;
}

function ask(worker: ChildProcess, file: string): Promise<Answer> {
  return new Promise((resolve) => {
    const settle = (answer: Answer): void => {
      for (const event of ["message", "exit"]) worker.removeAllListeners(event);
      resolve(answer);
    };
    worker.once("message", (answer: Answer) => settle(answer));
    worker.once("exit", (code, signal) => {
      const printed = `\nthe process ended with ${signal ?? `code ${code}`}\n`;
      settle({ ...FAILED, printed, ended: true });
    });
    worker.send(file);
  });
}
