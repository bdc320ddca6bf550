// Every core test runs on the debug and on the release build of the WASM module.
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { Core } from "../../core-as/core.ts";

export const BUILDS = ["debug", "release"] as const;
export type Build = (typeof BUILDS)[number];

/** A fresh core of the named build. */
export async function coreOf(build: Build): Promise<Core> {
  const file = build === "debug" ? "build/core.debug.wasm" : "build/core.wasm";
  return Core.create({ wasm: readFileSync(file) });
}
