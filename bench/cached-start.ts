// One start of bench:compile: loads a kept result in this new process and prints how long that took, as JSON.
// Usage: cached-start.ts MODEL DIRECTORY TARGET MODE
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { compile, Core, type CompileMode } from "../core-as/index.ts";
import { createDirectoryCache } from "../transport-node/index.ts";

const [file, directory, target, mode] = process.argv.slice(2) as [
  string,
  string,
  string,
  CompileMode,
];
const model = new Uint8Array(readFileSync(file));
const core = await Core.create();
const cache = createDirectoryCache(directory);
const start = performance.now();
const { cached } = await compile(model, {
  target,
  mode,
  core,
  cache,
  allowQuirks: mode === "compatible",
});
console.log(JSON.stringify({ cached, milliseconds: performance.now() - start }));
