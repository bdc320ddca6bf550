// Compiles a TFLite model for an NPU, says what runs where and what it is predicted to cost, and writes the executable.
//
//     node examples/01-compile/compile.mjs [MODEL.tflite [RESULT.twx [CHIP]]]
//
// Without arguments: the sample model for the A311D, into sample.twx of the system's folder for temporary files.
// SPDX-License-Identifier: MIT
import { readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compile, NpuError, serialiseExecutable } from "tilewright";
import { sample } from "../picture.mjs";

const [
  modelPath = sample("digits.tflite"),
  resultPath = join(tmpdir(), "sample.twx"),
  target = "a311d",
] = process.argv.slice(2);

try {
  const model = new Uint8Array(await readFile(modelPath));
  const { executable, report } = await compile(model, { target });
  const { totals, operators, warnings } = report;

  console.log(`${modelPath} for ${report.target.part}, ${report.mode} mode`);
  console.log(
    `${totals.operatorsOnNpu} of ${totals.operators} operators on the NPU, ${totals.jobs} jobs`,
  );
  // Of a model without convolutions, or for a chip that is not known, nothing is predicted.
  if (totals.predictedMs !== null) console.log(`predicted: ${totals.predictedMs.toFixed(3)} ms`);

  // Every operator that stays on the CPU has a sentence that says why.
  for (const { op, name, place, constraint, reason } of operators)
    if (place === "cpu") console.log(`on the CPU: #${op} ${name}: ${reason} (${constraint})`);
  for (const warning of warnings) console.log(`warning: ${warning}`);

  const bytes = serialiseExecutable(executable);
  await writeFile(resultPath, bytes);
  console.log(`${resultPath}: ${bytes.length} bytes`);
} catch (error) {
  // Everything that can be wrong with a model is an NpuError with a stable code (docs/errors.md).
  if (!(error instanceof NpuError)) throw error;
  console.error(`error: ${error.message} [${error.code}]`);
  process.exitCode = 1;
}
