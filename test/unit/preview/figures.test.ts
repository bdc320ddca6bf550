// Figures in words: nothing is called 100 % of nothing, nothing unknown is called none, nothing better that is only less.
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { buildReport, compile, type CompileReport } from "../../../core-as/index.ts";
import { writeModel } from "../../../core-as/model/write.ts";
import { compareTotals } from "../../../examples/preview/views/compare-data.ts";
import type { NodeView } from "../../../examples/preview/views/graph-data.ts";
import { nodeLabel, shapeText, titleText } from "../../../examples/preview/views/graph-text.ts";
import {
  figuresOf,
  placesText,
  targetFacts,
} from "../../../examples/preview/views/summary-data.ts";
import { graph, op, tensor } from "../../helpers/make-graph.ts";

const model = new Uint8Array(readFileSync("examples/sample/digits.tflite"));
const { executable, report } = await compile(model);

/** Figures by their title, as "value: note". */
const figures = (of: CompileReport): Record<string, string> =>
  Object.fromEntries(figuresOf(of).map(({ title, value, note }) => [title, `${value}: ${note}`]));

/** A softmax of floats, or a model whose output is its input. */
async function withoutMacs(operators: 0 | 1): Promise<CompileReport> {
  const values = tensor([1, 8], { type: "float32" });
  const ops = operators === 0 ? [] : [op("SOFTMAX", [0], [1], { beta: 1 })];
  const bytes = writeModel({
    graph: graph([values, values], ops, [0], [operators]),
    description: "",
    schemaVersion: 3,
    otherSubgraphs: [],
  });
  return (await compile(bytes)).report;
}

test("a model without arithmetic has none on the NPU", async () => {
  const softmax = await withoutMacs(1);
  assert.is(
    figures(softmax)["Arithmetic on the NPU"],
    "none: the model has no multiply-accumulates; 0 of 1 operator",
  );
  assert.is(figuresOf(softmax)[0]!.share, undefined, "no bar");
  assert.is(placesText(softmax.totals), "Nothing of this model runs on the NPU");
  const rows = compareTotals(softmax, softmax).map(({ name, optimised }) => [name, optimised]);
  assert.equal(Object.fromEntries(rows)["Arithmetic on the NPU"], "–");
  assert.equal(Object.fromEntries(rows)["Predicted time"], "–");

  assert.is(placesText((await withoutMacs(0)).totals), "This model has no operators");
});

test("a model with arithmetic has its share of it", () => {
  const { totals } = report;
  assert.match(figures(report)["Arithmetic on the NPU"]!, /^\d+\.\d %: .* of 14 operators$/);
  assert.is(figuresOf(report)[0]!.share, totals.npuMacShare);
  assert.match(figures(report)["Coefficients"]!, "bits a weight, headers included");
  assert.is(placesText(totals), "2 operators on the CPU");
  assert.is(
    placesText({ ...totals, operators: 1300, operatorsOnNpu: 100 }),
    "1,200 operators on the CPU",
  );
  assert.match(
    figures({ ...report, totals: { ...totals, operators: 1300, operatorsOnNpu: 1200 } })[
      "Arithmetic on the NPU"
    ]!,
    "1,200 of 1,300 operators",
  );
});

test("of a chip that is not known nothing is claimed", () => {
  const chip = { ...executable.chip, name: "unheard-of", model: 0x1234 };
  const unknown = buildReport({ ...executable, chip });
  assert.is(unknown.totals.predictedMs, null);
  assert.match(figures(unknown)["Coefficients"]!, /^unknown: /);
  assert.match(figures(unknown)["Multipliers at work"]!, /^unknown: (?!.*0 B)/);
  const names = (of: CompileReport): string[] => targetFacts(of).map(([name]) => name);
  assert.ok(names(report).includes("Cores"));
  assert.not(names(unknown).includes("Cores"));
});

test("totals are judged only where both modes have the same operators on the NPU", () => {
  const verdicts = (a: CompileReport, b: CompileReport): string[] =>
    compareTotals(a, b)
      .filter(({ verdict }) => verdict !== "")
      .map(({ name, verdict }) => `${name} ${verdict}`);
  const time = report.totals.predictedMs!;
  const slower = { ...report, totals: { ...report.totals, predictedMs: 2 * time } };
  assert.equal(verdicts(report, slower), ["Predicted time good"]);

  // With all but the first of them on the CPU it is no wonder that the NPU takes less time.
  const less: CompileReport = {
    ...report,
    operators: report.operators.map((each, i) => (i === 0 ? each : { ...each, place: "cpu" })),
    totals: { ...report.totals, predictedMs: time / 2, operatorsOnNpu: 1, npuMacShare: 0.1 },
  };
  assert.equal(verdicts(report, less), ["Operators on the NPU good", "Arithmetic on the NPU good"]);
});

test("what is written on a box leaves room for its number and its share", () => {
  assert.is(titleText("DEPTHWISE_CONV_2D", 999), "DEPTHWISE_CONV_2D");
  assert.is(titleText("DEPTHWISE_CONV_2D", 1000), "…THWISE_CONV_2D");
  assert.is(titleText("RESIZE_NEAREST_NEIGHBOR", 12345).length, 14);
  assert.is(shapeText([1, 1024, 1024, 128], null), "1×1024×1024×128");
  assert.is(shapeText([1, 1024, 1024, 128], 0), "1×1024×1024×128");
  assert.is(shapeText([1, 1024, 1024, 128], 0.2), "…024×1024×128");
});

test("a screen reader says what is written, and the rest", () => {
  const place = { x: 0, y: 0, width: 0, height: 0, after: [], before: [] };
  const node: NodeView = {
    id: "op60",
    kind: "npu",
    op: 60,
    title: "RESIZE_NEAREST_NEIGHBOR",
    shape: [1, 40, 40, 128],
    share: 0.034,
    ...place,
  };
  assert.is(
    nodeLabel(node),
    "…EAREST_NEIGHBOR #60 NPU 1×40×40×128 3.4 % of the predicted time, RESIZE_NEAREST_NEIGHBOR",
  );
});

/** Contrast of two colours as WCAG defines it. */
function contrast(a: string, b: string): number {
  const luminance = (colour: string): number => {
    const [red, green, blue] = [1, 3, 5].map((at) => {
      const share = parseInt(colour.slice(at, at + 2), 16) / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
  };
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high! + 0.05) / (low! + 0.05);
}

test("arrows of the graph can be seen: a contrast of 3 to 1 in both schemes", () => {
  const read = (path: string): string => readFileSync(`examples/preview/${path}`, "utf8");
  const [app, views] = [read("app.css"), read("views/views.css")];
  const stroke = /\.edges path \{[^}]*stroke: var\((--[\w-]+)\)/.exec(views)![1]!;
  const head = /\.arrow \{[^}]*fill: var\((--[\w-]+)\)/.exec(views)![1]!;
  const schemes = [/:root \{([^}]*)\}/, /:root\[data-theme="dark"\] \{([^}]*)\}/];
  for (const block of schemes.map((rule) => rule.exec(app)![1]!)) {
    const colour = (name: string): string =>
      new RegExp(`${name}: (#[0-9a-f]{6});`).exec(block)![1]!;
    for (const name of [stroke, head])
      assert.ok(contrast(colour(name), colour("--bg")) >= 3, `${name} ${colour(name)}`);
  }
});

test.run();
