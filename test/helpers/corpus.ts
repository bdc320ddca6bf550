// Finds the shared corpus of models, goldens and references (TILEWRIGHT_CORPUS, default: ../shared beside the checkout).
// SPDX-License-Identifier: MIT
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { skipSuite } from "./skip.ts";

const repository = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const root = process.env["TILEWRIGHT_CORPUS"] ?? resolve(repository, "../shared");

/** True when the corpus is there. */
export const hasCorpus = existsSync(join(root, "golden"));

/**
 * Guard of a corpus suite: true = go on. Without the corpus the suite is reported as skipped by name, or, when
 * TILEWRIGHT_REQUIRE_CORPUS is 1, fails.
 */
export function needCorpus(suiteName: string): boolean {
  if (hasCorpus) return true;
  if (process.env["TILEWRIGHT_REQUIRE_CORPUS"] === "1")
    throw new Error(`${suiteName}: the shared corpus is required but not at ${root}`);
  skipSuite(suiteName, "no shared corpus");
  return false;
}

export function corpusPath(...parts: string[]): string {
  return join(root, ...parts);
}

/** Bytes of a corpus file; *.gz is unpacked. */
export function corpusBytes(...parts: string[]): Uint8Array {
  const bytes = readFileSync(corpusPath(...parts));
  return new Uint8Array(parts.at(-1)!.endsWith(".gz") ? gunzipSync(bytes) : bytes);
}

export function corpusJson<T>(...parts: string[]): T {
  return JSON.parse(readFileSync(corpusPath(...parts), "utf8")) as T;
}
