// The report as one self-contained page: no scripts, no other files, light and dark by the reader's choice.
// SPDX-License-Identifier: MIT
import { chipByName } from "../hw/chips.ts";
import { bytesText, escapeHtml, grouped, htmlTable, msText, percentText } from "./html-text.ts";
import { rooflineSvg, timelineSvg } from "./report-charts.ts";
import { errorText } from "./report-words.ts";
import type { JobReport, Size3 } from "./report-jobs.ts";
import type { CompileReport, OperatorReport } from "./report.ts";

const STYLE = `
:root { color-scheme: light dark; --ink: #1c2230; --soft: #5c6675; --page: #ffffff; --card: #f3f5f8; --rule: #d9dee6;
  --memory: #2f7ebc; --compute: #d9792b; --tp: #6b9c3f; --roof: #b0304a; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ef; --soft: #9aa5b5; --page: #14171d; --card: #1f242d; --rule: #343b47;
    --memory: #5aa7e0; --compute: #f0a05a; --tp: #96c86a; --roof: #f07a92; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 28px 24px 48px; max-width: 1180px; background: var(--page); color: var(--ink);
  font: 14px/1.5 system-ui, sans-serif; }
h1 { font-size: 22px; margin: 0 0 4px; overflow-wrap: anywhere; } h2 { font-size: 16px; margin: 32px 0 8px; }
p { margin: 4px 0 10px; max-width: 90ch; } .soft { color: var(--soft); }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(190px, 1fr)); gap: 12px; margin: 18px 0; padding: 0; }
.cards div { background: var(--card); border-radius: 8px; padding: 12px 14px; }
.cards b { display: block; font-size: 20px; font-weight: 600; } .cards span { color: var(--soft); font-size: 12px; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: 12.5px; }
th { text-align: left; color: var(--soft); font-weight: 500; } th, td { padding: 4px 10px 4px 0; border-bottom: 1px solid var(--rule); white-space: nowrap; }
.r { text-align: right; font-variant-numeric: tabular-nums; }
svg { width: 100%; height: auto; display: block; } svg text { fill: var(--soft); font-size: 11px; } svg text.strong { fill: var(--ink); font-weight: 600; }
.grid { stroke: var(--rule); } .roof { stroke: var(--roof); stroke-width: 2; }
.memory { fill: var(--memory); } .compute { fill: var(--compute); } .tp { fill: var(--tp); }
circle { fill-opacity: 0.55; stroke: var(--page); }
.key { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin: 0 4px 0 12px; }
.key.memory { background: var(--memory); margin-left: 0; } .key.compute { background: var(--compute); } .key.tp { background: var(--tp); }
.legend { white-space: nowrap; } td:has(.bar) { width: 40%; }
.bar { background: var(--memory); height: 9px; border-radius: 2px; min-width: 1px; }
`;

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
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(`${name} on ${target.name}, ${mode}`)}</title>
<style>${STYLE}</style>
</head>
<body>
${sections.filter((section) => section !== "").join("\n")}
</body>
</html>
`;
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
  const boxes = list.map(
    ([value, text]) => `<div><b>${escapeHtml(value)}</b><span>${escapeHtml(text)}</span></div>`,
  );
  return `<div class="cards">${boxes.join("")}</div>`;
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

/** The end of a long name says more than its start. */
function nameCell(name: string): string {
  const LONGEST = 36;
  if (name.length <= LONGEST) return escapeHtml(name);
  const end = name.slice(name.length - LONGEST + 1);
  return `<span title="${escapeHtml(name)}">…${escapeHtml(end)}</span>`;
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
