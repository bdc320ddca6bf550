// tilewright report: what a model costs on a chip, predicted, as text, JSON, CSV, a page or a trace.
// SPDX-License-Identifier: MIT
import { type Command } from "commander";
import {
  buildReport,
  compile,
  reportAgainst,
  reportCsv,
  reportHtml,
  reportTrace,
  UsageError,
  type CompileReport,
  type Evidence,
  type JobProfile,
  type ReportOptions,
} from "../core-as/index.ts";
import { compileModel, readBytes, readJson, writeBytes } from "./files.ts";
import { addCompileFlags, addJsonFlag, compileFlags, type CompileFlags } from "./flags.ts";
import { predictedText } from "./report-predicted.ts";
import { note, out, print, printJson } from "./terminal.ts";

interface ReportArguments extends CompileFlags {
  against?: string;
  profile?: string;
  html?: string;
  csv?: string;
  trace?: string;
  json?: boolean;
}

/** What times can be worth. */
const EVIDENCES: readonly Evidence[] = ["measured", "simulated", "none"];

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
        .option(
          "--profile <file>",
          "JSON with evidence and jobs of a profiled run of this compilation: its times beside the predicted ones",
        )
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
  const choices = compileFlags(flags);
  const { report: predicted, executable, model } = await compileModel(bytes, choices);
  const profile = flags.profile === undefined ? null : profileFrom(flags.profile, predicted);
  const report = profile
    ? buildReport(executable, model, { system: predicted.system, profile })
    : predicted;
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

/** Times of jobs as a transport reports them (SubmitResult), each of a job that there is. */
function profileFrom(path: string, { jobs }: CompileReport): ReportOptions["profile"] {
  const { evidence, jobs: listed } = (readJson(path, "profile") ?? {}) as Record<string, unknown>;
  const wrong = (what: string): UsageError =>
    new UsageError(`--profile ${path}: ${what}`, "profile");
  if (!Array.isArray(listed)) throw wrong("it has no member jobs (a list)");
  if (!EVIDENCES.some((word) => word === evidence))
    throw wrong(`evidence is ${JSON.stringify(evidence)}, not one of ${EVIDENCES.join(", ")}`);
  const seen = new Set<string>();
  const entries = listed.map((entry: unknown, i): JobProfile => {
    const { partition, job, milliseconds } = (entry ?? {}) as Record<string, unknown>;
    if (!Number.isInteger(partition) || !Number.isInteger(job))
      throw wrong(`jobs[${i}] has no members partition and job (whole numbers)`);
    const name = `${partition}.${job}`;
    if (!jobs.some((one) => one.partition === partition && one.job === job))
      throw wrong(`jobs[${i}] is job ${name}, which this compilation has not`);
    if (seen.has(name)) throw wrong(`jobs[${i}] is job ${name} a second time`);
    seen.add(name);
    if (typeof milliseconds !== "number" || !(milliseconds >= 0 && milliseconds < Infinity))
      throw wrong(`jobs[${i}].milliseconds is ${String(milliseconds)}, not a time`);
    return { partition: partition as number, job: job as number, milliseconds, counters: {} };
  });
  return { evidence: evidence as Evidence, jobs: entries };
}
