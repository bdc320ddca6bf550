// tilewright capture: every submit of an executable as a directory of buffers, addresses and stream.
// SPDX-License-Identifier: MIT
import { basename, join } from "node:path";
import type { Command } from "commander";
import { UsageError, writeCapture, type Executable } from "../core-as/index.ts";
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
      .requiredOption("-o, --output <dir>", "directory to write")
      .option(
        "--base <address>",
        "lowest GPU address of the buffers; default: they end at the top of the address space",
        wholeNumber(0, ADDRESS_SPACE - PAGE_BYTES),
      ),
  ).action(async (path: string, flags: CaptureArguments) => {
    const executable = await loadExecutable(path, compileFlags(flags));
    const several = executable.partitions.length > 1;
    for (const partition of executable.partitions.keys()) {
      const directory = several ? join(flags.output, `partition-${partition}`) : flags.output;
      const model = basename(path).replace(/\.(tflite|twx)$/, "");
      const files = captureAt(executable, partition, model, flags.base);
      await writeDirectory(directory, files);
      print(`${directory}: ${files.size} files`);
    }
    if (executable.partitions.length === 0) print("nothing runs on the NPU, nothing to write");
  });
}

/** A capture whose lowest buffer lies at `base`. */
function captureAt(
  executable: Executable,
  partition: number,
  model: string,
  base: number | undefined,
): Map<string, Uint8Array | string> {
  const files = writeCapture(executable, partition, { model });
  if (base === undefined) return files;
  if (base % PAGE_BYTES !== 0)
    throw new UsageError(`--base 0x${base.toString(16)} is no multiple of ${PAGE_BYTES}`, "base");
  // Buffers are placed downwards from a top address; where they end up says how far to move it.
  const json = files.get("capture.json");
  const text = typeof json === "string" ? json : new TextDecoder().decode(json);
  const { buffers } = JSON.parse(text) as { buffers: { address: number }[] };
  const lowest = Math.min(...buffers.map(({ address }) => address));
  const top = ADDRESS_SPACE - lowest + base;
  if (top > ADDRESS_SPACE)
    throw new UsageError(
      `the buffers take ${ADDRESS_SPACE - lowest} bytes, which do not fit above 0x${base.toString(16)}`,
      "base",
    );
  return writeCapture(executable, partition, { model, top });
}
