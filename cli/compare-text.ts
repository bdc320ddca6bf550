// A comparison for people at a terminal: tables of layers and pictures, and what to look at first.
// SPDX-License-Identifier: MIT
import {
  differenceOf,
  snrText,
  worstFirst,
  type AccuracyReport,
  type HistogramBin,
  type LayerAccuracy,
  type TensorDifference,
} from "../core-as/index.ts";
import { shorten } from "./report.ts";
import { out, print, table, type Align } from "./terminal.ts";

/** Layers that the summary names. */
const WORST = 3;

type Column = readonly [head: string, align: Align, of: (layer: LayerAccuracy) => string | number];

const figure = (value: number): string =>
  Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(3)));

/** Red where something differs by more than what one rounding explains. */
function maxText({ max, notFinite }: TensorDifference): string {
  const text = notFinite > 0 ? "no number" : figure(max);
  return max > 1 || notFinite > 0 ? out.red(text) : text;
}

const cosineText = ({ cosine }: TensorDifference): string => cosine.toFixed(6);

/** Columns of one comparison: the first is named after it. */
function differenceColumns(
  name: string,
  of: (layer: LayerAccuracy) => TensorDifference | null,
): Column[] {
  const column = (
    head: string,
    text: (difference: TensorDifference) => string | number,
  ): Column => [
    head,
    "right",
    (layer) => {
      const difference = of(layer);
      return difference === null ? "" : text(difference);
    },
  ];
  return [
    column(`${name}: max`, maxText),
    column("mean", ({ mean }) => (mean === 0 ? "0" : mean.toPrecision(3))),
    column("cosine", cosineText),
    column("dB", snrText),
    column("channel", ({ worstChannel }) => worstChannel?.channel ?? ""),
  ];
}

/** Method and bound, where the compiler's report has any. */
function methodColumns(layers: readonly LayerAccuracy[]): Column[] {
  const columns: Column[] = [];
  if (layers.some(({ method }) => method !== null))
    columns.push(["method", "left", ({ method }) => method ?? ""]);
  if (layers.some(({ bound }) => bound !== null))
    columns.push(["bound", "right", ({ bound }) => bound ?? ""]);
  return columns;
}

function layerTable(layers: readonly LayerAccuracy[], float: boolean): string {
  const columns: Column[] = [
    ["#", "right", ({ op }) => op],
    ["operator", "left", ({ name }) => name],
    ["output", "left", ({ output }) => shorten(output, 28)],
    ["place", "left", ({ place }) => place],
    ...methodColumns(layers),
    ...differenceColumns("alone", (layer) => differenceOf(layer, "alone", float)),
    ...differenceColumns("chained", (layer) => differenceOf(layer, "chained", float)),
    ...(float
      ? ([
          [
            "reference: dB",
            "right",
            (layer) => (layer.float ? snrText(layer.float.reference) : ""),
          ],
        ] as Column[])
      : []),
  ];
  return table(
    columns.map(([head]) => head),
    layers.map((layer) => columns.map(([, , of]) => of(layer))),
    columns.map(([, align]) => align),
  );
}

function worstText(layers: readonly LayerAccuracy[]): string {
  const worst = worstFirst(layers);
  const onNpu = layers.filter(({ alone }) => alone !== null).length;
  if (onNpu === 0) return "no operator is on the NPU";
  const named = worst
    .slice(0, WORST)
    .map(
      ({ op, name, alone }) =>
        `#${op} ${name} ${figure(alone!.max)} (mean ${alone!.mean.toPrecision(3)})`,
    );
  return (
    `${onNpu - worst.length} of ${onNpu} operators on the NPU are equal to the reference` +
    (named.length === 0 ? "" : `; worst: ${named.join(", ")}`)
  );
}

const binName = ({ from, to }: HistogramBin): string => {
  if (from === null) return `${to} and below`;
  if (to === null) return `${from} and above`;
  return from === to ? String(from) : `${from} to ${to}`;
};

/** "0: 998, 1: 2": the bins that are not empty. */
const histogramText = ({ histogram }: Pick<TensorDifference, "histogram">): string =>
  histogram
    .filter(({ count }) => count > 0)
    .map((bin) => `${binName(bin)}: ${bin.count}`)
    .join(", ");

function printOutputs({ wholeModel }: AccuracyReport): void {
  for (const output of wholeModel) {
    const { name, different, elements, float } = output;
    const equal = different === 0;
    print(
      `whole model, ${name}: ` +
        (equal ? "equal" : `${different} of ${elements} elements differ`) +
        (equal ? "" : `; ${figuresText(output)}; by steps: ${histogramText(output)}`),
    );
    if (float)
      print(
        `  against float: ${figuresText(float.chained)}; the integer reference: ${figuresText(float.reference)}`,
      );
  }
}

const figuresText = (difference: TensorDifference): string =>
  `max ${figure(difference.max)}, mean ${difference.mean.toPrecision(3)}, ` +
  `cosine ${cosineText(difference)}, ${snrText(difference)}${difference.snrDb === null ? "" : " dB"}`;

function printPictures({ pictures }: AccuracyReport): void {
  print(`${pictures.length} pictures; outputs: the one that differs most`);
  print(
    table(
      ["picture", "worst layer alone", "max", "outputs: max", "mean", "cosine", "dB"],
      pictures.map(({ name, worst, outputs }) => {
        const most = outputs.reduce((a, b) => (b.max > a.max ? b : a));
        return [
          shorten(name, 40),
          worst ? `#${worst.op} ${worst.name}` : "",
          worst ? figure(worst.max) : "",
          maxText(most),
          most.mean === 0 ? "0" : most.mean.toPrecision(3),
          cosineText(most),
          snrText(most),
        ];
      }),
      ["left", "left", "right", "right", "right", "right", "right"],
    ),
  );
}

/** Prints a comparison. */
export function printComparison(report: AccuracyReport): void {
  const { layers, evidence, pictures, notes } = report;
  print(layerTable(layers, false));
  const chained = evidence === "simulated" ? "simulated" : "NPU's";
  print(
    out.dim(
      `alone: fed with the reference's inputs; chained: fed with the ${chained} ones; in steps of the output`,
    ),
  );
  if (layers.some(({ float }) => float !== undefined)) {
    print("");
    print("against a float evaluation of the dequantised model");
    print(layerTable(layers, true));
    print(
      out.dim(
        "alone: both fed with the reference's inputs; reference: the integer reference chained, what quantisation itself costs",
      ),
    );
  }
  print(worstText(layers));
  if (pictures.length > 1) printPictures(report);
  printOutputs(report);
  for (const note of notes) print(note);
}
