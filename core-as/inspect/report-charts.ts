// Pictures of a report: roofline and time line as inline SVG. Colours are CSS variables of the page.
// SPDX-License-Identifier: MIT
import type { Chip } from "../hw/chips.ts";
import { escapeHtml, msText, percentText, svgNumber } from "./html-text.ts";
import { markKind, rooflineOf, ticks } from "./chart-geometry.ts";
import { addedMs } from "./report-cost.ts";
import type { JobReport } from "./report-jobs.ts";
import type { CompileReport } from "./report.ts";
import { CHART_WIDTH as WIDTH, label, line, svg } from "./svg-parts.ts";

/** What a job's mark says when it is pointed at. */
function tip(job: JobReport): string {
  const { partition, job: number, op, sourceOp, sourceName, prediction } = job;
  const { ms, share, bound } = prediction!;
  return `<title>${escapeHtml(
    `job ${partition}.${number} ${op} of #${sourceOp} ${sourceName}: ${msText(ms)}, ${percentText(share)} of all, bound by ${bound}`,
  )}</title>`;
}

// ---- time line ---------------------------------------------------------------------------------

const LANE = { left: 150, right: 16, height: 34, gap: 14, top: 26 };

/** Jobs one behind the other, or at the same time where they overlap; the other compilation below on the same scale. */
export function timelineSvg(report: CompileReport): string {
  const lanes = [
    { name: "this compilation", jobs: report.jobs },
    ...(report.against ? [{ name: report.against.name, jobs: report.against.jobs }] : []),
  ];
  const length = (jobs: readonly JobReport[]): number =>
    jobs.reduce((sum, { prediction }) => sum + (prediction ? addedMs(prediction) : 0), 0);
  const longest = Math.max(...lanes.map(({ jobs }) => length(jobs)));
  if (!(longest > 0)) return "";
  const scale = (WIDTH - LANE.left - LANE.right) / longest;
  const body: string[] = [];
  const bottom = LANE.top + lanes.length * (LANE.height + LANE.gap);
  for (const ms of ticks(longest)) {
    const x = LANE.left + ms * scale;
    body.push(
      line(x, LANE.top - 6, x, bottom, "grid"),
      label(x, LANE.top - 10, `${ms} ms`, "middle"),
    );
  }
  for (const [i, { name, jobs }] of lanes.entries()) {
    const y = LANE.top + i * (LANE.height + LANE.gap);
    body.push(label(LANE.left - 10, y + 15, name, "end"));
    body.push(label(LANE.left - 10, y + 29, msText(length(jobs)), "end", ' class="strong"'));
    for (const job of jobs) {
      if (!job.prediction) continue;
      const x = LANE.left + job.prediction.startMs * scale;
      const width = job.prediction.ms * scale;
      // Jobs of the two units that overlap share the height.
      const half = job.prediction.hiddenMs > 0 ? LANE.height / 2 : LANE.height;
      const top = half < LANE.height && job.kind === "TP" ? y + half : y;
      body.push(
        `<rect x="${svgNumber(x)}" y="${top}" width="${svgNumber(width > 2 ? width - 0.4 : Math.max(width, 0.3))}" ` +
          `height="${half}" class="${markKind(job)}">${tip(job)}</rect>`,
      );
    }
  }
  return svg(bottom + 4, "predicted time line", body);
}

// ---- roofline ----------------------------------------------------------------------------------

const ROOF = { left: 74, right: 18, top: 18, bottom: 46, height: 400 };

/** Logarithmic axis from 10^low to 10^high. */
const axis =
  (low: number, high: number, from: number, to: number) =>
  (value: number): number =>
    from + ((Math.log10(value) - low) / (high - low)) * (to - from);

/**
 * NN jobs by multiply-accumulates for each byte from and to DRAM, and by what they reach; the roof is what bandwidth and
 * multipliers allow. Overhead, partly filled tiles and idle multipliers pull jobs below it.
 */
export function rooflineSvg(report: CompileReport, chip: Chip | undefined): string {
  const roofline = rooflineOf(report, chip);
  if (roofline === null) return "";
  const { peak, bandwidthGBs, corner, marks, decades } = roofline;
  const { low, high, bottom, top } = decades;
  const floor = ROOF.height - ROOF.bottom;
  const x = axis(low, high, ROOF.left, WIDTH - ROOF.right);
  const y = axis(bottom, top, floor, ROOF.top);
  const body: string[] = [];
  for (let e = low; e <= high; e++) {
    body.push(line(x(10 ** e), ROOF.top, x(10 ** e), floor, "grid"));
    body.push(label(x(10 ** e), floor + 16, power(e), "middle"));
  }
  for (let e = bottom; e <= top; e++) {
    body.push(line(ROOF.left, y(10 ** e), WIDTH - ROOF.right, y(10 ** e), "grid"));
    body.push(label(ROOF.left - 8, y(10 ** e) + 4, power(e), "end"));
  }
  body.push(
    label((ROOF.left + WIDTH) / 2, floor + 36, "multiply-accumulates per DRAM byte", "middle"),
  );
  body.push(label(0, 0, "GMAC/s", "middle", ` transform="translate(16 ${floor / 2}) rotate(-90)"`));
  // The slope enters the plot where its left or its lower border is.
  const start = Math.max(10 ** low, 10 ** bottom / bandwidthGBs);
  body.push(line(x(start), y(start * bandwidthGBs), x(corner), y(peak), "roof"));
  body.push(line(x(corner), y(peak), x(10 ** high), y(peak), "roof"));
  // To the left of the corner: the roof may end right behind it.
  const figures = `${Math.round(peak)} GMAC/s, ${bandwidthGBs} GB/s`;
  body.push(label(x(corner) - 12, y(peak) + 2, figures, "end"));
  for (const { job, intensity, speed } of marks) {
    const radius = 3 + 22 * Math.sqrt(job.prediction!.share);
    body.push(
      `<circle cx="${svgNumber(x(intensity))}" cy="${svgNumber(y(speed))}" r="${svgNumber(radius)}" ` +
        `class="${markKind(job)}">${tip(job)}</circle>`,
    );
  }
  return svg(ROOF.height, "roofline", body);
}

const power = (exponent: number): string =>
  exponent >= 0 && exponent <= 4 ? String(10 ** exponent) : `1e${exponent}`;
