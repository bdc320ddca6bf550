// The simulator as a transport, on both builds of the core, and what only a simulator can show.
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compile } from "../../core-as/compile/compile.ts";
import { SimFault, TransportError, UnsupportedError } from "../../core-as/errors.ts";
import { parseExecutable, serialiseExecutable } from "../../core-as/executable/container.ts";
import { chipByName } from "../../core-as/hw/chips.ts";
import { hex32 } from "../../core-as/inspect/words.ts";
import { runGraph } from "../../core-as/runtime/cpu/index.ts";
import { INIT_STREAM } from "../../core-as/runtime/init-stream.ts";
import { createSession } from "../../core-as/runtime/session.ts";
import { createSimTransport } from "../../core-as/runtime/sim-transport.ts";
import { BUILDS, coreOf } from "../helpers/cores.ts";
import { inputBytes, synthModel } from "../helpers/synth-model.mjs";
import { transportSuite } from "./cts.ts";

const CHIP = chipByName("a311d")!;

for (const build of BUILDS) {
  const wasm = readFileSync(build === "debug" ? "build/core.debug.wasm" : "build/core.wasm");
  transportSuite(`sim (${build})`, async () => createSimTransport(CHIP, { wasm }));
}

const test = suite("sim transport");
const core = await coreOf("release");

/** Largest difference of two tensors of 8-bit values. */
function distance(type: string, a: Uint8Array, b: Uint8Array): number {
  const value = (byte: number): number => (type === "int8" ? (byte << 24) >> 24 : byte);
  return a.reduce((worst, byte, i) => Math.max(worst, Math.abs(value(byte) - value(b[i]!))), 0);
}

// Cases that both modes take: compatible mode has no quirk there. A requantisation step may differ by one from the integer reference,
// because the NPU rounds once where TFLite rounds twice; ADDs and chains carry that on.
const CASES: [name: string, tolerance: number][] = [
  ["conv-i8x8x16-k3-o17-s2-same-u8-sparse20", 1],
  ["conv-i10x10x16-k3-o128-s1-valid-u8", 1],
  ["dw-i10x10x32-k5-s2-same-u8", 1],
  ["concat-i8x8x16-o16-u8", 1],
  ["chain-split-i12x12x16-o16-k3-u8-relu", 1],
  ["chain-mbv1-i33x33x3-o16-u8", 1],
  ["chain-stem-i32x32x3-o16-k3-u8-relu", 1],
  ["chain-fork-i16x16x8-o16-k3-u8", 2],
];

for (const [name, tolerance] of CASES)
  for (const mode of ["compatible", "optimised"] as const)
    test(`${name}, ${mode}, agrees with the kernels up to ${tolerance}`, async () => {
      const { executable, model } = await compile(synthModel(name), { mode, core });
      const transport = createSimTransport(CHIP);
      const session = await createSession(
        parseExecutable(serialiseExecutable(executable)),
        transport,
      );
      const inputs = session.inputs.map(({ bytes }, i) => inputBytes(name, i, bytes));
      const { outputs, evidence, timings } = await session.run(inputs);
      const reference = runGraph(core, model.graph, inputs);
      for (const [i, { tensor, type }] of session.outputs.entries()) {
        const worst = distance(type, outputs[i]!, reference.get(tensor)!);
        assert.ok(worst <= tolerance, `output ${i} differs by ${worst}`);
      }
      assert.is(evidence, "simulated");
      assert.is(timings.length, executable.steps.length);
      await transport.close();
    });

for (const name of ["conv-i9x13x1-k5-o5-s1-valid-i8", "chain-mbv1-i24x40x3-o8-i8"])
  test(`${name}: signed tensors move by 128 on the way in and out`, async () => {
    const { executable, model } = await compile(synthModel(name), { core });
    const session = await createSession(executable, createSimTransport(CHIP));
    const inputs = session.inputs.map(({ bytes }, i) => inputBytes(name, i, bytes));
    const { outputs } = await session.run(inputs);
    const reference = runGraph(core, model.graph, inputs);
    for (const [i, { tensor, type }] of session.outputs.entries())
      assert.ok(distance(type, outputs[i]!, reference.get(tensor)!) <= 1);
  });

test("partitions with CPU steps in between", async () => {
  // A max pooling has no lowering in compatible mode.
  const name = "chain-pool-i16x16x8-o16-k3-u8";
  const { executable, model } = await compile(synthModel(name), { mode: "compatible", core });
  assert.ok(executable.steps.some(({ kind }) => kind === "cpu"));
  const session = await createSession(executable, createSimTransport(CHIP));
  const inputs = session.inputs.map(({ bytes }, i) => inputBytes(name, i, bytes));
  const { outputs, timings } = await session.run(inputs);
  const reference = runGraph(core, model.graph, inputs);
  for (const [i, { tensor, type }] of session.outputs.entries())
    assert.ok(distance(type, outputs[i]!, reference.get(tensor)!) <= 1);
  assert.equal(
    timings.map(({ kind }) => kind),
    executable.steps.map(({ kind }) => kind),
  );
});

test("a fault names the job and its operator", async () => {
  const { executable } = await compile(synthModel("chain-mbv1-i24x40x3-o8-u8"), { core });
  const [partition] = executable.partitions;
  const index = partition!.jobs.findIndex(({ kind }) => kind === "NN");
  const job = partition!.jobs[index]!;
  // A coefficient stream whose first core claims no bytes.
  const coefficients = partition!.buffers[job.coefficients!]!;
  coefficients.contents = coefficients.contents!.slice().fill(0xff, 64, 128);
  const session = await createSession(executable, createSimTransport(CHIP));
  try {
    await session.run([new Uint8Array(session.inputs[0]!.bytes)]);
    assert.unreachable();
  } catch (error) {
    assert.instance(error, SimFault);
    assert.is((error as SimFault).where.job, index);
    assert.is((error as SimFault).where.op, job.sourceOp);
    assert.match((error as SimFault).message, "CONV_2D");
  }
});

test("an abort and a time limit are noticed between steps", async () => {
  const name = "chain-pool-i16x16x8-o16-k3-u8";
  const { executable } = await compile(synthModel(name), { mode: "compatible", core });
  const session = await createSession(executable, createSimTransport(CHIP));
  const inputs = session.inputs.map(({ bytes }, i) => inputBytes(name, i, bytes));
  const codeOf = async (promise: Promise<unknown>): Promise<string> => {
    const error = await promise.then(
      () => null,
      (reason: unknown) => reason,
    );
    assert.instance(error, TransportError);
    return (error as TransportError).code;
  };
  const controller = new AbortController();
  const running = session.run(inputs, { signal: controller.signal });
  controller.abort();
  assert.is(await codeOf(running), "TW_IO_ABORTED");
  assert.is(await codeOf(session.run(inputs, { timeoutMs: 0 })), "TW_IO_TIMEOUT");
  assert.is((await session.run(inputs, { timeoutMs: 60_000 })).outputs.length, 1);
});

test("an operator without a kernel is refused at load, by name", async () => {
  const { executable } = await compile(synthModel("chain-pool-i16x16x8-o16-k3-u8"), {
    mode: "compatible",
    core,
  });
  const graph = structuredClone(executable.graph);
  for (const op of graph.ops) if (op.kind === "MAX_POOL_2D") op.kind = "TOPK_V2";
  try {
    await createSession({ ...executable, graph }, createSimTransport(CHIP));
    assert.unreachable();
  } catch (error) {
    assert.instance(error, UnsupportedError);
    assert.match((error as UnsupportedError).message, "TOPK_V2");
  }
});

test("the initialisation stream is the captured one", () => {
  const { initStream } = JSON.parse(readFileSync("test/golden/captured/a311d.json", "utf8")) as {
    initStream: string[];
  };
  assert.equal(INIT_STREAM.map(hex32), initStream);
});

test.run();
