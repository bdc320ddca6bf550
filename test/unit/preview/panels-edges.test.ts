// What the preview's panels show where it is easily wrong: jobs that overlap, kernels of one plane, tiles larger than the output.
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { blockTable } from "../../../core-as/inspect/decode.ts";
import { addedMs, predictJobs } from "../../../core-as/inspect/report-cost.ts";
import { tapText } from "../../../examples/preview/panels/heat-map.tsx";
import { currentJob } from "../../../examples/preview/panels/parts.tsx";
import { tilesData } from "../../../examples/preview/panels/tiles-data.ts";
import { timelineData } from "../../../examples/preview/panels/timeline-data.ts";
import { barAt, lanesOf } from "../../../examples/preview/panels/timeline.tsx";
import { bitsData, weightsData } from "../../../examples/preview/panels/weights-data.ts";
import { heldDigits, holdModel } from "../../helpers/held.ts";

const DIGITS = new Uint8Array(readFileSync("examples/sample/digits.tflite"));
const CASES = new Map(await heldDigits());
const near = (a: number, b: number): void => assert.ok(Math.abs(a - b) < 1e-9, `${a} and ${b}`);

test("a panel is about the selected job, or another one of its operator", () => {
  const { report } = CASES.get("a311d")!;
  const isNn = ({ kind }: { kind: string }): boolean => kind === "NN";
  const ofBoth = report.jobs.filter(
    ({ kind, sourceOp }) =>
      kind === "TP" && report.jobs.some((job) => job.kind === "NN" && job.sourceOp === sourceOp),
  );
  const { sourceOp, partition, job } = ofBoth.at(-1)!;
  const selection = { op: sourceOp, partition, job };
  assert.is(currentJob(report, selection)!.job, job);
  const found = currentJob(report, selection, isNn)!;
  assert.equal([found.kind, found.sourceOp], ["NN", sourceOp]);
  assert.is(currentJob(report, { op: -1 }, isNn), report.jobs.find(isNn));
  assert.is(
    currentJob(report, {}, () => false),
    undefined,
  );
});

test("jobs that overlap begin when the report says, and add what is not hidden", () => {
  const held = CASES.get("a311d")!;
  // Every second job runs beside the one before.
  const costs = held.report.jobs.map(({ prediction }) => prediction!);
  const until = costs.map((_, i) => Math.min(i + 1 - (i % 2), costs.length - 1));
  const { system } = held.report;
  const predictions = predictJobs(costs, { ...system, bandwidthGBs: 1e6 }, until);
  const jobs = held.report.jobs.map((job, i) => ({ ...job, prediction: predictions[i]! }));
  const { bars, cpu, totalMs } = timelineData({ ...held, report: { ...held.report, jobs } });
  const added = predictions.map(addedMs).reduce((sum, ms) => sum + ms, 0);
  assert.ok(predictions.some(({ hiddenMs }) => hiddenMs > 0));
  near(totalMs, added);
  near(cpu.at(-1)!.atMs, added);
  assert.equal(
    bars.map(({ startMs }) => startMs),
    predictions.map(({ startMs }) => startMs),
  );
});

test("the lane of observed times is pointed at by observed times", () => {
  const held = CASES.get("a311d")!;
  const jobs = held.report.jobs.map(({ partition, job }) => ({
    ...{ partition, job, milliseconds: 1 },
    counters: {},
  }));
  const data = timelineData(held, { profile: { jobs, evidence: "measured" } });
  const lanes = lanesOf(data);
  const starts = data.bars.map(({ startMs }) => startMs);
  // Lanes are 42 pixels from each other, below an axis of 22.
  const at = (lane: number, ms: number): number => barAt(data, lanes, starts, 22 + 42 * lane, ms);
  for (const [i, bar] of data.bars.entries()) {
    assert.is(at(2, i + 0.5), i);
    const middle = bar.startMs + bar.ms / 2;
    assert.is(at(bar.kind === "NN" ? 0 : 1, middle), i);
    assert.is(at(bar.kind === "NN" ? 1 : 0, middle), i, "nothing else runs then");
  }
  assert.is(at(2, -1), 0);
});

test("a kernel of one plane is its own channel's", () => {
  let kernels = 0;
  const held = CASES.get("imx8mp")!;
  for (const job of held.report.jobs.filter(({ op }) => op === "dwconv")) {
    const { kernelsOfCores } = weightsData(held, { ...job, core: 0, kernel: 0 });
    for (const core of kernelsOfCores.keys()) {
      const args = { partition: job.partition, job: job.job, core, kernel: 1 };
      const data = weightsData(held, args);
      assert.equal([data.partition, data.job], [job.partition, job.job]);
      assert.ok(data.fields.depthwise);
      const place = `input channel ${data.channel}, row 0, column 0`;
      assert.ok(tapText(data, 0).startsWith(`${place}: `), tapText(data, 0));
      const { spans } = bitsData(held, { ...args, only: "kernel", from: 0, count: 1000 });
      const own = spans.find(({ kernel, taps }) => kernel === 1 && taps.includes(0))!;
      assert.ok(own.meaning.includes(`${place} of output channel ${data.channel}`), own.meaning);
      assert.is(data.inModel!.plane, null);
      kernels++;
    }
  }
  assert.ok(kernels > 3);
});

test("a page of bits says what was skipped before it", () => {
  const held = CASES.get("imx8mp")!;
  const { partition, job } = held.report.jobs.find(({ kind }) => kind === "NN")!;
  const args = { partition, job, core: 0, kernel: 0, only: "kernel" } as const;
  const whole = bitsData(held, { ...args, from: 0, count: 1000 });
  assert.ok(whole.spans.slice(1).some(({ skippedBits }) => skippedBits > 0));
  for (const from of whole.spans.keys())
    assert.equal(bitsData(held, { ...args, from, count: 1 }).spans[0], whole.spans[from]);
});

test("a tile that is larger than the output reads no more than the output needs", async () => {
  const options = { target: "imx8mp", mode: "compatible", allowQuirks: true } as const;
  let larger = 0;
  for (const held of [...CASES.values(), await holdModel(DIGITS, options)])
    for (const job of held.report.jobs.filter(({ kind }) => kind === "NN")) {
      const tiles = tilesData(held, job);
      if (tiles.kind !== "NN") throw new Error("an NN job has NN tiles");
      const { input, output, kernel, tile } = tiles.shape;
      const most = (output.x + kernel.x - 1) * (output.y + kernel.y - 1) * input.z;
      assert.ok(tiles.tileInputBytes <= most, `${tiles.tileInputBytes} of ${most}`);
      if (tile.x > output.x || tile.y > output.y) larger++;
    }
  assert.ok(larger > 0);
});

test("tiles of no size, which an opened executable may have, end", async () => {
  const held = await holdModel(DIGITS);
  const [partition] = held.executable.partitions;
  const job = partition!.jobs.findIndex(({ kind }) => kind === "NN");
  const { contents } = partition!.buffers[partition!.jobs[job]!.descriptors[0]!]!;
  const words = new DataView(contents!.buffer, contents!.byteOffset);
  for (const name of ["TILE_X_SIZE", "TILE_Y_SIZE"])
    for (const [word, hi, lo] of blockTable("NN").fields.find((f) => f.name === name)!.parts) {
      const mask = (2 ** (hi - lo + 1) - 1) * 2 ** lo;
      words.setUint32(4 * word, words.getUint32(4 * word, true) & ~mask, true);
    }
  const tiles = tilesData(held, { partition: 0, job });
  if (tiles.kind !== "NN") throw new Error("an NN job has NN tiles");
  assert.equal(tiles.shape.tile, { x: 1, y: 1 });
  assert.is(tiles.columns, tiles.shape.output.x);
});

test.run();
