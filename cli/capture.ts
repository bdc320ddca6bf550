// tilewright capture: every submit of an executable as a directory of buffers, addresses and stream.
// SPDX-License-Identifier: MIT
import { basename, join } from "node:path";
import type { Command } from "commander";
import { UsageError, writeCaptures, type Executable } from "../core-as/index.ts";
import { addressSpan } from "../core-as/executable/addresses.ts";
import { loadExecutable, writeDirectory } from "./files.ts";
import { addCompileFlags, compileFlags, wholeNumber, type CompileFlags } from "./flags.ts";
import { print } from "./terminal.ts";

const PAGE_BYTES = 4096;
const ADDRESS_SPACE = 2 ** 32;

interface CaptureArguments extends CompileFlags {
  output: string;
  base?: number;
}

export function addCapture(program: Command): void {
  addCompileFlags(
    program
      .command("capture")
      .description('write what a kernel would see of each submit; "run --capture" reads it')
      .argument("<file>", "TFLite file or .twx executable")
      .requiredOption("-o, --output <dir>", "directory to write; several submits go to p0/, p1/, …")
      .option(
        "--base <address>",
        "address of each submit's lowest buffer; default: buffers end at the top of the address space",
        wholeNumber(PAGE_BYTES, ADDRESS_SPACE - PAGE_BYTES),
      ),
  ).action(runCapture);
}

async function runCapture(path: string, flags: CaptureArguments): Promise<void> {
  const executable = await loadExecutable(path, compileFlags(flags));
  const model = basename(path).replace(/\.(tflite|twx)$/, "");
  const { base } = flags;
  if (base !== undefined) checkBase(executable, base);
  const files = writeCaptures(executable, { model, ...(base === undefined ? {} : { base }) });
  await writeDirectory(flags.output, files);
  const { length } = executable.partitions;
  if (length === 0) print("nothing runs on the NPU, nothing to write");
  else if (length === 1) print(`${flags.output}: ${files.size} files`);
  else
    for (const index of executable.partitions.keys()) {
      const own = [...files.keys()].filter((name) => name.startsWith(`p${index}/`));
      print(`${join(flags.output, `p${index}`)}: ${own.length} files`);
    }
}

/** Refuses an address that is no page, or above which a partition does not fit. */
function checkBase({ partitions }: Executable, base: number): void {
  const hex = `0x${base.toString(16)}`;
  if (base % PAGE_BYTES !== 0)
    throw new UsageError(`--base ${hex} is no multiple of ${PAGE_BYTES}`, "base");
  const span = Math.max(0, ...partitions.map(addressSpan));
  if (base + span > ADDRESS_SPACE)
    throw new UsageError(`the buffers take ${span} bytes, which do not fit above ${hex}`, "base");
}
