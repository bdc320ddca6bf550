// The corpus' captured submits, with their inputs.
// SPDX-License-Identifier: MIT
import { readdirSync } from "node:fs";
import { parseCapture, type Capture } from "../../core-as/runtime/capture.ts";
import { corpusBytes, corpusJson, corpusPath } from "./corpus.ts";
import { inputBytes } from "./prng.mjs";

/** Directories of golden/captures/<target>, sorted. */
export function captureNames(target: string): string[] {
  return readdirSync(corpusPath("golden", "captures", target)).sort();
}

export function loadCapture(target: string, name: string): Capture {
  const directory = ["golden", "captures", target, name] as const;
  return parseCapture(corpusJson(...directory, "capture.json"), (file) =>
    corpusBytes(...directory, file),
  );
}

/** The inputs that the references were computed from. */
export function captureInputs(capture: Capture): Uint8Array[] {
  return capture.inputs.map((tensor, index) => inputBytes(capture.model, index, tensor.bytes));
}
