// The preview's shell without a browser: settings in the address, order of tables, errors in words, the graph's layout.
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  compile,
  DEFAULT_MODE,
  DEFAULT_TARGET,
  ModelFormatError,
  serialiseExecutable,
  TransportError,
  type CompileResult,
} from "../../../core-as/index.ts";
import { failureOf } from "../../../examples/preview/shell/failure.ts";
import { amountText, changeText, endOf } from "../../../examples/preview/shell/format.ts";
import {
  choicesKey,
  DEFAULTS,
  readHash,
  writeHash,
  type Settings,
} from "../../../examples/preview/shell/settings.ts";
import { sourceOf } from "../../../examples/preview/shell/source.ts";
import { compressionOf } from "../../../examples/preview/views/compression.ts";
import { graphView } from "../../../examples/preview/views/graph-data.ts";
import { nextSort, sorted, type Column } from "../../../examples/preview/views/sorting.ts";

const sample = (): Promise<CompileResult> =>
  compile(new Uint8Array(readFileSync("examples/sample/digits.tflite")));

test("the page begins with the compiler's defaults", () => {
  assert.is(DEFAULTS.chip, DEFAULT_TARGET);
  assert.is(DEFAULTS.mode, DEFAULT_MODE);
});

test("settings survive the way through the address", () => {
  const settings: Settings = {
    ...DEFAULTS,
    chip: "imx8mp",
    mode: "compatible",
    allowQuirks: true,
    tab: "jobs",
    theme: "dark",
    jobsBy: "-cycles",
  };
  assert.equal(readHash(`#${writeHash(settings)}`), settings);
  assert.is(writeHash(DEFAULTS), "");
  assert.equal(readHash(""), DEFAULTS);
});

test("what an address must not say is left at its default", () => {
  const hash =
    "#chip=<script>&mode=fast&exactRounding=yes&tab=../x&theme=pink&opsBy=a%20b&model=data:,";
  assert.equal(readHash(hash), DEFAULTS);
});

test("only settings of the mode make another compilation", () => {
  const key = (patch: Partial<Settings>): string => choicesKey({ ...DEFAULTS, ...patch });
  assert.is(key({ allowQuirks: true }), key({}));
  assert.is.not(key({ exactRounding: true }), key({}));
  assert.is.not(key({ accuracy: "exact" }), key({}));
  assert.is.not(key({ mode: "compatible" }), key({ mode: "compatible", allowQuirks: true }));
});

test("rows are sorted stably, what is unknown last", () => {
  const columns: Column<{ n: number | null; t: string }>[] = [
    { id: "n", title: "n", value: ({ n }) => n },
    { id: "t", title: "t", value: ({ t }) => t },
  ];
  const rows = [
    { n: 2, t: "a10" },
    { n: null, t: "a9" },
    { n: 1, t: "b" },
    { n: 2, t: "a1" },
  ];
  const order = (sort: string): string =>
    sorted(rows, columns, sort)
      .map(({ t }) => t)
      .join(" ");
  assert.is(order(""), "a10 a9 b a1");
  assert.is(order("n"), "b a10 a1 a9");
  assert.is(order("-n"), "a10 a1 b a9");
  assert.is(order("t"), "a1 a9 a10 b");
  assert.is(order("unknown"), "a10 a9 b a1");
  assert.equal(
    ["", "-n", "n"].map((sort) => nextSort(sort, "n", true)),
    ["-n", "n", ""],
  );
  assert.equal(
    ["", "t", "-t"].map((sort) => nextSort(sort, "t", false)),
    ["t", "-t", ""],
  );
});

test("errors have code and place", () => {
  const { message, code, where } = failureOf(
    new ModelFormatError("TW_MODEL_TRUNCATED", "too short", 48),
  );
  assert.equal(
    [message, code, where],
    ["too short (at byte 48)", "TW_MODEL_TRUNCATED", [["byte", "48"]]],
  );
  assert.equal(failureOf(new TransportError("TW_IO_ABORTED", "stopped", { addrGpu: 4096 })).where, [
    ["address", "0x1000"],
  ]);
  assert.is(failureOf("odd").code, "TW_BUG");
});

test("files are told apart by their bytes", async () => {
  assert.is(sourceOf("model.bin", new Uint8Array(8)).kind, "model");
  assert.is(sourceOf("x.twx", new Uint8Array(8)).kind, "twx");
  const bytes = serialiseExecutable((await sample()).executable);
  assert.is(sourceOf("renamed.bin", bytes).kind, "twx");
});

test("numbers for people", () => {
  assert.equal([812, 3512, 568_700_000, 1.2e9].map(amountText), [
    "812",
    "3.51 k",
    "568.7 M",
    "1.20 G",
  ]);
  assert.equal(
    [changeText(9, 8), changeText(97, 100), changeText(1, 1)],
    ["+12.5 %", "−3.0 %", "0.0 %"],
  );
  assert.is(endOf("abcdef", 4), "…def");
});

test("compression counts bytes and weights of all jobs", async () => {
  const { report } = await sample();
  const { bytes, weights, ratio, bitsPerWeight } = compressionOf(report.jobs)!;
  assert.is(bytes, report.totals.coefficientBytes);
  assert.ok(weights > 0);
  assert.is(ratio, bytes / weights);
  assert.is(bitsPerWeight, 8 * ratio);
  assert.is(compressionOf([]), null);
});

test("the graph has a box for every operator and port, and none covers another", async () => {
  const { executable, report } = await sample();
  const { nodes, edges, ops, width, height } = graphView({ executable, report });
  assert.is(nodes.length, report.operators.length + 2);
  assert.equal(
    nodes.filter(({ op }) => op !== null).map(({ kind }) => kind),
    report.operators.map(({ place }) => place),
  );
  for (const a of nodes) {
    assert.ok(a.x >= 0 && a.y >= 0 && a.x + a.width <= width && a.y + a.height <= height, a.id);
    for (const b of nodes)
      assert.ok(
        a === b ||
          a.x + a.width <= b.x ||
          b.x + b.width <= a.x ||
          a.y + a.height <= b.y ||
          b.y + b.height <= a.y,
        `${a.id} covers ${b.id}`,
      );
  }
  // The block with a sum: its input goes two ways.
  const into = (op: number): string[] =>
    edges.filter(({ to }) => to === `op${op}`).map(({ from }) => from);
  assert.equal(into(7).sort(), ["op4", "op6"]);
  assert.equal(nodes.find(({ id }) => id === "op4")!.after.sort(), ["op5", "op7"]);
  assert.ok(edges.every(({ points }) => points.length >= 2));

  const [stem] = ops;
  assert.equal(
    stem!.inputs.map(({ constant }) => constant),
    [false, true, true],
  );
  assert.match(stem!.inputs[0]!.quant, /^scale 0\.00392\d*, zero point 0$/);
  assert.ok(stem!.options.some(([name, value]) => name === "padding" && value === "same"));
});

test.run();
