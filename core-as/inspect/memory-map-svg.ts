// A memory map as a picture: jobs from left to right, addresses from bottom to top. Plain SVG, needs nothing else.
// SPDX-License-Identifier: MIT
import { escapeHtml, svgNumber } from "./html-text.ts";
import type { MemoryMap, MemoryRow } from "./memory-map.ts";

const WIDTH = 1200;
const HEIGHT = 640;
const MARGIN = { left: 84, right: 16, top: 36, bottom: 44 };
const PLOT = {
  width: WIDTH - MARGIN.left - MARGIN.right,
  height: HEIGHT - MARGIN.top - MARGIN.bottom,
};
/** Dark text is readable on each of these, and each stands out from white and from black. */
const FILLS = ["#7fb2d6", "#e9a35f", "#83bd83", "#d990b0", "#b9a5d9", "#c9b458", "#6fbfb5"];
/** Readable on white and on black. */
const GREY = "#808080";
const FONT = 10;
/** Width of a letter, about. */
const LETTER = 5.6;

/** The map as a self-contained SVG document. */
export function memoryMapSvg(map: MemoryMap): string {
  const title = `${map.rows.length} tensors in ${map.bytes} bytes, ${map.jobs} jobs`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" ` +
      `font-family="sans-serif" font-size="${FONT}" role="img">`,
    `<title>${title}</title>`,
    text(MARGIN.left, 22, title, `fill="${GREY}" font-size="14"`),
    ...axes(map),
    ...map.rows.map((row, index) => box(map, row, FILLS[index % FILLS.length]!)),
    "</svg>",
    "",
  ].join("\n");
}

/** Left edge of a job's column; the host has one before the first job and one behind the last. */
const xOf = ({ jobs }: MemoryMap, job: number): number =>
  MARGIN.left + ((job + 1) / (jobs + 2)) * PLOT.width;

const yOf = (map: MemoryMap, address: number): number =>
  MARGIN.top + PLOT.height * (1 - address / topOf(map));

const topOf = ({ bytes, rows }: MemoryMap): number =>
  rows.reduce((top, row) => Math.max(top, row.offset + row.bytes), Math.max(1, bytes));

function box(map: MemoryMap, row: MemoryRow, fill: string): string {
  const x = xOf(map, row.firstJob);
  const y = yOf(map, row.offset + row.bytes);
  const width = xOf(map, row.lastJob + 1) - x;
  const height = yOf(map, row.offset) - y;
  const life = `${moment(map, row.firstJob)} to ${moment(map, row.lastJob)}`;
  const tip = `${row.label}: ${row.bytes} bytes at ${row.offset}, ${life}`;
  const rect =
    `<rect x="${svgNumber(x)}" y="${svgNumber(y)}" width="${svgNumber(width)}" height="${svgNumber(height)}" ` +
    `fill="${fill}" stroke="#404040" stroke-width="0.5"/>`;
  return `<g><title>${escape(tip)}</title>${rect}${boxLabel(row.label, x, y, width, height)}</g>`;
}

const moment = ({ jobs }: MemoryMap, time: number): string =>
  time < 0 ? "before the first job" : time >= jobs ? "after the last job" : `job ${time}`;

/** The label lies along the longer side, shortened to what fits; "" when nothing does. */
function boxLabel(label: string, x: number, y: number, width: number, height: number): string {
  const upright = height > width;
  const [along, across] = upright ? [height, width] : [width, height];
  const letters = Math.floor((along - 6) / LETTER);
  if (across < FONT + 1 || letters < 4) return "";
  const shown = label.length <= letters ? label : `…${label.slice(label.length - letters + 1)}`;
  const [cx, cy] = [x + width / 2, y + height / 2];
  const turn = upright ? ` transform="rotate(-90 ${svgNumber(cx)} ${svgNumber(cy)})"` : "";
  return text(cx, cy + 3.5, shown, `fill="#101010" text-anchor="middle"${turn}`);
}

function axes(map: MemoryMap): string[] {
  const bottom = MARGIN.top + PLOT.height;
  const lines: string[] = [];
  const top = topOf(map);
  for (let i = 0; i <= 4; i++) {
    const address = Math.round((top * i) / 4);
    const y = yOf(map, address);
    lines.push(
      `<line x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${svgNumber(y)}" y2="${svgNumber(y)}" stroke="${GREY}" stroke-width="0.5"/>`,
      text(MARGIN.left - 6, y + 3.5, String(address), `fill="${GREY}" text-anchor="end"`),
    );
  }
  const step = Math.max(1, Math.ceil(map.jobs / 24));
  for (let job = 0; job < map.jobs; job += step)
    lines.push(
      text(
        (xOf(map, job) + xOf(map, job + 1)) / 2,
        bottom + 14,
        String(job),
        `fill="${GREY}" text-anchor="middle"`,
      ),
    );
  const middle = MARGIN.top + PLOT.height / 2;
  lines.push(
    text(
      MARGIN.left + PLOT.width / 2,
      HEIGHT - 10,
      "job",
      `fill="${GREY}" font-size="12" text-anchor="middle"`,
    ),
    text(
      16,
      middle,
      "address in bytes",
      `fill="${GREY}" font-size="12" text-anchor="middle" transform="rotate(-90 16 ${svgNumber(middle)})"`,
    ),
  );
  return lines;
}

const text = (x: number, y: number, content: string, attributes: string): string =>
  `<text x="${svgNumber(x)}" y="${svgNumber(y)}" ${attributes}>${escape(content)}</text>`;

/** Names of tensors come from the model: XML knows no control characters and no halves of surrogate pairs. */
function escape(content: string): string {
  return escapeHtml(content.replace(/[\u0000-\u001f\u007f\ufffe\uffff]|\p{Surrogate}/gu, "\ufffd"));
}
