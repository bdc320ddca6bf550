// The page's state without a page: what is kept, what is selected, what is said. The worker is a stand-in.
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compile, TransportError, type CompileReport } from "../../../core-as/index.ts";
import type { Remote, WorkerCompileOptions } from "../../../core-as/worker/index.ts";
import type { PreviewService } from "../../../examples/preview/service.ts";
import { Controller } from "../../../examples/preview/shell/controller.ts";

const { report: SAMPLE } = await compile(
  new Uint8Array(readFileSync("examples/sample/digits.tflite")),
);

/** A worker that compiles at once, and whose answers tests replace. */
class FakeService {
  readonly held = new Set<string>();
  reportOf = (_options: WorkerCompileOptions): CompileReport => SAMPLE;
  /** Runs before a compilation ends. */
  during = async (_options: WorkerCompileOptions): Promise<void> => undefined;
  view = async (): Promise<unknown> => ({ ops: [], nodes: [], edges: [], width: 0, height: 0 });

  async compile(_model: Uint8Array, options: WorkerCompileOptions) {
    await this.during(options);
    return { executable: new Uint8Array(), report: this.reportOf(options), timings: [] };
  }

  async hold(key: string): Promise<void> {
    this.held.add(key);
  }

  async forget(key: string): Promise<void> {
    this.held.delete(key);
  }

  async cancel(): Promise<void> {}
}

interface Context {
  service: FakeService;
  controller: Controller;
}

const test = suite<Context>("controller");

test.before(() => {
  Object.assign(globalThis, {
    location: { hash: "", pathname: "/", search: "" },
    history: { replaceState: () => undefined },
  });
});
test.after(() => {
  for (const name of ["location", "history"]) Reflect.deleteProperty(globalThis, name);
});

test.before.each((context) => {
  context.service = new FakeService();
  context.controller = new Controller(context.service as unknown as Remote<PreviewService>);
});

/** Everything that was begun is over; the stand-in never waits for a timer. */
const settled = (): Promise<void> => new Promise((done) => setTimeout(done));

async function openModel(controller: Controller): Promise<void> {
  controller.open({ kind: "model", name: "digits.tflite", bytes: new Uint8Array(8) });
  await settled();
}

async function change(
  controller: Controller,
  patch: Parameters<Controller["change"]>[0],
): Promise<void> {
  controller.change(patch);
  await settled();
}

test("what is shown is held, however long ago it was compiled", async ({ controller, service }) => {
  await openModel(controller);
  for (const chip of ["imx8mp", "vipnano-qi-7d0", "vippico-v3", "a311d"])
    await change(controller, { chip });
  await controller.compileOther();
  const { shown, other } = controller.state;
  assert.is(shown!.chip, "a311d");
  assert.ok(service.held.has(shown!.key), "shown");
  assert.ok(service.held.has(other!.key), "the other mode");
  assert.is(service.held.size, 4, "the oldest one is forgotten");
});

test("nothing is held of a compilation that ends when another is wanted", async (context) => {
  const { controller, service } = context;
  service.during = async ({ target }) => {
    if (target === "a311d") controller.change({ chip: "imx8mp" });
  };
  await openModel(controller);
  assert.is(controller.state.shown!.chip, "imx8mp");
  assert.equal([...service.held], [controller.state.shown!.key]);
});

test("a graph that fails takes nothing else with it", async ({ controller, service }) => {
  const { view } = service;
  service.view = () => Promise.reject(new RangeError("Maximum call stack size exceeded"));
  await openModel(controller);
  const { shown, failure, graphFailure } = controller.state;
  assert.is(shown!.report, SAMPLE);
  assert.is(failure, null);
  assert.is(graphFailure!.message, "Maximum call stack size exceeded");
  service.view = view;
  await change(controller, { chip: "imx8mp" });
  assert.is(controller.state.graphFailure, null);
  assert.ok(controller.state.graph);
});

test("a selected job stays selected only while it is the same operator's", async (context) => {
  const { controller, service } = context;
  await openModel(controller);
  const { partition, job, sourceOp: op } = SAMPLE.jobs[2]!;
  const chosen = { op, partition, job };
  controller.select(chosen);
  await change(controller, { exactRounding: true });
  assert.is(controller.state.selection, chosen);

  const others = SAMPLE.jobs.map((each) => ({ ...each, sourceOp: each.sourceOp + 1 }));
  service.reportOf = () => ({ ...SAMPLE, jobs: others });
  await change(controller, { mode: "compatible" });
  assert.equal(controller.state.selection, { op }, "a job of another operator");

  controller.select(chosen);
  service.reportOf = () => ({ ...SAMPLE, jobs: [] });
  await change(controller, { chip: "imx8mp" });
  assert.equal(controller.state.selection, { op }, "no such job");
});

test("a comparison that was cancelled can be made again", async ({ controller, service }) => {
  await openModel(controller);
  service.during = () => Promise.reject(new TransportError("TW_IO_ABORTED", "aborted"));
  await controller.compileOther();
  assert.is(controller.state.otherFailure!.code, "TW_IO_ABORTED");
  assert.is(controller.state.announcement, "Compilation cancelled.");
  service.during = async () => undefined;
  await controller.compileOther();
  assert.is(controller.state.other, null, "not by itself");
  controller.compareAgain();
  await controller.compileOther();
  assert.is(controller.state.other!.mode, "compatible");
  assert.is(controller.state.announcement, "Both modes are ready.");
});

test("no time is announced where no job takes any", async ({ controller, service }) => {
  await openModel(controller);
  assert.match(controller.state.announcement, /is ready\. Predicted \d/);
  const totals = { ...SAMPLE.totals, jobs: 0, predictedMs: 0, operatorsOnNpu: 0 };
  service.reportOf = () => ({ ...SAMPLE, totals, jobs: [] });
  await openModel(controller);
  assert.is(
    controller.state.announcement,
    "digits.tflite is ready. 0 of 14 operators on the NPU, 0 jobs.",
  );
});

test.run();
