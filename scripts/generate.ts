// Writes the generated files, or with --check fails when one of them is not current.
// SPDX-License-Identifier: MIT
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { generateHardwareFiles } from "../core-as/hw/gen.ts";
import { generateDocs } from "./generate-docs.ts";

const check = process.argv.includes("--check");
const stale: string[] = [];

for (const [path, text] of [...generateHardwareFiles(), ...generateDocs()]) {
  const current = existsSync(path) ? readFileSync(path, "utf8") : null;
  if (current === text) continue;
  if (check) {
    stale.push(path);
    continue;
  }
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  console.log(`wrote ${path}`);
}

if (stale.length > 0) {
  console.error(`not current, run "npm run generate": ${stale.join(", ")}`);
  process.exitCode = 1;
}
