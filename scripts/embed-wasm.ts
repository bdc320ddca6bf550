// Turns build/core.wasm into a module, so that the core loads without a file or network access, and names the build.
// SPDX-License-Identifier: MIT
import { readFileSync, writeFileSync } from "node:fs";
import { compilerIdModule } from "./compiler-id.mjs";

const base64 = readFileSync("build/core.wasm").toString("base64");
writeFileSync("build/core-wasm.js", `export const coreWasmBase64 =\n  "${base64}";\n`);
writeFileSync("build/core-wasm.d.ts", "export declare const coreWasmBase64: string;\n");
writeFileSync("build/compiler-id.js", compilerIdModule());
writeFileSync("build/compiler-id.d.ts", "export declare const compilerId: string;\n");
