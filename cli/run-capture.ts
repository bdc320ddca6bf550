// tilewright run --capture: submits exactly as a driver made them.
// SPDX-License-Identifier: MIT
import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  describeOutput,
  TransportError,
  UsageError,
  type Capture,
  type ElementType,
  type OutputAnswer,
  type TensorInfo,
} from "../core-as/index.ts";
import { mapCapture, parseCapture, runCapture } from "../core-as/runtime/capture.ts";
import { Simulator } from "../core-as/runtime/simulator.ts";
import { printAnswers, readLabels } from "./answers.ts";
import { readBytes, readText, writeDirectory } from "./files.ts";
import type { RunArguments } from "./run.ts";
import { readInputs } from "./tensors.ts";
import { out, print, printJson } from "./terminal.ts";

/** What running one submit gave. */
interface CaptureResult {
  capture: Capture;
  /** Folder of the submit below the capture's directory; "" = the directory itself. */
  folder: string;
  jobs: number;
  outputs: Uint8Array[];
  milliseconds: number;
}

export async function runCaptureDirectory(directory: string, flags: RunArguments): Promise<void> {
  const folders = foldersOf(directory);
  if (folders.length > 1 && flags.input !== undefined)
    throw new UsageError(
      `${directory} holds ${folders.length} submits; --input needs the directory of one, such as ${join(directory, "p0")}`,
      "input",
    );
  const labels = flags.labels === undefined ? [] : readLabels(flags.labels);
  const results: CaptureResult[] = [];
  for (const folder of folders) results.push(await runFolder(directory, folder, flags.input));

  if (flags.outputDir !== undefined)
    await writeDirectory(flags.outputDir, results.flatMap(outputFiles));
  const answered = results.map((result) => ({ result, answers: answersOf(result, flags, labels) }));
  if (flags.json) {
    const submits = answered.map(({ result, answers }) => jsonOf(result, answers));
    return printJson(submits.length === 1 ? submits[0] : { submits, evidence: "simulated" });
  }
  for (const { result, answers } of answered)
    printResult(result, answers, flags.input !== undefined);
}

/** A capture of one submit is the directory itself, one of several has p0/, p1/, … */
function foldersOf(directory: string): string[] {
  const folders: string[] = [];
  if (!existsSync(join(directory, "capture.json")))
    while (existsSync(join(directory, `p${folders.length}`, "capture.json")))
      folders.push(`p${folders.length}`);
  return folders.length === 0 ? [""] : folders;
}

async function runFolder(
  directory: string,
  folder: string,
  paths: readonly string[] | undefined,
): Promise<CaptureResult> {
  const file = (name: string): string => join(directory, folder, name);
  const json = parseJson(readText(file("capture.json")));
  const capture = parseCapture(json, (name) => readBytes(file(name)));
  const { nnCoreVersion, nnCores } = capture.chip;
  if (nnCoreVersion !== 7 && nnCoreVersion !== 8)
    throw new TransportError(
      "TW_CAPTURE_FORMAT",
      `capture.json: chip.nn_core_version is ${nnCoreVersion}; 7 and 8 are known`,
    );
  const simulator = await Simulator.create({ chip: { nnCoreVersion, nnCores } });
  mapCapture(capture, simulator);
  // Without files the inputs are zeros: enough to see whether the submit runs.
  const inputs =
    paths === undefined
      ? capture.inputs.map(({ bytes }) => new Uint8Array(bytes))
      : await readInputs(paths, infosOf(capture.inputs));
  const start = performance.now();
  const outputs = runCapture(capture, simulator, inputs);
  const milliseconds = performance.now() - start;
  return { capture, folder, jobs: simulator.jobCount, outputs, milliseconds };
}

function infosOf(tensors: Capture["inputs"]): TensorInfo[] {
  return tensors.map(({ name, type, dims, bytes, scale, zeroPoint }, tensor) => ({
    tensor,
    name,
    shape: dims,
    type: type.toLowerCase() as ElementType,
    bytes,
    quantisation: {
      scales: Float32Array.of(scale),
      zeroPoints: Int32Array.of(zeroPoint),
      axis: 0,
    },
  }));
}

function outputFiles({ folder, outputs }: CaptureResult): [string, Uint8Array][] {
  return outputs.map((bytes, i) => [join(folder, `output-${i}.bin`), bytes]);
}

/** A submit knows no operators, so whatever is a row of values counts as classes. */
function answersOf(
  { capture, outputs }: CaptureResult,
  { top }: RunArguments,
  labels: readonly string[],
): OutputAnswer[] {
  return infosOf(capture.outputs).map((info, i) => {
    const long = info.shape.filter((size) => size > 1);
    const isRow = long.length === 1 && info.shape.at(-1) === long[0];
    return describeOutput(info, outputs[i]!, isRow, { top, labels });
  });
}

function jsonOf({ capture, jobs }: CaptureResult, outputs: readonly OutputAnswer[]): object {
  const { model, target, partition } = capture;
  return { model, target, partition, jobs, outputs, evidence: "simulated" };
}

function printResult(
  { capture, jobs, milliseconds }: CaptureResult,
  answers: readonly OutputAnswer[],
  hasInputs: boolean,
): void {
  const { model, target, partition, inputs } = capture;
  print(`${out.bold(model)} partition ${partition} for ${target}: ${jobs} jobs ran`);
  if (!hasInputs && inputs.length > 0) print("no --input: the inputs are zeros");
  printAnswers(answers);
  print(out.dim(`simulated; this host took ${milliseconds.toFixed(0)} ms`));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new TransportError("TW_CAPTURE_FORMAT", `capture.json is not JSON: ${why}`, {}, cause);
  }
}
