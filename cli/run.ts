// tilewright run: a model, an executable or a captured submit on the simulator.
// SPDX-License-Identifier: MIT
import type { Command } from "commander";
import {
  chipByIdentity,
  createSession,
  createSimTransport,
  ExecutableError,
  UsageError,
  type Executable,
  type SubmitResult,
} from "../core-as/index.ts";
import { answerOf, printAnswer, readLabels } from "./answers.ts";
import { loadExecutable, writeDirectory } from "./files.ts";
import {
  addCompileFlags,
  addJsonFlag,
  compileFlags,
  wholeNumber,
  type CompileFlags,
} from "./flags.ts";
import { runCaptureDirectory } from "./run-capture.ts";
import { readInputs } from "./tensors.ts";
import { out, print, printJson } from "./terminal.ts";

export interface RunArguments extends CompileFlags {
  input?: string[];
  labels?: string;
  top: number;
  outputDir?: string;
  capture?: string;
  json?: boolean;
}

export function addRun(program: Command): void {
  const command = program
    .command("run")
    .description("run a model, an executable or a captured submit on the simulator")
    .argument("[file]", "TFLite file or .twx executable")
    .option(
      "--input <file...>",
      "one file for each input: BMP, PNG or JPEG pictures are resized, others are raw bytes",
    )
    .option("--labels <file>", "names of the classes, one a line")
    .option("--top <n>", "classes to print", wholeNumber(1), 5)
    .option(
      "--output-dir <dir>",
      "write output-<i>.bin: the elements in the model's own types, little endian",
    )
    .option("--capture <dir>", "run captured submits (capture.json and its files, or p0/, p1/, …)");
  addJsonFlag(addCompileFlags(command)).action(runRun);
}

async function runRun(file: string | undefined, flags: RunArguments): Promise<void> {
  if (flags.capture !== undefined) {
    if (file !== undefined) throw new UsageError("give a file or --capture, not both", "capture");
    return runCaptureDirectory(flags.capture, flags);
  }
  if (file === undefined) throw new UsageError("a model, an executable or --capture is missing");
  const executable = await loadExecutable(file, compileFlags(flags));
  const labels = flags.labels === undefined ? [] : readLabels(flags.labels);
  const { result, outputs } = await simulate(executable, flags.input ?? []);
  if (flags.outputDir !== undefined) await writeOutputs(flags.outputDir, result.outputs);
  const options = { top: flags.top, labels };
  const answer = answerOf(executable.graph, outputs, result.outputs, options);
  if (flags.json)
    return printJson({ ...answer, evidence: result.evidence, timings: result.timings });
  printAnswer(answer);
  print(out.dim(timingText(result)));
}

/** Runs an executable on a simulator of its own chip. */
export async function simulate(executable: Executable, inputPaths: readonly string[]) {
  const chip = chipByIdentity(executable.chip);
  if (chip === undefined)
    throw new ExecutableError("TW_EXE_CHIP", `the chip ${executable.chip.name} is not known here`);
  const transport = await createSimTransport(chip);
  try {
    const session = await createSession(executable, transport);
    const inputs = await readInputs(inputPaths, session.inputs);
    const result = await session.run(inputs);
    const { outputs } = session;
    await session.close();
    return { result, outputs, inputs };
  } finally {
    await transport.close();
  }
}

/** Writes output-0.bin and so on. */
export async function writeOutputs(
  directory: string,
  outputs: readonly Uint8Array[],
): Promise<void> {
  await writeDirectory(
    directory,
    outputs.map((bytes, i) => [`output-${i}.bin`, bytes] as const),
  );
}

/** Where the numbers come from; the time is the simulator's own, not the chip's. */
export function timingText({ evidence, timings }: SubmitResult): string {
  const total = timings.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  return `${evidence}; this host took ${total.toFixed(0)} ms (says nothing about the chip)`;
}
