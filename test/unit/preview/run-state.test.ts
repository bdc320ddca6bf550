// What runs in the preview and what is said of it, without a page: answers that come late, inputs that are chosen meanwhile, Cancel.
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compile, TransportError } from "../../../core-as/index.ts";
import type { Compiled, PanelProps } from "../../../examples/preview/panel-types.ts";
import {
  cancelSimulation,
  chooseInput,
  chooseLabels,
  choosePattern,
  failureAt,
  openModel,
  relabel,
  runStore,
  simulate,
} from "../../../examples/preview/run/run-state.ts";

const { report } = await compile(new Uint8Array(readFileSync("examples/sample/digits.tflite")));
const aborted = (): TransportError => new TransportError("TW_IO_ABORTED", "stopped");

/** A promise, and what settles it. */
function later<T>() {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((yes, no) => ([resolve, reject] = [yes, no]));
  return { promise, resolve, reject };
}

/** A worker whose simulations and views tests end; a model of one raw input of four bytes. */
class FakeService {
  simulations: ReturnType<typeof later<unknown>>[] = [];
  cancelled: string[] = [];
  views: Record<string, (args: { source: Blob; labels: string[] }) => unknown> = {
    "run-info": () => ({
      inputs: [{ name: "in", type: "uint8", shape: [1, 4], bytes: 4, takesPicture: false }],
      outputs: [],
    }),
    "run-answer": ({ labels }) => ({ labels }),
  };

  simulate(): Promise<unknown> {
    const simulation = later<unknown>();
    this.simulations.push(simulation);
    return simulation.promise;
  }

  async view(name: string, args: never): Promise<unknown> {
    return this.views[name]!(args);
  }

  async cancel(): Promise<void> {
    this.cancelled.push("simulation");
  }

  async cancelViews(name: string): Promise<void> {
    this.cancelled.push(name);
  }
}

interface Context {
  service: FakeService;
  props: PanelProps;
}

const test = suite<Context>("what runs");

const settled = (): Promise<void> => new Promise((done) => setTimeout(done));
const answer = () => ({ outputs: [new Uint8Array(1)], evidence: "simulated", timings: [] });

let models = 0;

/** Another compilation of the same model. */
const otherChip = ({ compiled, ...props }: PanelProps): PanelProps => ({
  ...props,
  compiled: { ...compiled, key: `${compiled.key} other` },
});

test.before.each(async (context) => {
  const service = new FakeService();
  const compiled = { key: "1 a311d", name: `${++models}.tflite`, report } as Compiled;
  context.service = service;
  context.props = { compiled, service } as unknown as PanelProps;
  await openModel(context.props);
  choosePattern(0);
});

test("an answer is shown beside the inputs that it is of", async ({ service, props }) => {
  const run = simulate(props, false);
  choosePattern(0);
  service.simulations[0]!.resolve(answer());
  await run;
  assert.is(runStore.value.outcome, null, "of the inputs before");
  assert.is(runStore.value.running, null);
  const second = simulate(props, false);
  service.simulations[1]!.resolve(answer());
  await second;
  assert.is(runStore.value.outcome!.key, props.compiled.key);
});

test("what was stopped does not start again by itself", async ({ service, props }) => {
  const run = simulate(props, false);
  cancelSimulation(props);
  service.simulations[0]!.reject(aborted());
  await run;
  assert.is(runStore.value.stopped, props.compiled.key);
  assert.is(runStore.value.failure, null);
  choosePattern(0);
  assert.is(runStore.value.stopped, null, "another input may run");
});

test("a simulation that a compilation took away may start again", async ({ service, props }) => {
  const run = simulate(props, false);
  service.simulations[0]!.reject(aborted());
  await run;
  assert.is(runStore.value.running, null);
  assert.is(runStore.value.stopped, null);
});

test("the end of a run says nothing about another model's", async ({ service, props }) => {
  const run = simulate(props, false);
  const other = { ...props, compiled: { ...props.compiled, name: "other.tflite" } };
  await openModel(other);
  choosePattern(0);
  const second = simulate(other, false);
  service.simulations[0]!.reject(aborted());
  await run;
  assert.ok(runStore.value.running, "the other one goes on");
  service.simulations[1]!.resolve(answer());
  await second;
  assert.ok(runStore.value.outcome);
});

test("Cancel ends the second run; the answer of the first one is there", async (context) => {
  const { service, props } = context;
  const profile = later<unknown>();
  service.views["run-profile"] = () => profile.promise;
  const run = simulate(props, true);
  service.simulations[0]!.resolve(answer());
  await settled();
  cancelSimulation(props);
  assert.equal(service.cancelled, ["simulation", "run-profile"]);
  profile.reject(aborted());
  await run;
  assert.is(runStore.value.outcome!.jobs, null);
  assert.is(runStore.value.running, null);
});

test("a wrong file leaves a run alone, and the next choice forgets it", async (context) => {
  const { service, props } = context;
  const run = simulate(props, false);
  await chooseInput(props, 0, new Blob(["too long"]), "wrong.bin");
  assert.is(failureAt(runStore.value, props.compiled)!.code, "TW_IO_INPUT");
  assert.ok(runStore.value.running, "it still runs");
  assert.is(failureAt(runStore.value, otherChip(props).compiled), null);
  service.simulations[0]!.resolve(answer());
  await run;
  assert.ok(runStore.value.outcome);
  choosePattern(0);
  assert.is(runStore.value.failure, null);
});

test("a run that fails is said of its own compilation", async ({ service, props }) => {
  const run = simulate(props, false);
  service.simulations[0]!.reject(new TransportError("TW_IO_INPUT", "no"));
  await run;
  assert.is(failureAt(runStore.value, props.compiled)!.about, "run");
  assert.is(failureAt(runStore.value, otherChip(props).compiled), null);
});

test("a slow picture does not replace what was chosen after it", async ({ props }) => {
  const slow = later<Blob>();
  const first = chooseInput(props, 0, slow.promise, "slow.bin");
  await chooseInput(props, 0, new Blob(["fast"]), "fast.bin");
  slow.resolve(new Blob(["slow"]));
  await first;
  assert.is(runStore.value.inputs[0]!.name, "fast.bin");
  const third = chooseInput(props, 0, Promise.reject(new Error("gone")), "gone.bin");
  choosePattern(0);
  await third;
  assert.is(runStore.value.failure, null);
  assert.is(runStore.value.inputs[0]!.name, "test pattern");
});

test("an input that cannot be loaded says so", async ({ props }) => {
  const gone = new TransportError("TW_IO_NOT_FOUND", "three.png could not be loaded");
  await chooseInput(props, 0, Promise.reject(gone), "three.png");
  assert.is(failureAt(runStore.value, props.compiled)!.code, "TW_IO_NOT_FOUND");
});

test("a frame of the camera is closed once the worker has it", async ({ service, props }) => {
  let closed = 0;
  const frame = { close: () => closed++ } as unknown as ImageBitmap;
  service.views["run-picture"] = () => ({ bytes: new Uint8Array(4), shown: null });
  await chooseInput(props, 0, frame, "camera picture");
  assert.is(closed, 1);
  assert.is(runStore.value.inputs[0]!.name, "camera picture");
});

test("labels that are chosen while a run is under way name its answer", async (context) => {
  const { service, props } = context;
  const linesOf = () => (runStore.value.outcome!.answer as unknown as { labels: string[] }).labels;
  const run = simulate(props, false);
  chooseLabels({ name: "a.txt", lines: ["a"] });
  await relabel(props);
  service.simulations[0]!.resolve(answer());
  await run;
  assert.equal(linesOf(), ["a"]);
  // Also while the answer is put into words.
  choosePattern(0);
  const words = later<unknown>();
  service.views["run-answer"] = () => words.promise;
  const second = simulate(props, false);
  service.simulations[1]!.resolve(answer());
  await settled();
  chooseLabels({ name: "b.txt", lines: ["b"] });
  service.views["run-answer"] = ({ labels }) => ({ labels });
  words.resolve({ labels: ["a"] });
  await second;
  assert.equal(linesOf(), ["b"]);
});

test("without digests another file of the same name is another model", async ({ props }) => {
  const bare = { ...report, model: { ...report.model, sha256: "" } };
  const open = (key: string) =>
    openModel({ ...props, compiled: { ...props.compiled, report: bare, key } });
  await open("1 a311d");
  choosePattern(0);
  await open("1 imx8mp");
  assert.ok(runStore.value.inputs[0], "the same file for another chip");
  await open("2 a311d");
  assert.is(runStore.value.inputs[0], null);
});

test.run();
