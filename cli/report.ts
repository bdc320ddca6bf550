// The compilation report as text.
// SPDX-License-Identifier: MIT
import type { CompileReport, JobReport, OperatorReport } from "../core-as/index.ts";
import { count, out, size, table } from "./terminal.ts";

/** What fits a glance: placement, reasons for the CPU, totals, warnings. */
export function summaryText(report: CompileReport): string {
  const { totals, target, mode } = report;
  const share = (totals.npuMacShare * 100).toFixed(1);
  const lines = [
    `${out.bold(target.name)} (${target.part}, evidence: ${target.evidence}), ${mode} mode`,
    `${totals.operatorsOnNpu} of ${totals.operators} operators on the NPU in ` +
      `${plural(totals.partitions, "partition")}, ${plural(totals.jobs, "job")}, ` +
      `${share} % of ${count(totals.macs)} multiply-accumulates`,
    `coefficients ${size(totals.coefficientBytes)}, tensors ${tensorsText(totals)}`,
    ...evidenceLines(report.operators),
    ...accuracyLines(report),
    ...fallbackLines(report.operators),
    ...foldLines(report.operators),
    ...report.warnings.map((warning) => `${out.yellow("warning:")} ${warning}`),
  ];
  return lines.join("\n");
}

/** Memory for tensors, and what sharing it saves. */
function tensorsText({ peakTensorBytes, tensorBytes, reuse }: CompileReport["totals"]): string {
  const peak = size(peakTensorBytes);
  if (reuse >= 1) return peak;
  return `${peak} (reuse: ${(reuse * 100).toFixed(0)} % of ${size(tensorBytes)})`;
}

/** Operators whose mechanism no capture shows, by evidence word. */
function evidenceLines(operators: readonly OperatorReport[]): string[] {
  const words = ["never captured", "newer driver, not captured"] as const;
  return words.flatMap((word) => {
    const group = operators.filter(({ evidence }) => evidence === word);
    if (group.length === 0) return [];
    const names = [...new Set(group.map(({ name }) => name))].join(", ");
    return `${out.yellow(`${word}:`)} ${plural(group.length, "operator")} on the NPU (${names}); --captured-only leaves them to the CPU`;
  });
}

/** How near layers with a scale for each channel come to TFLite, in one line; the full report has one for each. */
function accuracyLines({ accuracies }: CompileReport): string[] {
  const first = accuracies[0];
  if (first === undefined) return [];
  const bound = Math.max(...accuracies.map((layer) => layer.bound));
  const share = Math.min(...accuracies.map(({ withinOne }) => withinOne));
  const groups = accuracies.reduce((sum, layer) => sum + layer.groups, 0);
  return [
    `${out.bold("scales per channel:")} ${plural(accuracies.length, "layer")} in ${plural(groups, "group")} of channels, ${first.accuracy}: ` +
      `at most ${bound.toFixed(2)} steps off before rounding, at least ${(100 * share).toFixed(1)} % of a layer's outputs within 1 of TFLite's (expected)`,
  ];
}

/** One line for each operator that others' jobs compute. */
function foldLines(operators: readonly OperatorReport[]): string[] {
  return operators.flatMap(({ op, name, place, reason }) =>
    place === "npu" && reason !== null ? [`${out.green("folded:")} ${name} #${op}. ${reason}`] : [],
  );
}

const plural = (number: number, word: string): string =>
  `${number} ${word}${number === 1 ? "" : "s"}`;

/** One line for each kind of operator and constraint on the CPU, with the first reason; --report json has them all. */
function fallbackLines(operators: readonly OperatorReport[]): string[] {
  const groups = new Map<string, OperatorReport[]>();
  for (const operator of operators)
    if (operator.place === "cpu") {
      const key = `${operator.name} ${operator.constraint}`;
      groups.set(key, [...(groups.get(key) ?? []), operator]);
    }
  return [...groups.values()].map((group) => {
    const { name, constraint, reason } = group[0]!;
    const others = group.filter((operator) => operator.reason !== reason).length;
    const places = group.map(({ op }) => `#${op}`);
    const shown = places.length > 6 ? [...places.slice(0, 6), "…"] : places;
    return `${out.yellow("on the CPU:")} ${name} ${shown.join(" ")} (${constraint}): ${reason}${others > 0 ? ` (${others} more with another value)` : ""}`;
  });
}

/** Everything: the summary, all operators, all jobs. */
export function reportText(report: CompileReport): string {
  const operators = table(
    ["#", "operator", "output", "MACs", "place"],
    report.operators.map((operator) => [
      operator.op,
      operator.name,
      shorten(operator.output, 40),
      count(operator.macs),
      operator.place === "npu"
        ? out.green("NPU") + (operator.evidence === "captured" ? "" : ` ${operator.evidence}`)
        : `${out.yellow("CPU")} ${operator.constraint}`,
    ]),
    ["right", "left", "left", "right"],
  );
  const jobs = jobTable(report.jobs);
  return [
    summaryText(report),
    "",
    operators,
    ...accuracyText(report),
    ...(jobs === "" ? [] : ["", jobs]),
  ].join("\n");
}

/** Method and bound of every layer with a scale for each channel. */
function accuracyText({ accuracies, accuracyNote, operators }: CompileReport): string[] {
  if (accuracyNote === null) return [];
  const rows = accuracies.map(
    ({ op, method, meaning }) => `#${op} ${operators[op]!.name}: ${method} Error: ${meaning}`,
  );
  return ["", `${out.bold("scales per channel:")} ${accuracyNote}`, ...rows];
}

/** "28x28x16"; "" for none. */
export const shape = (size3: JobReport["output"]): string =>
  size3 === null ? "" : `${size3.x}x${size3.y}x${size3.z}`;

/** All jobs, one a row; "" when there is none. */
export function jobTable(jobs: readonly JobReport[]): string {
  if (jobs.length === 0) return "";
  return table(
    ["job", "unit", "does", "for", "in", "out", "kernel", "tile", "caches", "coefs", "bits/weight"],
    jobs.map(
      ({ partition, job, kind, op, sourceOp, sourceName, input, output, nn, descriptors }) => [
        `${partition}.${job}`,
        descriptors > 1 ? `${kind} x${descriptors}` : kind,
        op,
        `#${sourceOp} ${sourceName}`,
        shape(input),
        shape(output),
        shape(nn?.kernel ?? null),
        nn === null ? "" : `${nn.tile.x}x${nn.tile.y}`,
        nn === null ? "" : `${nn.imageCache}/${nn.kernelCache}`.toLowerCase(),
        nn?.coefficients ? size(nn.coefficients.bytes) : "",
        nn?.coefficients ? nn.coefficients.bitsPerWeight.toFixed(2) : "",
      ],
    ),
    ["right", "left", "left", "left", "right", "right", "right", "right", "left", "right", "right"],
  );
}

/** The end of a long name says more than its start. */
export const shorten = (text: string, length: number): string =>
  text.length <= length ? text : `…${text.slice(text.length - length + 1)}`;
