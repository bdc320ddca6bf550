// The compiler in a worker of Node: the same bytes, progress, cancelling, errors in their classes.
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compile } from "../../core-as/compile/compile.ts";
import { ModelFormatError, NpuError, TransportError, UsageError } from "../../core-as/errors.ts";
import { serialiseExecutable } from "../../core-as/executable/container.ts";
import { chipByName } from "../../core-as/hw/chips.ts";
import { createSession } from "../../core-as/runtime/session.ts";
import { createSimTransport } from "../../core-as/runtime/sim-transport.ts";
import { CompilerService, proxy, releaseProxy, wrapCompiler } from "../../core-as/worker/index.ts";
import { corpusBytes, hasCorpus } from "../helpers/corpus.ts";
import { inputBytes } from "../helpers/prng.mjs";

const SAMPLE = new Uint8Array(readFileSync("examples/sample/digits.tflite"));
const LARGE = "ssdlite_mobiledet_coco_qat_postprocess.tflite";

const errorOf = (promise: Promise<unknown>): Promise<NpuError> =>
  promise.then(
    () => assert.unreachable("did not throw") as never,
    (error: NpuError) => error,
  );

const test = suite("worker");
let thread: Worker;
let compiler: ReturnType<typeof wrapCompiler>;

test.before(() => {
  thread = new Worker(new URL("../helpers/compiler-worker.mjs", import.meta.url));
  compiler = wrapCompiler(thread);
});

test.after(async () => {
  compiler[releaseProxy]();
  await thread.terminate();
});

test("compiles to the bytes that this thread compiles to, with progress of every pass", async () => {
  const here = await compile(SAMPLE, { target: "imx8mp" });
  const seen: [string, number][] = [];
  const onProgress = proxy((stage: string, done: number) => void seen.push([stage, done]));
  const result = await compiler.compile(SAMPLE, { target: "imx8mp" }, onProgress);
  assert.equal(result.executable, serialiseExecutable(here.executable));
  assert.equal(result.report, here.report);
  assert.is(result.cached, false);
  const stages = seen.map(([stage]) => stage);
  for (const { name } of result.timings) assert.ok(stages.includes(name), name);
  const shares = seen.map(([, done]) => done);
  assert.equal([shares[0], shares.at(-1)], [0, 1]);
  assert.equal(
    shares,
    [...shares].sort((a, b) => a - b),
  );
});

test("reports and simulates a .twx", async () => {
  const { executable, report } = await compiler.compile(SAMPLE, {});
  assert.equal((await compiler.report(executable)).totals, report.totals);
  const transport = createSimTransport(chipByName("a311d")!);
  const session = await createSession((await compile(SAMPLE)).executable, transport);
  for (const seed of ["one", "two"]) {
    const input = inputBytes(seed, 0, session.inputs[0]!.bytes);
    const seen: string[] = [];
    const onProgress = proxy((stage: string) => void seen.push(stage));
    const there = await compiler.simulate(executable, [input], onProgress);
    assert.equal(there.outputs, (await session.run([input])).outputs);
    assert.is(there.evidence, "simulated");
    assert.is(seen.at(-1), "done");
  }
  await transport.close();
});

test("errors arrive in their class, with code and place", async () => {
  const truncated = await errorOf(compiler.compile(SAMPLE.slice(0, 1000), {}));
  assert.instance(truncated, ModelFormatError);
  assert.is(truncated.name, "ModelFormatError");
  assert.match(truncated.code, /^TW_MODEL_/);
  assert.type(truncated.where.byteOffset, "number");
  const here = await errorOf(compile(SAMPLE.slice(0, 1000)));
  assert.equal(
    [truncated.message, truncated.code, truncated.stage, truncated.where],
    [here.message, here.code, here.stage, here.where],
  );
  const usage = await errorOf(compiler.compile(SAMPLE, { target: "abacus" }));
  assert.instance(usage, UsageError);
  const notOurs = await errorOf(compiler.compile("text" as unknown as Uint8Array, {}));
  assert.not.instance(notOurs, NpuError);
  assert.is(notOurs.name, "TypeError");
  const input = await errorOf(
    compiler.simulate((await compiler.compile(SAMPLE, {})).executable, [new Uint8Array(3)]),
  );
  assert.is(input.code, "TW_IO_INPUT");
});

test("calls that wait are cancelled too, and the next one works", async () => {
  const first = errorOf(compiler.compile(SAMPLE, {}));
  const second = errorOf(compiler.compile(SAMPLE, {}));
  await compiler.cancel();
  for (const error of [await first, await second]) {
    assert.instance(error, TransportError);
    assert.is(error.code, "TW_IO_ABORTED");
  }
  assert.ok((await compiler.compile(SAMPLE, {})).executable.length > 0);
});

test("a listener that throws changes nothing", async () => {
  const onProgress = proxy(() => {
    throw new Error("a listener's own mistake");
  });
  assert.ok((await compiler.compile(SAMPLE, {}, onProgress)).executable.length > 0);
  const service = new CompilerService();
  assert.ok((await service.compile(SAMPLE, {}, onProgress)).executable.length > 0);
});

if (hasCorpus)
  test("a large model is cancelled within each long pass", async () => {
    const model = corpusBytes("models", LARGE);
    for (const pass of ["lower", "optimise", "generate"]) {
      let last = "";
      let asked = 0;
      let calls = 0;
      // The second report of a pass comes from within it.
      const onProgress = proxy((stage: string) => {
        calls = stage === last ? calls + 1 : 1;
        last = stage;
        if (stage !== pass || calls !== 2) return;
        asked = performance.now();
        void compiler.cancel();
      });
      const error = await errorOf(compiler.compile(model, {}, onProgress));
      const waitedMs = performance.now() - asked;
      assert.is(error.code, "TW_IO_ABORTED");
      assert.is(last, pass);
      assert.ok(waitedMs < 250, `${pass}: ${waitedMs} ms until it stopped`);
    }
  });

test.run();
