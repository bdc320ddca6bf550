// The built command line tool as processes: one that ends, and an agent that serves until it is told to stop.
// SPDX-License-Identifier: MIT
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { createInterface } from "node:readline";

const CLI = resolve("dist/cli.js");

export interface Outcome {
  code: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

export interface ProcessOptions {
  cwd?: string;
  env?: Readonly<Record<string, string>>;
  /** Bytes for standard input. */
  input?: Uint8Array | string;
}

/** Without what would change defaults or colours. */
function environment(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const { FORCE_COLOR: _, ...env } = process.env;
  for (const name of Object.keys(env))
    if (/^TW_(TRANSPORT|CHIP|THREADS|TOKEN_FILE|RECORD)$/.test(name)) delete env[name];
  return { ...env, NO_COLOR: "1", TW_CACHE: "off", ...extra };
}

/** Runs a command line to its end. */
export async function tilewright(
  args: readonly string[],
  { cwd, env, input = "" }: ProcessOptions = {},
): Promise<Outcome> {
  const child = spawn(process.execPath, [CLI, ...args], {
    cwd,
    env: environment(env),
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const [code, signal] = (await once(child, "close")) as [number | null, string | null];
  return { code, signal, stdout, stderr };
}

/** A line of `tilewright serve --json`. */
export type ServeEvent = { event: string } & Readonly<Record<string, unknown>>;

/** A running `tilewright serve --json`. */
export class Served {
  readonly events: ServeEvent[] = [];
  private output = "";
  private readonly ended: Promise<{ code: number | null; signal: string | null }>;
  private wake: () => void = () => {};

  private constructor(private readonly child: ChildProcess) {
    createInterface(child.stdout!).on("line", (line) => {
      this.output += `${line}\n`;
      this.events.push(JSON.parse(line) as ServeEvent);
      this.wake();
    });
    child.stderr!.setEncoding("utf8").on("data", (text: string) => (this.output += text));
    this.ended = once(child, "close").then(([code, signal]) => {
      this.wake();
      return { code: code as number | null, signal: signal as string | null };
    });
  }

  /** Starts an agent on a free port of this machine, or as `args` say; resolves when `event` is reported. */
  static async start(
    args: readonly string[] = [],
    options: ProcessOptions & { event?: string } = {},
  ): Promise<Served> {
    const listen = args.includes("--listen") || args.includes("--pool") ? [] : ["--listen", "0"];
    const child = spawn(process.execPath, [CLI, "serve", "--json", ...listen, ...args], {
      cwd: options.cwd,
      env: environment(options.env),
      stdio: ["ignore", "pipe", "pipe"],
    });
    const served = new Served(child);
    await served.event(options.event ?? "listening");
    return served;
  }

  /** The first event of a name; waits for it. */
  async event(name: string): Promise<ServeEvent> {
    for (;;) {
      const found = this.events.find(({ event }) => event === name);
      if (found !== undefined) return found;
      if (this.child.exitCode !== null || this.child.signalCode !== null)
        throw new Error(`the agent ended before "${name}":\n${this.output}`);
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }

  /** Where it listens. */
  get url(): string {
    const { urls } = this.events.find(({ event }) => event === "listening")!;
    return (urls as string[])[0]!;
  }

  /** Everything that it printed. */
  get text(): string {
    return this.output;
  }

  send(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Its end, however it comes. */
  end(): Promise<{ code: number | null; signal: string | null }> {
    return this.ended;
  }

  /** Ends it in order and returns its exit code. */
  async stop(): Promise<number | null> {
    this.send("SIGTERM");
    return (await this.ended).code;
  }
}

/** Runs `body` with an agent, which is ended afterwards, whatever happens. */
export async function withServed(
  args: readonly string[],
  body: (served: Served) => Promise<void>,
  options: ProcessOptions & { event?: string } = {},
): Promise<void> {
  const served = await Served.start(args, options);
  try {
    await body(served);
  } finally {
    served.send("SIGKILL");
    await served.end();
  }
}
