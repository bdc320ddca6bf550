// tilewright run: a model, an executable or a captured submit, on the simulator or wherever --on says.
// SPDX-License-Identifier: MIT
import { Option, type Command } from "commander";
import {
  createSession,
  createSimTransport,
  describeOutputs,
  targetChip,
  UsageError,
  type Executable,
  type SubmitResult,
  type TensorInfo,
} from "../core-as/index.ts";
import { printAnswer, readLabels } from "./answers.ts";
import { prepare, type Connection } from "./connect.ts";
import { timingText } from "./evidence.ts";
import { writeDirectory } from "./files.ts";
import {
  addCompileFlags,
  addJsonFlag,
  addTransportFlags,
  wholeNumber,
  type CompileFlags,
  type TransportFlags,
} from "./flags.ts";
import { profileJson, profileText } from "./profile.ts";
import { runCaptureDirectory } from "./run-capture.ts";
import { readInputs } from "./tensors.ts";
import { out, print, printJson } from "./terminal.ts";

export interface RunArguments extends CompileFlags, TransportFlags {
  input?: string[];
  labels?: string;
  top: number;
  outputDir?: string;
  capture?: string;
  profile?: boolean;
  timeout?: number;
  json?: boolean;
}

export function addRun(program: Command): void {
  const command = program
    .command("run")
    .description(
      "run a model, an executable or a captured submit, on the simulator unless --on says otherwise",
    )
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
  command
    .option("--profile", "run every job on its own and report its time; slower")
    .option("--timeout <ms>", "give up after so many milliseconds", wholeNumber(1))
    .addOption(
      new Option("--record <file>", "write down what goes in and out, for --on replay:FILE").env(
        "TW_RECORD",
      ),
    );
  addJsonFlag(addCompileFlags(addTransportFlags(command))).action(runRun);
}

async function runRun(
  file: string | undefined,
  flags: RunArguments,
  command: Command,
): Promise<void> {
  if (flags.capture !== undefined) {
    refuseWithCapture(file, flags, command);
    return runCaptureDirectory(flags.capture, flags);
  }
  if (file === undefined) throw new UsageError("a model, an executable or --capture is missing");
  const labels = flags.labels === undefined ? [] : readLabels(flags.labels);
  const { executable, connection } = await prepare(file, flags, command);
  let ran: Ran;
  try {
    ran = await runOnce(executable, connection, flags);
  } finally {
    await connection.close();
  }
  const { result, outputs, roundTripMs } = ran;
  if (flags.outputDir !== undefined) await writeOutputs(flags.outputDir, result.outputs);
  const options = { top: flags.top, labels };
  const answer = describeOutputs(executable.graph, outputs, result.outputs, options);
  if (flags.json)
    return printJson({
      ...answer,
      evidence: result.evidence,
      on: { kind: connection.place.kind, chip: executable.chip.name, device: connection.device },
      roundTripMilliseconds: roundTripMs,
      timings: result.timings,
      ...(flags.profile === true ? { jobs: profileJson(executable, result) } : {}),
    });
  printAnswer(answer);
  if (flags.profile === true) print(profileText(executable, result));
  print(out.dim(timingText(connection, result, roundTripMs)));
}

/** A captured submit is for the simulator: it has addresses, which only a simulator can give it. */
function refuseWithCapture(
  file: string | undefined,
  { on, record }: RunArguments,
  command: Command,
): void {
  if (file !== undefined) throw new UsageError("give a file or --capture, not both", "capture");
  const given = (name: string): boolean => command.getOptionValueSource(name) === "cli";
  if ((given("on") && on.kind !== "sim") || (given("record") && record !== undefined))
    throw new UsageError("--capture runs on the simulator only, and is not recorded", "capture");
  const other = (["profile", "timeout"] as const).find(given);
  if (other !== undefined)
    throw new UsageError(`--${other} is of models and executables, not of --capture`, other);
}

interface Ran {
  result: SubmitResult;
  outputs: readonly TensorInfo[];
  /** From the call to the answer. */
  roundTripMs: number;
}

async function runOnce(
  executable: Executable,
  { transport }: Connection,
  { input = [], profile, timeout }: RunArguments,
): Promise<Ran> {
  const session = await createSession(executable, transport);
  const inputs = await readInputs(input, session.inputs);
  const start = performance.now();
  const result = await session.run(inputs, {
    profile: profile === true,
    ...(timeout === undefined ? {} : { timeoutMs: timeout }),
  });
  const roundTripMs = performance.now() - start;
  await session.close();
  return { result, outputs: session.outputs, roundTripMs };
}

/** Runs an executable on a simulator of its own chip. */
export async function simulate(executable: Executable, inputPaths: readonly string[]) {
  const transport = createSimTransport(targetChip(executable.chip.name));
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
async function writeOutputs(directory: string, outputs: readonly Uint8Array[]): Promise<void> {
  await writeDirectory(
    directory,
    outputs.map((bytes, i) => [`output-${i}.bin`, bytes] as const),
  );
}
