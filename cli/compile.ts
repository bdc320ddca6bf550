// tilewright compile: a model in, an executable and a report out.
// SPDX-License-Identifier: MIT
import { Option, type Command } from "commander";
import { serialiseExecutable, type Executable } from "../core-as/index.ts";
import { canRunOnCpu } from "../core-as/runtime/cpu/index.ts";
import { compileModel, readBytes, writeBytes } from "./files.ts";
import { addCompileFlags, addJsonFlag, compileFlags, type CompileFlags } from "./flags.ts";
import { reportText, summaryText } from "./report.ts";
import { note, out, print, printJson, size } from "./terminal.ts";

interface CompileArguments extends CompileFlags {
  output?: string;
  report?: "text" | "json";
  json?: boolean;
}

export function addCompile(program: Command): void {
  const command = program
    .command("compile")
    .description("compile a TFLite model; without -o nothing is written, only reported")
    .argument("<model>", 'TFLite file; "-" = standard input')
    .option("-o, --output <file>", 'executable to write (.twx); "-" = standard output');
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
  const { executable, report, timings } = await compileModel(readBytes(path), compileFlags(flags));
  const bytes = flags.output === undefined ? null : serialiseExecutable(executable);
  if (bytes !== null) await writeBytes(flags.output!, bytes);

  const form = flags.json ? "json" : flags.report;
  const binaryOutput = flags.output === "-";
  // With the executable on standard output, everything for people goes to standard error.
  const show = binaryOutput ? note : print;
  if (form === "json" && !binaryOutput) return printJson({ ...report, timings });
  if (form === "json") return note(JSON.stringify({ ...report, timings }));
  show(form === "text" ? reportText(report) : summaryText(report));
  for (const sentence of notRunnable(executable)) show(`${out.yellow("warning:")} ${sentence}`);
  const milliseconds = timings.reduce((sum, pass) => sum + pass.milliseconds, 0);
  const written =
    bytes === null
      ? "nothing written (-o FILE writes the executable)"
      : `${flags.output === "-" ? "standard output" : flags.output}: ${size(bytes.length)}`;
  show(out.dim(`compiled in ${milliseconds.toFixed(0)} ms; ${written}`));
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
