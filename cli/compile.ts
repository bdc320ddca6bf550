// tilewright compile: a model in, an executable and a report out.
// SPDX-License-Identifier: MIT
import { Option, type Command } from "commander";
import {
  memoryMap,
  memoryMapSvg,
  serialiseExecutable,
  UsageError,
  type Executable,
} from "../core-as/index.ts";
import { canRunOnCpu } from "../core-as/runtime/cpu/index.ts";
import { compileModel, readBytes, writeBytes } from "./files.ts";
import { addCompileFlags, addJsonFlag, compileFlags, type CompileFlags } from "./flags.ts";
import { reportText, summaryText } from "./report.ts";
import { jsonText, note, out, print, printJson, size } from "./terminal.ts";

interface CompileArguments extends CompileFlags {
  output?: string;
  report?: "text" | "json";
  json?: boolean;
  memoryMap?: string;
}

export function addCompile(program: Command): void {
  const command = program
    .command("compile")
    .description("compile a TFLite model; without -o nothing is written, only reported")
    .argument("<model>", 'TFLite file; "-" = standard input')
    .option("-o, --output <file>", 'executable to write (.twx); "-" = standard output')
    .option(
      "--memory-map <file>",
      'picture (SVG) of where tensors lie and how long, in the largest partition; "-" = standard output',
    );
  addJsonFlag(
    addCompileFlags(command).addOption(
      new Option("--report <form>", "all operators and jobs, as text or json").choices([
        "text",
        "json",
      ]),
    ),
  ).action(runCompile);
}

async function runCompile(path: string, flags: CompileArguments): Promise<void> {
  if (flags.output === "-" && flags.memoryMap === "-")
    throw new UsageError("only one of --output and --memory-map can be standard output", "output");
  const result = await compileModel(readBytes(path), compileFlags(flags));
  const { executable, report, timings, cached } = result;
  const bytes = flags.output === undefined ? null : (result.twx ?? serialiseExecutable(executable));
  if (bytes !== null) await writeBytes(flags.output!, bytes);
  if (flags.memoryMap !== undefined) await writeBytes(flags.memoryMap, mapPicture(executable));

  const form = flags.json ? "json" : flags.report;
  const binaryOutput = flags.output === "-" || flags.memoryMap === "-";
  // With a file on standard output, everything for people goes to standard error.
  const show = binaryOutput ? note : print;
  if (form === "json" && !binaryOutput) return printJson({ ...report, timings, cached });
  if (form === "json") return note(jsonText({ ...report, timings, cached }));
  show(form === "text" ? reportText(report) : summaryText(report));
  for (const sentence of notRunnable(executable)) show(`${out.yellow("warning:")} ${sentence}`);
  const milliseconds = timings.reduce((sum, pass) => sum + pass.milliseconds, 0);
  const target = (file: string): string => (file === "-" ? "standard output" : file);
  const written = [
    ...(bytes === null ? [] : [`${target(flags.output!)}: ${size(bytes.length)}`]),
    ...(flags.memoryMap === undefined ? [] : [`${target(flags.memoryMap)}: memory map`]),
  ];
  if (written.length === 0) written.push("nothing written (-o FILE writes the executable)");
  const done = cached ? "loaded from the cache" : "compiled";
  show(out.dim(`${done} in ${milliseconds.toFixed(0)} ms; ${written.join(", ")}`));
}

/** Memory map of the partition with most tensor memory; empty when nothing runs on the NPU. */
function mapPicture(executable: Executable): string {
  const maps = executable.partitions.map((_, index) => memoryMap(executable, index));
  maps.sort((a, b) => b.bytes - a.bytes);
  return memoryMapSvg(maps[0] ?? { bytes: 0, jobs: 0, rows: [] });
}

/** What is neither on the NPU nor possible on the CPU: such an executable explains itself but does not run. */
function notRunnable({ graph, steps }: Executable): string[] {
  return steps
    .flatMap((step) => (step.kind === "cpu" ? step.ops : []))
    .flatMap((id) => {
      const op = graph.ops[id]!;
      const support = canRunOnCpu(graph, op);
      return support.ok
        ? []
        : [`operator ${id} ${op.customName ?? op.kind} runs nowhere: ${support.reason}`];
    });
}
