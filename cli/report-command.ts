// tilewright report: what a model costs on a chip, predicted, as text, JSON, CSV, a page or a trace.
// SPDX-License-Identifier: MIT
import { type Command } from "commander";
import {
  buildReport,
  compile,
  NpuError,
  overrideSystem,
  reportAgainst,
  reportCsv,
  reportHtml,
  reportTrace,
  systemOf,
  targetChip,
  UsageError,
  type CompileReport,
  type System,
} from "../core-as/index.ts";
import { compileModel, readBytes, readText, writeBytes } from "./files.ts";
import { addCompileFlags, addJsonFlag, compileFlags, type CompileFlags } from "./flags.ts";
import { predictedText } from "./report-predicted.ts";
import { note, out, print, printJson } from "./terminal.ts";

interface ReportArguments extends CompileFlags {
  against?: string;
  system?: string;
  html?: string;
  csv?: string;
  trace?: string;
  json?: boolean;
}

const FORMS = {
  html: { write: reportHtml, says: "page" },
  csv: { write: reportCsv, says: "table of jobs" },
  trace: { write: reportTrace, says: "trace for Perfetto" },
} as const;

export function addReport(program: Command): void {
  addJsonFlag(
    addCompileFlags(
      program
        .command("report")
        .description("predict what a model costs: cycles, memory traffic and time of every job")
        .argument("<model>", 'TFLite file; "-" = standard input')
        .option(
          "--against <what>",
          'price another compilation beside it; "reference" = the reference driver\'s bytes',
        )
        .option("--system <file>", "JSON with clockMHz, bandwidthGBs, overheadUs to predict with")
        .option("--html <file>", 'write a self-contained page; "-" = standard output')
        .option("--csv <file>", 'write the jobs as a table; "-" = standard output')
        .option("--trace <file>", 'write a trace that Perfetto opens; "-" = standard output'),
    ),
  ).action(runReport);
}

async function runReport(path: string, flags: ReportArguments): Promise<void> {
  if (flags.against !== undefined && flags.against !== "reference")
    throw new UsageError(`--against takes "reference", not ${JSON.stringify(flags.against)}`);
  const files = (["html", "csv", "trace"] as const).filter((form) => flags[form] !== undefined);
  if (files.filter((form) => flags[form] === "-").length + (flags.json === true ? 1 : 0) > 1)
    throw new UsageError("only one of --html, --csv, --trace and --json can be standard output");
  const bytes = readBytes(path);
  const system = systemFrom(flags);
  const options = { ...compileFlags(flags), system };
  const { report } = await compileModel(bytes, options);
  if (flags.against !== undefined) report.against = await reference(bytes, flags.target, report);
  for (const form of files) await writeBytes(flags[form]!, FORMS[form].write(report));
  if (flags.json === true) return printJson(report);
  const show = files.some((form) => flags[form] === "-") ? note : print;
  show(predictedText(report));
  for (const form of files)
    if (flags[form] !== "-") show(out.dim(`${flags[form]}: ${FORMS[form].says}`));
}

/** The reference driver's compilation, wrong results included: what counts here is its time. */
async function reference(
  bytes: Uint8Array,
  target: string,
  report: CompileReport,
): Promise<NonNullable<CompileReport["against"]>> {
  const { executable, model } = await compile(bytes, {
    target,
    mode: "compatible",
    allowQuirks: true,
  });
  const other = buildReport(executable, model, { system: report.system });
  return reportAgainst(report, other, "the reference driver");
}

/** Figures of the chip, with those of the file in place of its own. */
function systemFrom({ target, system: path }: ReportArguments): System {
  const system = systemOf(targetChip(target).name);
  if (path === undefined) return system;
  let overrides: unknown;
  try {
    overrides = JSON.parse(readText(path));
  } catch (cause) {
    if (cause instanceof NpuError) throw cause;
    throw new UsageError(`--system ${path} is not JSON`, "system");
  }
  try {
    return overrideSystem(system, overrides);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new UsageError(`--system ${path}: ${cause.message}`, "system");
  }
}
