// Pictures of a comparison as inline SVG: signal to noise and largest difference along the network, histograms.
// SPDX-License-Identifier: MIT
import type { HistogramBin, TensorDifference } from "./accuracy.ts";
import { snrText, type AccuracyReport, type LayerAccuracy } from "./accuracy-report.ts";
import { escapeHtml, grouped, svgNumber } from "./html-text.ts";
import { CHART_WIDTH, label, line, svg } from "./svg-parts.ts";

const PLOT = { left: 60, right: 12, top: 16, bottom: 34, height: 250 };
const FLOOR = PLOT.height - PLOT.bottom;

/** A comparison along the network. */
interface Series {
  /** Class of its marks. */
  kind: "alone" | "chained" | "float" | "reference";
  name: string;
  of(layer: LayerAccuracy): TensorDifference | null;
  /** Single marks instead of a line. */
  marks: boolean;
}

const INTEGER_SERIES: readonly Series[] = [
  { kind: "alone", name: "alone", of: ({ alone }) => alone, marks: true },
  { kind: "chained", name: "chained", of: ({ chained }) => chained, marks: false },
];

const FLOAT_SERIES: readonly Series[] = [
  { kind: "alone", name: "alone", of: ({ float }) => float?.alone ?? null, marks: true },
  { kind: "float", name: "chained", of: ({ float }) => float?.chained ?? null, marks: false },
  {
    kind: "reference",
    name: "integer reference",
    of: ({ float }) => float?.reference ?? null,
    marks: false,
  },
];

/** The comparisons that a chart shows. */
const seriesOf = (float: boolean): readonly Series[] => (float ? FLOAT_SERIES : INTEGER_SERIES);

/** Key of the colours, as HTML. */
export const legendHtml = (float: boolean): string =>
  `<p class="soft legend">${seriesOf(float)
    .map(({ kind, name }) => `<span class="key ${kind}"></span>${escapeHtml(name)}`)
    .join("")}</p>`;

interface Axis {
  title: string;
  ticks: readonly (readonly [value: number, text: string])[];
  /** Height above the floor, 0..1. */
  height(value: number): number;
  /** Value of a layer's figures. */
  of(difference: TensorDifference): number;
}

/** Above this a tensor is as good as equal; exact ones are drawn a little higher. */
const MOST_DB = 90;
const SNR_AXIS: Axis = {
  title: "signal to noise, dB",
  ticks: [
    ...[0, 20, 40, 60, 80].map((db) => [db, String(db)] as const),
    [MOST_DB + 10, "exact"] as const,
  ],
  height: (db) => Math.min(Math.max(db, 0), MOST_DB + 10) / (MOST_DB + 10),
  of: ({ snrDb, different }) => (different === 0 ? MOST_DB + 10 : Math.min(snrDb ?? 0, MOST_DB)),
};

const MAX_AXIS: Axis = {
  title: "largest difference, steps",
  ticks: [0, 1, 3, 7, 15, 31, 63, 127, 255].map((steps) => [steps, String(steps)] as const),
  height: (steps) => Math.min(Math.log2(1 + steps) / 8, 1),
  of: ({ max, notFinite }) => (notFinite > 0 ? 255 : max),
};

/** Signal to noise along the network. */
export const snrSvg = (report: AccuracyReport, float: boolean): string =>
  chart(report.layers, seriesOf(float), SNR_AXIS);

/** Largest differences along the network. */
export const maxSvg = (report: AccuracyReport, float: boolean): string =>
  chart(report.layers, seriesOf(float), MAX_AXIS);

function chart(layers: readonly LayerAccuracy[], series: readonly Series[], axis: Axis): string {
  const x = (i: number): number =>
    PLOT.left + ((i + 0.5) / layers.length) * (CHART_WIDTH - PLOT.left - PLOT.right);
  const y = (value: number): number => FLOOR - axis.height(value) * (FLOOR - PLOT.top);
  const body: string[] = [];
  for (const [value, text] of axis.ticks) {
    body.push(line(PLOT.left, y(value), CHART_WIDTH - PLOT.right, y(value), "grid"));
    body.push(label(PLOT.left - 8, y(value) + 4, text, "end"));
  }
  const every = Math.ceil(layers.length / 20);
  for (const [i, { op }] of layers.entries())
    if (i % every === 0) body.push(label(x(i), FLOOR + 16, `#${op}`, "middle"));
  body.push(
    label(0, 0, axis.title, "middle", ` transform="translate(14 ${FLOOR / 2}) rotate(-90)"`),
  );
  for (const { kind, name, of, marks } of series) {
    const points = layers.flatMap((layer, i) => {
      const difference = of(layer);
      return difference === null
        ? []
        : [{ layer, difference, at: [x(i), y(axis.of(difference))] as const }];
    });
    const places = points.map(({ at }) => at.map(svgNumber).join(","));
    if (!marks) body.push(`<polyline class="${kind}" points="${places.join(" ")}"/>`);
    for (const { layer, difference, at } of points)
      body.push(
        `<circle class="${kind}" cx="${svgNumber(at[0])}" cy="${svgNumber(at[1])}" r="${marks ? 4 : 2.5}">` +
          `<title>${escapeHtml(tip(layer, name, difference))}</title></circle>`,
      );
  }
  return svg(PLOT.height, axis.title, body);
}

function tip(
  { op, name }: LayerAccuracy,
  comparison: string,
  difference: TensorDifference,
): string {
  const { max, mean, cosine } = difference;
  const figures = `max ${Number(max.toPrecision(4))}, mean ${mean.toPrecision(3)}, cosine ${cosine.toFixed(6)}`;
  return `#${op} ${name}, ${comparison}: ${figures}, ${snrText(difference)} dB`;
}

const binName = ({ from, to }: HistogramBin): string =>
  from === null
    ? `≤ ${to}`
    : to === null
      ? `≥ ${from}`
      : from === to
        ? `${from}`
        : `${from} to ${to}`;

/** Height of a bar, 0..1: logarithmic, so that one element in a million is seen. */
const barHeight = (count: number, elements: number): number =>
  count === 0 ? 0 : 0.08 + (0.92 * Math.log(1 + count)) / Math.log(1 + elements);

/** A histogram for a cell of a table; pointing at it tells the counts. */
export function smallHistogram({ histogram, elements }: TensorDifference): string {
  const counts = histogram
    .filter(({ count }) => count > 0)
    .map((bin) => `${binName(bin)}: ${grouped(bin.count)}`);
  const bars = histogram.map(({ count, from, to }, i) => {
    const height = 20 * barHeight(count, elements);
    const kind = from === 0 && to === 0 ? "same" : "off";
    return `<rect x="${i * 8}" y="${svgNumber(20 - height)}" width="7" height="${svgNumber(height)}" class="${kind}"/>`;
  });
  return `<svg class="hist" viewBox="0 0 120 20" role="img" aria-label="histogram of differences"><title>${escapeHtml(counts.join("\n"))}</title>${bars.join("")}</svg>`;
}

/** A histogram with its counts written out. */
export function largeHistogram({ histogram, elements }: TensorDifference, title: string): string {
  const [top, floor, width] = [24, 150, (CHART_WIDTH - 2 * PLOT.right) / histogram.length];
  const body = histogram.flatMap((bin, i) => {
    const { count, from, to } = bin;
    const height = (floor - top) * barHeight(count, elements);
    const middle = PLOT.right + (i + 0.5) * width;
    const kind = from === 0 && to === 0 ? "same" : "off";
    return [
      `<rect x="${svgNumber(middle - width * 0.4)}" y="${svgNumber(floor - height)}" width="${svgNumber(width * 0.8)}" height="${svgNumber(height)}" class="${kind}"/>`,
      ...(count > 0 ? [label(middle, floor - height - 6, grouped(count), "middle")] : []),
      label(middle, floor + 16, binName(bin), "middle"),
    ];
  });
  return svg(floor + 24, title, [
    line(PLOT.right, floor, CHART_WIDTH - PLOT.right, floor, "grid"),
    ...body,
  ]);
}
