// The report's forms as files. Runs in the worker.
// SPDX-License-Identifier: MIT
import {
  buildReport,
  reportCsv,
  reportHtml,
  reportTrace,
  type CompileReport,
  type JobProfile,
} from "../../../core-as/index.ts";
import type { Held } from "../service.ts";

export type ExportForm = "html" | "csv" | "json" | "trace";

export interface ExportArguments {
  key: string;
  form: ExportForm;
  /** Report of the compilation: it knows parts of the model that an executable does not keep. */
  report: CompileReport;
  /** Times of jobs that a board or the simulator gave, and what they are worth. */
  profile?: { jobs: JobProfile[]; evidence: string };
}

/** 64-bit integers as decimal text, as on the command line. */
const plain = (_key: string, value: unknown): unknown =>
  typeof value === "bigint" ? value.toString() : value;

const WRITERS: Readonly<Record<ExportForm, (report: CompileReport) => string>> = {
  html: reportHtml,
  csv: reportCsv,
  json: (report) => `${JSON.stringify(report, plain, 2)}\n`,
  trace: reportTrace,
};

/** The text of a report, with observed times of jobs beside the predicted ones where there are any. */
export function viewExport(
  { executable }: Held,
  { form, report, profile }: ExportArguments,
): string {
  if (profile === undefined) return WRITERS[form](report);
  const { model, system } = report;
  return WRITERS[form](buildReport(executable, model, { system, profile }));
}
