// tilewright canonical: what is submitted, with symbols in place of addresses (the goldens' form).
// SPDX-License-Identifier: MIT
import { basename } from "node:path";
import type { Command } from "commander";
import { canonicalOf } from "../core-as/index.ts";
import { loadExecutable } from "./files.ts";
import { addCompileFlags, compileFlags, type CompileFlags } from "./flags.ts";
import { printJson } from "./terminal.ts";

export function addCanonical(program: Command): void {
  addCompileFlags(
    program
      .command("canonical")
      .description("print descriptors, coefficient digests and stream as JSON, without addresses")
      .argument("<file>", "TFLite file or .twx executable"),
  ).action(async (path: string, flags: CompileFlags) => {
    const executable = await loadExecutable(path, compileFlags(flags));
    const model = path === "-" ? "" : basename(path).replace(/\.(tflite|twx)$/, "");
    printJson({ model, ...(await canonicalOf(executable)) });
  });
}
