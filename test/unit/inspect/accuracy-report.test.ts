// Limits, texts and the page of a comparison, from figures by hand.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  accuracyHtml,
  beyondLimit,
  compareTensors,
  elementName,
  firstText,
  firstViolation,
  snrText,
  worstFirst,
  type AccuracyReport,
  type LayerAccuracy,
  type TensorDifference,
} from "../../../core-as/index.ts";

const LAYOUT = {
  type: "uint8",
  shape: [1, 1, 2, 2],
  quantisation: { scales: Float32Array.of(1), zeroPoints: Int32Array.of(0), axis: 0 },
} as const;

/** Four elements of 100 each that are off by these steps. */
const off = (...steps: number[]): TensorDifference =>
  compareTensors(
    Uint8Array.from(steps, (step) => 100 + step),
    new Uint8Array(4).fill(100),
    LAYOUT,
  );

const layer = (op: number, alone: TensorDifference | null, more: Partial<LayerAccuracy> = {}) =>
  ({
    op,
    name: "CONV_2D",
    output: `t${op}`,
    shape: LAYOUT.shape,
    type: "uint8",
    place: alone ? "npu" : "cpu",
    method: null,
    bound: null,
    aloneBound: null,
    alone,
    chained: alone ?? off(0, 0, 0, 0),
    ...more,
  }) satisfies LayerAccuracy;

const reportOf = (layers: LayerAccuracy[], output = off(0, 0, 0, 0)): AccuracyReport => {
  const wholeModel = [{ name: "out", shape: LAYOUT.shape, ...output }];
  return {
    model: { name: "<b>&", sha256: "" },
    target: "a311d",
    mode: "optimised",
    evidence: "simulated",
    layers,
    wholeModel,
    pictures: [{ name: "one.png", outputs: wholeModel, worst: null }],
    notes: [],
  };
};

test("each limit lets its own value pass and stops what is beyond", () => {
  const difference = off(0, 1, 0, -3);
  const { cosine, snrDb } = difference;
  const allowed = [
    {},
    { maxDifference: 3 },
    { minCosine: cosine },
    { minSnrDb: snrDb! },
    { minWithin1: 0.75 },
  ];
  for (const limits of allowed) assert.is(beyondLimit(difference, limits), null);
  const figures = [
    { maxDifference: 2.9 },
    { minCosine: cosine + 1e-9 },
    { minSnrDb: snrDb! + 0.001 },
    { minWithin1: 0.76 },
  ].map((limits) => beyondLimit(difference, limits)!);
  assert.equal(
    figures.map(({ figure, limit }) => `${figure}, ${limit}`),
    [
      "the largest difference, at most 2.9",
      `the cosine, at least ${cosine + 1e-9}`,
      `signal to noise, at least ${snrDb! + 0.001} dB`,
      "the share within one step, at least 76 %",
    ],
  );
  assert.is(figures[0]!.value, "3");
  assert.is(figures[3]!.value, "75 %");
});

test("equal tensors keep every limit; a tensor without signal breaks that of noise", () => {
  const strict = { maxDifference: 0, minCosine: 1, minSnrDb: 1000, minWithin1: 1 };
  assert.is(beyondLimit(off(0, 0, 0, 0), strict), null);
  const zeros = compareTensors(Uint8Array.of(1, 0, 0, 0), new Uint8Array(4), LAYOUT);
  assert.is(beyondLimit(zeros, { minSnrDb: -1000 })!.value, "no signal");
});

test("values that are no numbers break any limit", () => {
  const broken = { ...off(0, 0, 0, 0), different: 1, notFinite: 1 };
  assert.is(beyondLimit(broken, {}), null);
  assert.is(beyondLimit(broken, { minWithin1: 0 })!.limit, "0");
});

test("the first layer beyond is named, before outputs; of float where that is asked for", () => {
  const float = { alone: off(5, 0, 0, 0), chained: null, reference: off(0, 0, 0, 0) };
  const layers = [
    layer(0, off(1, 0, 0, 0)),
    layer(1, null),
    layer(2, off(0, 4, 0, 0)),
    layer(3, off(0, 9, 0, 0), { float }),
  ];
  const report = reportOf(layers, off(0, 0, 20, 0));
  assert.is(firstViolation(report, { maxDifference: 1 })!.where, "operator 2 CONV_2D alone");
  const last = firstViolation(report, { maxDifference: 9 })!;
  assert.equal([last.op, last.where, last.value], [null, 'output 0 "out"', "20"]);
  assert.is(firstViolation(report, { maxDifference: 20 }), null);
  assert.is(firstViolation(report, { maxDifference: 1 }, true)!.op, 3);
  assert.equal(
    worstFirst(layers).map(({ op }) => op),
    [3, 2, 0],
  );
});

test("places and noise in words", () => {
  assert.is(elementName([1, 2, 3, 4], 23), "channel 3, row 1, column 2");
  assert.is(elementName([1, 10], 7), "element 7");
  assert.is(firstText(LAYOUT.shape, off(0, 0, 2, 0)), "channel 0, row 0, column 1: 100 / 102");
  assert.is(firstText(LAYOUT.shape, off(0, 0, 0, 0)), null);
  assert.is(snrText(off(0, 0, 0, 0)), "exact");
  assert.is(snrText(off(1, 1, 1, 1)), "40.0");
});

test("the page is one file without scripts, names are text, limits are marked", () => {
  const float = { alone: off(0, 0, 0, 0), chained: off(1, 0, 0, 0), reference: off(0, 0, 0, 0) };
  const layers = [
    layer(0, off(0, 2, 0, 0), { method: "3 groups", bound: 2, output: "a<script>" }),
    layer(1, null),
  ];
  const page = accuracyHtml(reportOf(layers, off(0, 0, 0, 7)), { maxDifference: 1 });
  assert.not.match(page, /<script|<link|<img|https?:|url\(|@import|<b>&</);
  assert.match(page, /prefers-color-scheme: dark/);
  assert.match(page, /&lt;b&gt;&amp;/);
  assert.match(page, /a&lt;script&gt;/);
  assert.match(
    page,
    /operator 0 CONV_2D alone: the largest difference is 2, allowed is at most 1\./,
  );
  assert.match(page, /<span class="bad">2<\/span>/);
  assert.match(page, /3 groups/);
  assert.not.match(page, /float evaluation|NaN|undefined|Infinity/);
  const withFloat = accuracyHtml(reportOf([layer(0, off(0, 2, 0, 0), { float })]));
  assert.match(withFloat, /Against a float evaluation/);
  assert.not.match(withFloat, /class="bad"|NaN|undefined/);
  // As many circles as there are figures: two charts of alone, chained; two of alone, chained, reference.
  assert.is(withFloat.match(/<circle /g)!.length, 2 * 2 + 2 * 3);
});

test.run();
