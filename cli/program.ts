// The command line as a whole: verbs, error lines, exit codes.
// SPDX-License-Identifier: MIT
import { Command, CommanderError } from "commander";
import { NpuError, UsageError, type ErrorCode } from "../core-as/errors.ts";
import { addBench } from "./bench.ts";
import { addBoards } from "./boards.ts";
import { addCanonical } from "./canonical.ts";
import { addCapture } from "./capture.ts";
import { addCompare } from "./compare.ts";
import { addCompile } from "./compile.ts";
import { addDemo } from "./demo.ts";
import { environmentHelp } from "./env.ts";
import { addInspect } from "./inspect.ts";
import { addReport } from "./report-command.ts";
import { addRun } from "./run.ts";
import { addServe } from "./serve.ts";
import { addTargets } from "./targets.ts";
import { err, note } from "./terminal.ts";
import { VERSION } from "./version.ts";

/** Exit codes (see docs/errors.md for the codes behind them). */
export const EXIT = { ok: 0, failure: 1, usage: 2, device: 3, bug: 70 } as const;

/** TW_IO_ codes that are about files and inputs; all others are about a device or a board. */
const FILE_CODES: readonly ErrorCode[] = [
  "TW_IO_NOT_FOUND",
  "TW_IO_INPUT",
  "TW_IO_PICTURE",
  "TW_IO_RECORD",
];

const isDeviceCode = (code: ErrorCode): boolean =>
  code.startsWith("TW_IO_") && !FILE_CODES.includes(code);

function buildProgram(): Command {
  const program = new Command("tilewright")
    .description("Compiles quantised TFLite models for Vivante NPUs, runs and explains the result.")
    .version(VERSION)
    .addHelpText("after", environmentHelp())
    .option("-v, --verbose", "print stack and cause of an error")
    // Errors become exceptions with our exit codes; commander's own printing stays off.
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  for (const add of [
    addCompile,
    addRun,
    addBench,
    addServe,
    addBoards,
    addInspect,
    addCanonical,
    addCapture,
    addCompare,
    addReport,
    addTargets,
    addDemo,
  ])
    add(program);
  return program;
}

/**
 * Runs one command line.
 * @param args without the interpreter and the script
 * @returns the exit code
 */
export async function runCli(args: readonly string[]): Promise<number> {
  const program = buildProgram();
  try {
    if (args.length === 0) {
      note(program.helpInformation());
      return EXIT.usage;
    }
    await program.parseAsync([...args], { from: "user" });
    return EXIT.ok;
  } catch (error) {
    // Help and version are exceptions to commander, too.
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok;
    const known = error instanceof CommanderError ? usageOf(error, args) : error;
    reportError(known, args.includes("-v") || args.includes("--verbose"));
    return exitCodeOf(known);
  }
}

function usageOf(error: CommanderError, args: readonly string[]): UsageError {
  const message = error.message.replace(/^error: /, "").replaceAll("\n", " ");
  if (message !== "(outputHelp)") return new UsageError(message);
  const [help, verb] = args.filter((arg) => !arg.startsWith("-"));
  return new UsageError(
    help === "help" && verb !== undefined ? `unknown command '${verb}'` : "no verb is given",
  );
}

function exitCodeOf(error: unknown): number {
  if (!(error instanceof NpuError) || error.code === "TW_BUG") return EXIT.bug;
  if (error.code === "TW_USAGE") return EXIT.usage;
  return isDeviceCode(error.code) ? EXIT.device : EXIT.failure;
}

/** Prints an error in one line; with `verbose` its stack and its causes, too. */
export function reportError(error: unknown, verbose: boolean): void {
  const code = error instanceof NpuError ? error.code : "TW_BUG";
  const message = error instanceof Error ? error.message : String(error);
  note(`${err.red("error:")} ${message} ${err.dim(`[${code}]`)}`);
  if (code === "TW_BUG")
    note("This is a bug in Tilewright; please report it with the output of -v.");
  if (!verbose) return;
  for (let at: unknown = error, depth = 0; at !== undefined && depth < 8; depth++) {
    note(at instanceof Error ? (at.stack ?? at.message) : String(at));
    at = at instanceof Error ? at.cause : undefined;
    if (at !== undefined) note("caused by:");
  }
}
