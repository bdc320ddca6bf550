// Compiles a named case: a synthetic model, or one of the shared corpus.
// SPDX-License-Identifier: MIT
import { existsSync } from "node:fs";
import { runPipeline, type PipelineResult } from "../../core-as/compile/pipeline.ts";
import type { Accuracy, CompileMode, Optimisations } from "../../core-as/compile/options.ts";
import type { Core } from "../../core-as/core.ts";
import { chipByName } from "../../core-as/hw/chips.ts";
import type { System } from "../../core-as/hw/systems.ts";
import { corpusBytes, corpusPath } from "./corpus.ts";
import { synthModel } from "./synth-model.mjs";

/** Bytes of the model behind a case name of the goldens. */
export function modelOfCase(name: string): Uint8Array {
  for (const parts of [
    ["models", "ops", `${name}.tflite`],
    ["models", `${name}.tflite`],
  ])
    if (existsSync(corpusPath(...parts))) return corpusBytes(...parts);
  return synthModel(name);
}

export interface CaseOptions {
  mode: CompileMode;
  target?: string;
  allowQuirks?: boolean;
  capturedOnly?: boolean;
  memoryPlan?: boolean;
  optimisations?: Partial<Optimisations>;
  system?: System;
  exactRounding?: boolean;
  experimental?: boolean;
  accuracy?: Accuracy;
  overlap?: boolean;
}

/** Runs the compiler on a case. */
export function compileCase(core: Core, model: Uint8Array, options: CaseOptions): PipelineResult {
  return runPipeline(core, model, {
    chip: chipByName(options.target ?? "a311d")!,
    mode: options.mode,
    allowQuirks: options.allowQuirks ?? false,
    capturedOnly: options.capturedOnly ?? false,
    memoryPlan: options.memoryPlan ?? true,
    exactRounding: options.exactRounding ?? false,
    experimental: options.experimental ?? false,
    overlap: options.overlap ?? false,
    optimisations: options.optimisations ?? {},
    accuracy: options.accuracy ?? "balanced",
    ...(options.system ? { system: options.system } : {}),
  });
}
