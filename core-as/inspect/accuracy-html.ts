// A comparison as one self-contained page: no scripts, no other files, light and dark by the reader's choice.
// SPDX-License-Identifier: MIT
import type { TensorDifference } from "./accuracy.ts";
import { largeHistogram, legendHtml, maxSvg, smallHistogram, snrSvg } from "./accuracy-charts.ts";
import { beyondLimit, firstViolation, type AccuracyLimits } from "./accuracy-limits.ts";
import {
  differenceOf,
  firstText,
  snrText,
  worstFirst,
  type AccuracyReport,
  type Comparison,
  type LayerAccuracy,
} from "./accuracy-report.ts";
import { cardsHtml, htmlPage, nameCell } from "./html-page.ts";
import { escapeHtml, grouped, htmlTable, percentText } from "./html-text.ts";

const STYLE = `
:root { --alone: #2f7ebc; --chained: #d9792b; --float: #8a5cc4; --reference: #6b9c3f; --bad: #b0304a; }
@media (prefers-color-scheme: dark) {
  :root { --alone: #5aa7e0; --chained: #f0a05a; --float: #b794e8; --reference: #96c86a; --bad: #f07a92; } }
polyline { fill: none; stroke-width: 1.5; } circle { fill-opacity: 1; stroke: none; }
circle.alone { fill: var(--alone); } circle.chained { fill: var(--chained); } circle.float { fill: var(--float); } circle.reference { fill: var(--reference); }
polyline.chained { stroke: var(--chained); } polyline.float { stroke: var(--float); } polyline.reference { stroke: var(--reference); }
.key.alone { background: var(--alone); margin-left: 0; } .key.chained { background: var(--chained); } .key.float { background: var(--float); } .key.reference { background: var(--reference); }
.same { fill: var(--rule); } .off { fill: var(--chained); } .bad { color: var(--bad); font-weight: 600; }
body { max-width: 1480px; } th { white-space: normal; vertical-align: bottom; } .cards div { overflow-wrap: anywhere; }
svg.hist { width: 96px; height: 16px; } h3 { font-size: 14px; margin: 18px 0 4px; overflow-wrap: anywhere; }
`;

const figure = (value: number): string =>
  Number.isInteger(value) ? grouped(value) : String(Number(value.toPrecision(3)));

/**
 * The whole page.
 * @param limits figures beyond them are marked; with a comparison with float, those of float
 */
export function accuracyHtml(report: AccuracyReport, limits: AccuracyLimits = {}): string {
  const { model, target } = report;
  const name = model.name === "" ? "model without a name" : model.name;
  const hasFloat = report.layers.some(({ float }) => float !== undefined);
  return htmlPage(
    `accuracy of ${name} on ${target}`,
    [
      header(report, name),
      judgement(report, limits, hasFloat),
      cards(report),
      ...report.notes.map((note) => `<p>${escapeHtml(note)}</p>`),
      section(report, limits, false),
      ...(hasFloat ? [section(report, limits, true)] : []),
      outputs(report),
      pictures(report),
    ],
    STYLE,
  );
}

function header({ target, mode, evidence, pictures: list }: AccuracyReport, name: string): string {
  const inputs = list.length === 1 ? list[0]!.name : `${list.length} pictures`;
  const sentence =
    evidence === "simulated"
      ? "All values of the NPU are <b>simulated</b>, nothing was measured on a board."
      : `The values of the NPU are <b>${escapeHtml(evidence)}</b>.`;
  return (
    `<h1>Accuracy of ${escapeHtml(name)}</h1>` +
    `<p class="soft">${escapeHtml(`${target}, ${mode} mode, fed with ${inputs}`)}</p>` +
    `<p>${sentence} Differences are in steps of each layer's output; of floating point outputs a step is the 255th part of their range.</p>`
  );
}

function judgement(report: AccuracyReport, limits: AccuracyLimits, float: boolean): string {
  if (Object.keys(limits).length === 0) return "";
  const violation = firstViolation(report, limits, float);
  if (violation === null) return "<p>Every layer alone and every output keeps the limits.</p>";
  const { where, figure: what, value, limit } = violation;
  return `<p class="bad">${escapeHtml(`${where}: ${what} is ${value}, allowed is ${limit}.`)}</p>`;
}

function cards({ layers, wholeModel }: AccuracyReport): string {
  const onNpu = layers.filter(({ alone }) => alone !== null);
  const worst = worstFirst(layers);
  const within = onNpu.map(({ alone }) => alone!.within1);
  const list: [string, string][] = [
    [
      `${onNpu.length - worst.length} of ${onNpu.length}`,
      "layers on the NPU are exact when they are alone",
    ],
  ];
  if (worst[0])
    list.push([
      figure(worst[0].alone!.max),
      `steps at most, in #${worst[0].op} ${worst[0].name} alone`,
    ]);
  if (within.length > 0)
    list.push([
      percentText(Math.min(...within)),
      "of each layer's elements at least are within one step",
    ]);
  for (const { name, different, elements, cosine, float } of wholeModel.slice(0, 4)) {
    list.push([
      different === 0 ? "equal" : `${grouped(different)} of ${grouped(elements)}`,
      different === 0
        ? `output ${name}`
        : `elements of output ${name} differ, cosine ${cosine.toFixed(6)}`,
    ]);
    if (float)
      list.push([
        `${snrText(float.chained)}${float.chained.snrDb === null ? "" : " dB"}`,
        `output ${name} against float; the integer reference ${snrText(float.reference)}`,
      ]);
  }
  return cardsHtml(list);
}

function section(report: AccuracyReport, limits: AccuracyLimits, float: boolean): string {
  const against = float ? "a float evaluation of the dequantised model" : "the integer reference";
  const meaning = float
    ? "Alone: the layer and its float form fed with the integer reference's inputs. Chained: behind all layers before it. Integer reference: what quantisation itself costs."
    : "Alone: fed with the integer reference's inputs. Chained: the compiled network's own value, behind all layers before it.";
  const judged = report.layers.some((layer) => layer.float !== undefined) === float;
  return (
    `<h2>Against ${against}</h2><p class="soft">${meaning}</p>${legendHtml(float)}` +
    `${snrSvg(report, float)}${maxSvg(report, float)}` +
    layerTable(report.layers, float, judged ? limits : {})
  );
}

function layerTable(
  layers: readonly LayerAccuracy[],
  float: boolean,
  limits: AccuracyLimits,
): string {
  const hasMethod = layers.some(({ method }) => method !== null);
  const hasBound = layers.some(({ bound }) => bound !== null);
  const figures = [">max", ">mean", ">cosine", ">dB", ">≤ 1 step", ">worst channel"];
  return htmlTable(
    [
      ">#",
      "operator",
      "output",
      "place",
      ...(hasMethod ? ["method"] : []),
      ...(hasBound ? [">bound"] : []),
      ...figures.map((name) => name.replace(">", ">alone ")),
      "differences alone",
      ...figures.map((name) => name.replace(">", ">chained ")),
      "differences chained",
      ...(float ? [">reference dB"] : []),
      ...(float ? [] : ["first difference"]),
    ],
    layers.map((layer) => [
      String(layer.op),
      escapeHtml(layer.name),
      nameCell(layer.output),
      layer.place === "npu" ? "NPU" : "CPU",
      ...(hasMethod ? [escapeHtml(layer.method ?? "")] : []),
      ...(hasBound ? [layer.bound === null ? "" : figure(layer.bound)] : []),
      ...cells(layer, "alone", float, limits),
      ...cells(layer, "chained", float, {}),
      ...(float ? [layer.float ? snrText(layer.float.reference) : ""] : []),
      ...(float ? [] : [escapeHtml(placeText(layer))]),
    ]),
  );
}

const placeText = ({ shape, alone, chained }: LayerAccuracy): string =>
  (alone && firstText(shape, alone)) ?? (chained && firstText(shape, chained)) ?? "";

function cells(
  layer: LayerAccuracy,
  comparison: Comparison,
  float: boolean,
  limits: AccuracyLimits,
): string[] {
  const difference = differenceOf(layer, comparison, float);
  if (difference === null) return ["", "", "", "", "", "", ""];
  const { max, mean, cosine, within1, worstChannel, notFinite } = difference;
  const most = notFinite > 0 ? "no number" : figure(max);
  return [
    beyondLimit(difference, limits) ? `<span class="bad">${most}</span>` : most,
    mean === 0 ? "0" : mean.toPrecision(3),
    cosine.toFixed(6),
    snrText(difference),
    percentText(within1),
    channelText(worstChannel),
    smallHistogram(difference),
  ];
}

function channelText(worst: TensorDifference["worstChannel"]): string {
  if (worst === null) return "";
  const { channel, max, mean } = worst;
  return `<span title="${escapeHtml(`max ${figure(max)}, mean ${mean.toPrecision(3)}`)}">${channel}</span>`;
}

function outputs({ wholeModel }: AccuracyReport): string {
  const parts = wholeModel.map((output) => {
    const { name, shape, max, mean, cosine, within1 } = output;
    const text =
      `max ${figure(max)}, mean ${mean.toPrecision(3)}, cosine ${cosine.toFixed(6)}, ` +
      `${snrText(output)}${output.snrDb === null ? "" : " dB"}, ${percentText(within1)} within one step`;
    return (
      `<h3>${escapeHtml(name)} <span class="soft">[${shape.join(", ")}]</span></h3>` +
      `<p>${escapeHtml(text)}</p>${largeHistogram(output, `differences of ${name}`)}`
    );
  });
  return `<h2>Outputs</h2><p class="soft">The model as it is compiled for use, against the integer reference; heights are logarithmic.</p>${parts.join("")}`;
}

function pictures({ pictures: list }: AccuracyReport): string {
  if (list.length < 2) return "";
  return `<h2>Pictures</h2>${htmlTable(
    [
      "picture",
      "worst layer alone",
      ">max",
      ">output",
      ">max",
      ">mean",
      ">cosine",
      ">dB",
      "differences",
    ],
    list.map(({ name, worst, outputs: all }) => {
      const most = all.reduce((a, b) => (b.max > a.max ? b : a));
      return [
        escapeHtml(name),
        worst ? escapeHtml(`#${worst.op} ${worst.name}`) : "",
        worst ? figure(worst.max) : "",
        String(all.indexOf(most)),
        figure(most.max),
        most.mean === 0 ? "0" : most.mean.toPrecision(3),
        most.cosine.toFixed(6),
        snrText(most),
        smallHistogram(most),
      ];
    }),
  )}`;
}
