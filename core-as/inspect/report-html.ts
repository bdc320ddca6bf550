// The report as one self-contained page: no scripts, no other files, light and dark by the reader's choice.
// SPDX-License-Identifier: MIT
import { chipByName } from "../hw/chips.ts";
import { cardsHtml, htmlPage, nameCell } from "./html-page.ts";
import { bytesText, escapeHtml, grouped, htmlTable, msText, percentText } from "./html-text.ts";
import { rooflineSvg, timelineSvg } from "./report-charts.ts";
import { errorText } from "./report-words.ts";
import type { JobReport, Size3 } from "./report-jobs.ts";
import type { CompileReport, OperatorReport } from "./report.ts";

/** The whole page. */
export function reportHtml(report: CompileReport): string {
  const { model, target, mode } = report;
  const name = model.name === "" ? "model without a name" : model.name;
  const timeline = timelineSvg(report);
  const roofline = rooflineSvg(report, chipByName(target.name));
  const sections = [
    header(report, name),
    cards(report),
    warnings(report),
    help(report),
    timeline &&
      `<h2>Time line</h2><p class="soft">Predicted; jobs one behind the other, pointing at one names it.</p>${legend()}${timeline}`,
    roofline &&
      `<h2>Roofline</h2><p class="soft">NN jobs; an area stands for a share of time. Jobs lie below the roof by overhead, borders of tiles and idle multipliers.</p>${roofline}`,
    `<h2>Operators</h2>${operatorTable(report)}`,
    fallbacks(report),
    `<h2>Jobs</h2>${jobTable(report)}`,
  ];
  return htmlPage(`${name} on ${target.name}, ${mode}`, sections);
}

const legend = (): string =>
  `<p class="soft legend"><span class="key memory"></span>bound by memory<span class="key compute"></span>bound by computing<span class="key tp"></span>TP job</p>`;

function header({ target, mode, system, producer, jobs }: CompileReport, name: string): string {
  const evidence = jobs.some(({ observed }) => observed !== null)
    ? "All times are <b>predicted</b> but those in the column of observed ones"
    : "All times are <b>predicted</b>, none is measured";
  const figures = `${system.clockMHz} MHz, ${system.bandwidthGBs} GB/s, ${system.overheadUs} us a job`;
  return (
    `<h1>${escapeHtml(name)}</h1>` +
    `<p class="soft">${escapeHtml(`${target.name} (${target.part}, evidence: ${target.evidence}), ${mode} mode, ${producer}`)}</p>` +
    `<p>${evidence}: ${escapeHtml(errorText(system))} ` +
    `<span class="soft">Figures: ${escapeHtml(`${figures}; ${system.evidence}`)}.</span></p>`
  );
}

function cards({ totals, against, target }: CompileReport): string {
  const range = totals.predictedRangeMs;
  const list: [value: string, label: string][] = [
    [
      totals.predictedMs === null ? "unknown" : msText(totals.predictedMs),
      range
        ? `predicted; ${msText(range[0])} to ${msText(range[1])} with 0 to 20 us a job`
        : "predicted",
    ],
    ...(against
      ? ([
          [
            against.speedup === null ? "unknown" : `${against.speedup.toFixed(2)}x`,
            `as fast as ${against.name}, predicted`,
          ],
        ] as [string, string][])
      : []),
    [
      `${totals.operatorsOnNpu} of ${totals.operators}`,
      `operators on the NPU, ${percentText(totals.npuMacShare)} of the arithmetic`,
    ],
    [
      grouped(totals.jobs),
      `jobs in ${totals.partitions} submit${totals.partitions === 1 ? "" : "s"}`,
    ],
    [
      percentText(totals.utilisation),
      `of the multipliers do the model's arithmetic (${target.nnCores} NN cores)`,
    ],
    [bytesText(totals.dramBytes), `from and to DRAM; caches save ${bytesText(totals.cachedBytes)}`],
    [bytesText(totals.coefficientBytes), "coefficients"],
    [bytesText(totals.peakTensorBytes), "tensor memory at its peak"],
  ];
  return cardsHtml(list);
}

const warnings = ({ warnings: list, against }: CompileReport): string =>
  [...list, ...(against?.notes ?? [])].map((text) => `<p>${escapeHtml(text)}</p>`).join("");

function help({ whatIfs }: CompileReport): string {
  if (whatIfs.length === 0) return "";
  const most = whatIfs[0]!.savedMs;
  const rows = whatIfs.map(({ what, savedMs, predictedMs }) => [
    escapeHtml(what),
    msText(savedMs),
    msText(predictedMs),
    `<div class="bar" style="width:${((savedMs / most) * 100).toFixed(1)}%"></div>`,
  ]);
  return `<h2>What would help most</h2><p class="soft">Predicted time if one thing were free; the savings do not add up.</p>${htmlTable(
    ["if this were free", ">saved", ">left", ""],
    rows,
  )}`;
}

/** Why operators are on the CPU, each reason once. */
function fallbacks({ operators }: CompileReport): string {
  const groups = new Map<string, string[]>();
  for (const { place, op, name, constraint, reason } of operators)
    if (place === "cpu") {
      const key = `${constraint}: ${reason}`;
      groups.set(key, [...(groups.get(key) ?? []), `${name} #${op}`]);
    }
  const lines = [...groups].map(
    ([why, names]) => `<p><b>${escapeHtml(names.join(", "))}</b> ${escapeHtml(why)}</p>`,
  );
  return lines.length === 0 ? "" : `<h2>On the CPU</h2>${lines.join("")}`;
}

/** How well the jobs are known, and whether others' jobs do it. */
const npuText = ({ evidence, reason }: OperatorReport): string =>
  `NPU, ${evidence ?? ""}${reason === null ? "" : ", folded"}`;

function operatorTable({ operators, against }: CompileReport): string {
  const other = new Map(against?.operators.map(({ op, predictedMs }) => [op, predictedMs]));
  const time = (ms: number | null | undefined): string =>
    ms === null || ms === undefined ? "" : msText(ms);
  return htmlTable(
    [
      ">#",
      "operator",
      "output",
      "place",
      ">MACs",
      ">jobs",
      ">predicted",
      ">share",
      ...(against ? [">reference"] : []),
    ],
    operators.map((operator) => [
      String(operator.op),
      escapeHtml(operator.name),
      nameCell(operator.output),
      operator.place === "npu"
        ? `<span title="${escapeHtml(operator.reason ?? "")}">${escapeHtml(npuText(operator))}</span>`
        : `<span title="${escapeHtml(operator.reason ?? "")}">CPU, ${escapeHtml(operator.constraint ?? "")}</span>`,
      grouped(operator.macs),
      String(operator.jobs),
      time(operator.predictedMs),
      operator.share === null ? "" : percentText(operator.share),
      ...(against ? [time(other.get(operator.op))] : []),
    ]),
  );
}

const shape = (size: Size3 | null): string => (size ? `${size.x}x${size.y}x${size.z}` : "");

function jobTable({ jobs }: CompileReport): string {
  const observed = jobs.some((job) => job.observed !== null);
  return htmlTable(
    [
      "job",
      "does",
      "for",
      ">in",
      ">out",
      ">kernel",
      ">tile",
      ">superblocks",
      ">kernels/core",
      "caches",
      ">coefficients",
      ">bits/weight",
      ">cycles",
      ">multipliers",
      ">DRAM",
      ">predicted",
      ...(observed ? [">observed"] : []),
      "bound",
      ">share",
    ],
    jobs.map((job) => jobRow(job, observed)),
  );
}

function jobRow(job: JobReport, observed: boolean): string[] {
  const { nn, prediction, kind, descriptors } = job;
  const coefs = nn?.coefficients;
  return [
    `${job.partition}.${job.job}`,
    escapeHtml(descriptors > 1 ? `${kind} x${descriptors} ${job.op}` : `${kind} ${job.op}`),
    escapeHtml(`#${job.sourceOp} ${job.sourceName}`),
    shape(job.input),
    shape(job.output),
    shape(nn?.kernel ?? null),
    nn ? `${nn.tile.x}x${nn.tile.y}` : "",
    coefs ? String(coefs.superblocks) : "",
    coefs ? String(coefs.kernelsPerCore) : "",
    nn ? escapeHtml(cachesText(nn)) : "",
    coefs ? bytesText(coefs.bytes) : "",
    coefs ? coefs.bitsPerWeight.toFixed(2) : "",
    prediction ? grouped(prediction.cycles) : "",
    prediction && nn ? percentText(prediction.utilisation) : "",
    prediction ? bytesText(prediction.dramBytes) : "",
    prediction ? msText(prediction.ms) : "",
    ...(observed
      ? [job.observed ? escapeHtml(`${msText(job.observed.ms)} ${job.observed.evidence}`) : ""]
      : []),
    prediction ? prediction.bound : "",
    prediction ? percentText(prediction.share) : "",
  ];
}

function cachesText(nn: NonNullable<JobReport["nn"]>): string {
  const one = (name: string, mode: string, bytes: number): string =>
    bytes === 0 ? `${name} off` : `${name} ${mode.toLowerCase()} ${bytesText(bytes)}`;
  return `${one("image", nn.imageCache, nn.imageCacheBytes)}, ${one("kernels", nn.kernelCache, nn.kernelCacheBytes)}`;
}
