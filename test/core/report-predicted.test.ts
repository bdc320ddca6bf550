// The predicting part of the report, and its forms: JSON, CSV, page, trace.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compile } from "../../core-as/compile/compile.ts";
import { totalMs } from "../../core-as/cost/job-cost.ts";
import { overrideSystem, systemOf } from "../../core-as/hw/systems.ts";
import { priceExecutable } from "../../core-as/inspect/price.ts";
import { reportAgainst } from "../../core-as/inspect/report-against.ts";
import { reportCsv } from "../../core-as/inspect/report-csv.ts";
import { reportHtml } from "../../core-as/inspect/report-html.ts";
import { reportTrace } from "../../core-as/inspect/report-trace.ts";
import { buildReport, type CompileReport } from "../../core-as/inspect/report.ts";
import { coreOf } from "../helpers/cores.ts";
import { synthModel } from "../helpers/synth-model.mjs";

const test = suite("predictions in the report");
const core = await coreOf("release");
const CHAIN = "chain-mbv1-i33x33x3-o16-u8";
const close = (a: number, b: number): void => assert.ok(Math.abs(a - b) < 1e-9, `${a} ${b}`);
const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

async function bothReports(target = "a311d"): Promise<CompileReport> {
  const model = synthModel(CHAIN);
  const { report } = await compile(model, { core, target });
  const options = { core, target, mode: "compatible", allowQuirks: true } as const;
  const reference = await compile(model, options);
  report.against = reportAgainst(report, reference.report, "the reference driver");
  return report;
}

for (const target of ["a311d", "imx8mp", "stm32mp2"])
  test(`${target}: jobs, operators and totals add up`, async () => {
    const { report, executable } = await compile(synthModel(CHAIN), { core, target });
    const { totals, jobs, operators } = report;
    const predictions = jobs.map(({ prediction }) => prediction!);
    close(totals.predictedMs!, totalMs(priceExecutable(executable), systemOf(target)));
    close(totals.predictedMs!, sum(predictions.map(({ ms }) => ms)));
    close(1, sum(predictions.map(({ share }) => share)));
    close(totals.predictedMs!, sum(operators.map(({ predictedMs }) => predictedMs ?? 0)));
    assert.is(totals.dramBytes, sum(predictions.map(({ dramBytes }) => dramBytes)));
    assert.is(totals.dramBytes, totals.dramReadBytes + totals.dramWrittenBytes);
    assert.is(totals.cycles, sum(predictions.map(({ cycles }) => cycles)));
    const [least, most] = totals.predictedRangeMs!;
    close(most - least, jobs.length * 0.02);
    assert.ok(totals.utilisation > 0 && totals.utilisation <= 1);
    for (const { utilisation } of predictions) assert.ok(utilisation >= 0 && utilisation <= 1);
    for (const { savedMs, predictedMs } of report.whatIfs) {
      assert.ok(savedMs > 0);
      close(savedMs + predictedMs, totals.predictedMs!);
    }
    assert.is(
      operators.filter(({ place, predictedMs }) => (place === "cpu") !== (predictedMs === null))
        .length,
      0,
    );
  });

test("other figures make other times", async () => {
  const system = overrideSystem(systemOf("a311d"), { overheadUs: 1000 });
  const { report } = await compile(synthModel(CHAIN), { core, system });
  assert.is(report.system.error, null);
  assert.ok(report.totals.predictedMs! > report.totals.jobs);
  assert.is(report.whatIfs[0]!.what, "starting jobs");
});

test("observed times stand beside predicted ones, with their evidence", async () => {
  const { executable } = await compile(synthModel(CHAIN), { core });
  const jobs = [{ partition: 0, job: 1, milliseconds: 2.5, counters: {} }];
  const report = buildReport(executable, null, { profile: { jobs, evidence: "simulated" } });
  assert.equal(report.jobs[1]!.observed, { ms: 2.5, evidence: "simulated" });
  assert.is(report.jobs[0]!.observed, null);
  assert.match(reportCsv(report), /,2\.5,simulated\r\n/);
  assert.match(reportHtml(report), "2.50 ms simulated");
});

test("the reference beside it", async () => {
  const { against, totals } = await bothReports();
  close(against!.speedup! * totals.predictedMs!, against!.totals.predictedMs!);
  assert.is(against!.mode, "compatible");
  assert.is(against!.operators.length, totals.operators);
});

test("CSV: one row a job, nothing that a spreadsheet would run", async () => {
  const report = await bothReports();
  report.jobs[0]!.sourceTensor = '=HYPERLINK("x"),1';
  const lines = reportCsv(report).trimEnd().split("\r\n");
  assert.is(lines.length, report.jobs.length + 1);
  assert.match(lines[0]!, /^job,unit,.*,predicted_ms,bound,share,/);
  assert.ok(lines[1]!.includes(`"'=HYPERLINK(""x""),1"`), lines[1]);
});

test("the page needs nothing else and takes no model's word for markup", async () => {
  for (const target of ["a311d", "imx8mp"]) {
    const report = await bothReports(target);
    report.model.name = "<script>alert(1)</script>";
    report.jobs[0]!.sourceName = '"><img src=x onerror=1>';
    report.operators[0]!.output = "</td>&";
    const page = reportHtml(report);
    assert.not.match(page, /<script|<img|<link|https?:|url\(|@import/);
    assert.match(page, "prefers-color-scheme: dark");
    assert.match(page, "predicted");
    assert.is(page.match(/<svg /g)!.length, 2);
    for (const tag of ["svg", "table", "tr", "td", "th", "div", "p", "rect", "circle", "title"]) {
      const count = (pattern: string): number => page.match(new RegExp(pattern, "g"))?.length ?? 0;
      assert.is(count(`<${tag}[ >]`), count(`</${tag}>`), tag);
    }
    assert.not.match(page, /NaN|undefined|Infinity/);
  }
});

test("the trace: jobs of a unit follow each other, operators span their jobs", async () => {
  const report = await bothReports();
  const { traceEvents, otherData } = JSON.parse(reportTrace(report)) as {
    traceEvents: { ph: string; pid: number; tid: number; ts: number; dur: number; name: string }[];
    otherData: { evidence: string };
  };
  assert.is(otherData.evidence, "predicted");
  const slices = traceEvents.filter(({ ph }) => ph === "X");
  for (const [pid, jobs] of [
    [1, report.jobs],
    [2, report.against!.jobs],
  ] as const) {
    const own = slices.filter((event) => event.pid === pid && event.tid > 1);
    assert.is(own.length, jobs.length);
    let end = 0;
    for (const { ts, dur } of own) {
      assert.ok(Math.abs(ts - end) < 0.01);
      end = ts + dur;
    }
    const operators = slices.filter((event) => event.pid === pid && event.tid === 1);
    close(Math.round(sum(operators.map(({ dur }) => dur))), Math.round(end));
  }
});

test("a model without NPU work has a report all the same", async () => {
  const report = await bothReports();
  const empty = { ...report, jobs: [], whatIfs: [], against: undefined };
  assert.not.match(reportHtml(empty), /<svg|NaN/);
  assert.is(reportCsv(empty).split("\r\n").length, 2);
});

test.run();
