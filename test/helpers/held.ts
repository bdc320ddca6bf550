// An executable as the preview's worker holds it, for tests of view functions.
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { buildReport, compile, parseExecutable, serialiseExecutable, type CompileOptions } from "../../core-as/index.ts"; // prettier-ignore
import type { Held } from "../../examples/preview/service.ts";
import { coreOf } from "./cores.ts";

/** The sample model for both captured chips, in each of the modes that differ in what panels show. */
export async function heldDigits(): Promise<[name: string, held: Held][]> {
  const digits = new Uint8Array(readFileSync("examples/sample/digits.tflite"));
  const compatible = { target: "a311d", mode: "compatible", allowQuirks: true } as const;
  return [
    ["a311d", await holdModel(digits, { target: "a311d" })],
    ["a311d, compatible", await holdModel(digits, compatible)],
    ["imx8mp", await holdModel(digits, { target: "imx8mp" })],
    ["imx8mp, experimental", await holdModel(digits, { target: "imx8mp", experimental: true })],
  ];
}

/** Compiles a model, and reads the executable back from its bytes. */
export async function holdModel(
  model: Uint8Array,
  options: Omit<CompileOptions, "core"> = {},
): Promise<Held> {
  const core = await coreOf("release");
  const compiled = await compile(model, { ...options, core });
  const executable = parseExecutable(serialiseExecutable(compiled.executable));
  const { signal } = new AbortController();
  const report = buildReport(executable);
  return { executable, model, report, core, signal, onProgress: () => {} };
}
