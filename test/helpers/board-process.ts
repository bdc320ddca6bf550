// A board in a process of its own that tests may kill. Runs take a while; each one is noted in a file before it begins.
// SPDX-License-Identifier: MIT
import { fork, type ChildProcess } from "node:child_process";
import { appendFileSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { AgentLimits } from "../../transport-ws/agent/limits.ts";
import { startServer } from "../../transport-ws/server/index.ts";
import { CountingTransport } from "./board.ts";

export interface BoardProcessOptions {
  /** 0 = any. */
  port: number;
  /** Every run appends its number and a newline. */
  journal: string;
  runMs: number;
  limits?: Partial<AgentLimits>;
}

export interface BoardProcess {
  readonly port: number;
  /** Ends it as a power failure would. */
  kill(): Promise<void>;
}

export async function startBoardProcess(options: BoardProcessOptions): Promise<BoardProcess> {
  const child: ChildProcess = fork(fileURLToPath(import.meta.url), [], {
    execArgv: ["--import", "tsx"],
  });
  child.send(options);
  const port = await new Promise<number>((resolve, reject) => {
    child.once("message", (message) => resolve(message as number));
    child.once("exit", (code) => reject(new Error(`the board ended with ${code}`)));
  });
  return {
    port,
    async kill() {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** How often each run was begun, from the journal. */
export function journalOf(path: string): Map<number, number> {
  const counts = new Map<number, number>();
  for (const line of readFileSync(path, "utf8").split("\n").filter(Boolean))
    counts.set(Number(line), (counts.get(Number(line)) ?? 0) + 1);
  return counts;
}

async function serve({ port, journal, runMs, limits }: BoardProcessOptions): Promise<void> {
  const transport = new CountingTransport(true);
  transport.onStart = (run) => {
    appendFileSync(journal, `${run}\n`);
    setTimeout(() => transport.finish(), runMs);
  };
  const server = await startServer({
    check: false,
    transport,
    host: "127.0.0.1",
    port,
    limits,
    concurrentRuns: 1,
  });
  process.send!(server.port);
}

if (process.argv[1] === fileURLToPath(import.meta.url) && process.send !== undefined) {
  process.once("message", (options: BoardProcessOptions) => void serve(options));
  process.once("disconnect", () => process.exit());
}
