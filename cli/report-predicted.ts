// The prediction as text: totals, what would help most, operators, jobs.
// SPDX-License-Identifier: MIT
import type { CompileReport, JobReport } from "../core-as/index.ts";
import { errorText } from "../core-as/inspect/report-words.ts";
import { shape, shorten, summaryText } from "./report.ts";
import { count, out, size, table, type Align } from "./terminal.ts";

const msText = (ms: number): string => `${ms.toFixed(3)} ms`;
const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

/** Everything that `tilewright report` prints for people. */
export function predictedText(report: CompileReport): string {
  return [
    summaryText(report),
    ...totalLines(report),
    ...againstLines(report),
    "",
    ...helpLines(report),
    operatorTable(report),
    ...(report.jobs.length === 0 ? [] : ["", predictedJobs(report.jobs)]),
  ].join("\n");
}

function totalLines({ totals, system }: CompileReport): string[] {
  const { predictedMs, predictedRangeMs: range } = totals;
  if (predictedMs === null || range === null)
    return ["predicted: nothing, the chip is not in the database"];
  return [
    `${out.bold(`predicted ${msText(predictedMs)}`)} an inference on the NPU (${errorText(system)}); ` +
      `${msText(range[0])} to ${msText(range[1])} with 0 to 20 us a job`,
    ...(totals.hiddenMs > 0
      ? [
          `jobs that overlap hide ${msText(totals.hiddenMs)} more (experimental; the tags' meaning is inferred)`,
        ]
      : []),
    `figures: ${system.clockMHz} MHz, ${system.bandwidthGBs} GB/s, ${system.overheadUs} us a job; ${system.evidence}`,
    `${count(totals.cycles)} cycles, multipliers ${percent(totals.utilisation)} used; ` +
      `DRAM ${size(totals.dramReadBytes)} read, ${size(totals.dramWrittenBytes)} written, caches save ${size(totals.cachedBytes)}`,
  ];
}

function againstLines({ against }: CompileReport): string[] {
  if (!against) return [];
  const { totals, speedup, speedupRange, coefficientRatio, dramRatio, name } = against;
  const times = (value: number | null): string => (value === null ? "?" : `${value.toFixed(2)}x`);
  const range = speedupRange
    ? ` (${times(speedupRange[0])} to ${times(speedupRange[1])} with 0 to 20 us a job)`
    : "";
  return [
    `${out.bold(`against ${name}`)}: predicted ${totals.predictedMs === null ? "?" : msText(totals.predictedMs)} in ${totals.jobs} jobs, ` +
      `this is ${times(speedup)} as fast${range}`,
    `  coefficients ${times(coefficientRatio)} its ${size(totals.coefficientBytes)}, DRAM ${times(dramRatio)} its ${size(totals.dramBytes)}, ` +
      `tensors ${size(totals.peakTensorBytes)} there`,
    ...against.notes.map((text) => `  ${text}`),
  ];
}

function helpLines({ whatIfs }: CompileReport): string[] {
  if (whatIfs.length === 0) return [];
  return [
    table(
      ["if this were free", "saved", "left"],
      whatIfs.map(({ what, savedMs, predictedMs }) => [what, msText(savedMs), msText(predictedMs)]),
      ["left", "right", "right"],
    ),
    "",
  ];
}

function operatorTable({ operators, against }: CompileReport): string {
  const other = new Map(against?.operators.map(({ op, predictedMs }) => [op, predictedMs]));
  const time = (ms: number | null | undefined): string =>
    typeof ms === "number" ? msText(ms) : "";
  return table(
    [
      "#",
      "operator",
      "output",
      "MACs",
      "place",
      "jobs",
      "predicted",
      "share",
      ...(against ? ["reference"] : []),
    ],
    operators.map((operator) => [
      operator.op,
      operator.name,
      shorten(operator.output, 32),
      count(operator.macs),
      operator.place === "npu" ? out.green("NPU") : `${out.yellow("CPU")} ${operator.constraint}`,
      operator.jobs,
      time(operator.predictedMs),
      operator.share === null ? "" : percent(operator.share),
      ...(against ? [time(other.get(operator.op))] : []),
    ]),
    ["right", "left", "left", "right", "left", "right", "right", "right", "right"],
  );
}

type Cell = (job: JobReport) => string | number;
type Column = readonly [head: string, align: Align, cell: Cell];

const JOB_COLUMNS: readonly Column[] = [
  ["job", "right", ({ partition, job }) => `${partition}.${job}`],
  ["unit", "left", ({ kind, descriptors }) => (descriptors > 1 ? `${kind} x${descriptors}` : kind)],
  ["does", "left", ({ op }) => op],
  ["for", "left", ({ sourceOp }) => `#${sourceOp}`],
  ["in", "right", ({ input }) => shape(input)],
  ["out", "right", ({ output }) => shape(output)],
  ["kernel", "right", ({ nn }) => shape(nn?.kernel ?? null)],
  ["tile", "right", ({ nn }) => (nn === null ? "" : `${nn.tile.x}x${nn.tile.y}`)],
  ["sb", "right", ({ nn }) => nn?.coefficients?.superblocks ?? ""],
  [
    "caches",
    "left",
    ({ nn }) => (nn === null ? "" : `${nn.imageCache}/${nn.kernelCache}`.toLowerCase()),
  ],
  ["coefs", "right", ({ nn }) => (nn?.coefficients ? size(nn.coefficients.bytes) : "")],
  ["bits/w", "right", ({ nn }) => nn?.coefficients?.bitsPerWeight.toFixed(2) ?? ""],
  ["cycles", "right", ({ prediction }) => (prediction ? count(prediction.cycles) : "")],
  [
    "mult",
    "right",
    ({ nn, prediction }) => (nn && prediction ? percent(prediction.utilisation) : ""),
  ],
  ["DRAM", "right", ({ prediction }) => (prediction ? size(prediction.dramBytes) : "")],
  ["predicted", "right", ({ prediction }) => (prediction ? msText(prediction.ms) : "")],
  ["bound", "left", ({ prediction }) => prediction?.bound ?? ""],
];

/** Only where jobs overlap. */
const HIDDEN: Column = [
  "hidden",
  "right",
  ({ prediction }) => (prediction && prediction.hiddenMs > 0 ? msText(prediction.hiddenMs) : ""),
];

/** Only with a profile. */
const OBSERVED: Column = [
  "observed",
  "right",
  ({ observed }) => (observed ? `${msText(observed.ms)} ${observed.evidence}` : ""),
];

function predictedJobs(jobs: readonly JobReport[]): string {
  const observed = jobs.some((job) => job.observed !== null);
  const overlap = jobs.some(({ prediction }) => prediction !== null && prediction.hiddenMs > 0);
  const columns = [...JOB_COLUMNS, ...(overlap ? [HIDDEN] : []), ...(observed ? [OBSERVED] : [])];
  return table(
    columns.map(([head]) => head),
    jobs.map((job) => columns.map(([, , cell]) => cell(job))),
    columns.map(([, align]) => align),
  );
}
