// An executable as the preview's worker holds it, for tests of view functions.
// SPDX-License-Identifier: MIT
import { buildReport, compile, parseExecutable, serialiseExecutable, type CompileOptions } from "../../core-as/index.ts"; // prettier-ignore
import type { Held } from "../../examples/preview/service.ts";
import { coreOf } from "./cores.ts";

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
