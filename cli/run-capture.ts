// tilewright run --capture: a submit exactly as a driver made it.
// SPDX-License-Identifier: MIT
import { join } from "node:path";
import { TransportError, type ElementType } from "../core-as/index.ts";
import { mapCapture, parseCapture, runCapture } from "../core-as/runtime/capture.ts";
import { Simulator } from "../core-as/runtime/simulator.ts";
import { answerOf, printAnswers, readLabels } from "./answers.ts";
import { readBytes, readText } from "./files.ts";
import { writeOutputs, type RunArguments } from "./run.ts";
import { readInputs } from "./tensors.ts";
import { out, print, printJson } from "./terminal.ts";

export async function runCaptureDirectory(directory: string, flags: RunArguments): Promise<void> {
  const capture = parseCapture(parseJson(readText(join(directory, "capture.json"))), (name) =>
    readBytes(join(directory, name)),
  );
  const infosOf = (tensors: typeof capture.inputs) =>
    tensors.map(({ name, type, dims, bytes, scale, zeroPoint }, tensor) => ({
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
    flags.input === undefined
      ? capture.inputs.map(({ bytes }) => new Uint8Array(bytes))
      : await readInputs(flags.input, infosOf(capture.inputs));
  const start = performance.now();
  const outputs = runCapture(capture, simulator, inputs);
  const milliseconds = performance.now() - start;

  if (flags.outputDir !== undefined) await writeOutputs(flags.outputDir, outputs);
  const labels = flags.labels === undefined ? [] : readLabels(flags.labels);
  const answers = infosOf(capture.outputs).map((info, i) =>
    answerOf(info, outputs[i]!, flags.top, labels),
  );
  const { model, target, partition } = capture;
  const jobs = simulator.jobCount;
  if (flags.json)
    return printJson({ model, target, partition, jobs, outputs: answers, evidence: "simulated" });
  print(`${out.bold(model)} partition ${partition} for ${target}: ${jobs} jobs ran`);
  if (flags.input === undefined && inputs.length > 0) print("no --input: the inputs are zeros");
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
