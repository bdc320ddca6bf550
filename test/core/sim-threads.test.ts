// Threads that simulate together: the bytes and the faults of one thread, and one thread where several are not possible.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compile } from "../../core-as/compile/compile.ts";
import { Core } from "../../core-as/core.ts";
import { SimFault } from "../../core-as/errors.ts";
import type { Executable } from "../../core-as/executable/executable.ts";
import { chipByName } from "../../core-as/hw/chips.ts";
import { createSession } from "../../core-as/runtime/session.ts";
import { createSimTransport } from "../../core-as/runtime/sim-transport.ts";
import { Mailbox } from "../../core-as/runtime/threads/mailbox.ts";
import type { SimThread, SimThreads } from "../../core-as/runtime/threads/team.ts";
import { nodeSimThreads } from "../../transport-node/index.ts";
import { corpusBytes, hasCorpus } from "../helpers/corpus.ts";
import { inputBytes } from "../helpers/prng.mjs";
import { synthModel } from "../helpers/synth-model.mjs";

const SCRIPT = new URL("../helpers/sim-thread.mjs", import.meta.url);
/** Large enough that its jobs are worth an exchange; odd numbers of channels, and a border. */
const LAYER = "conv-i23x21x24-k3-o29-s1-same-u8";
/** Lists of taps instead of a matrix, and a chain of several jobs. */
const SPARSE = "conv-i40x40x24-k3-o24-s1-same-u8-sparse90";
const CHAIN = "chain-mbv2-i28x28x16-o24-u8";
const SMALL = "conv-i5x5x3-k3-o4-s1-same-u8";

const test = suite("simulator threads");
const core = await Core.create();

/** Threads that the test can look at. */
function watched(count: number, more: Partial<SimThreads> = {}) {
  const { start } = nodeSimThreads(count, SCRIPT);
  const started: SimThread[] = [];
  let ended = 0;
  const threads: SimThreads = {
    count,
    start: () => {
      const thread = start();
      started.push(thread);
      return { ...thread, terminate: () => (ended++, thread.terminate()) };
    },
    ...more,
  };
  return { threads, started, ended: () => ended };
}

interface Outcome {
  outputs?: Uint8Array[][];
  fault?: unknown;
  /** Parts that the first thread has given away. */
  published: number;
}

/** Some runs with inputs of their own. */
async function outcome(
  executable: Executable,
  threads?: SimThreads,
  runs = 2,
  between?: () => void,
): Promise<Outcome> {
  const transport = createSimTransport(chipByName(executable.chip.name)!, { threads });
  let published = 0;
  const { publish } = Mailbox.prototype;
  Mailbox.prototype.publish = function (at, bytes) {
    published++;
    publish.call(this, at, bytes);
  };
  try {
    const session = await createSession(executable, transport);
    const outputs: Uint8Array[][] = [];
    for (let run = 0; run < runs; run++) {
      const inputs = session.inputs.map(({ bytes }, i) => inputBytes(`run ${run}`, i, bytes));
      outputs.push((await session.run(inputs)).outputs);
      between?.();
    }
    return { outputs, published };
  } catch (error) {
    if (!(error instanceof SimFault)) throw error;
    const { code, message, where } = error;
    return { fault: { code, message, where }, published };
  } finally {
    Mailbox.prototype.publish = publish;
    await transport.close();
  }
}

const compiled = async (model: Uint8Array, target = "a311d"): Promise<Executable> =>
  (await compile(model, { core, target })).executable;

for (const target of ["a311d", "imx8mp"])
  test(`${target}: two and three threads compute the bytes of one`, async () => {
    const models = [LAYER, SPARSE, CHAIN].map((name) => synthModel(name));
    if (hasCorpus) models.push(corpusBytes("models", "mobilenet_v1_0.25_128_quant.tflite"));
    for (const model of models) {
      const executable = await compiled(model, target);
      const alone = await outcome(executable);
      assert.is(alone.published, 0);
      for (const count of [1, 2, 3]) {
        const { threads, started, ended } = watched(count);
        const together = await outcome(executable, threads);
        assert.equal(together.outputs, alone.outputs, `${count} threads`);
        assert.equal([started.length, ended()], [count - 1, count - 1]);
        assert.is(together.published > 0, count > 1);
      }
    }
  });

if (hasCorpus)
  test("a detector with steps on the CPU", async () => {
    const model = corpusBytes("models", "ssdlite_mobiledet_coco_qat_postprocess.tflite");
    const executable = await compiled(model);
    const together = await outcome(executable, watched(2).threads, 1);
    assert.ok(together.published > 20);
    assert.equal(together.outputs, (await outcome(executable, undefined, 1)).outputs);
  });

test("faults are those of one thread: job, word, field and address", async () => {
  const executable = await compiled(synthModel(LAYER));
  const seen = new Set<unknown>();
  for (const [index, { role, contents }] of executable.partitions[0]!.buffers.entries()) {
    if (role !== "descriptor" && role !== "coefficients" && role !== "stream") continue;
    const { relocations } = executable.partitions[0]!;
    const isAddress = (word: number): boolean =>
      relocations.some(({ buffer, byteOffset }) => buffer === index && byteOffset === word * 4);
    for (const word of role === "descriptor" ? [2, 9, 14] : [1, 4]) {
      if (word * 4 >= contents!.length || isAddress(word)) continue;
      const damaged = structuredClone(executable);
      damaged.partitions[0]!.buffers[index]!.contents![word * 4 + 1]! ^= 0x41;
      const alone = await outcome(damaged, undefined, 1);
      const together = await outcome(damaged, watched(2).threads, 1);
      assert.equal(together.fault, alone.fault, `${role} ${word}`);
      assert.equal(together.outputs, alone.outputs, `${role} ${word}`);
      if (alone.fault !== undefined) seen.add(JSON.stringify(alone.fault));
    }
  }
  assert.ok(seen.size >= 4, `${seen.size} different faults`);
});

test("a fault does not end the threads", async () => {
  const executable = await compiled(synthModel(LAYER));
  const good = await outcome(executable, watched(2).threads, 3);
  assert.equal(good.outputs, (await outcome(executable, undefined, 3)).outputs);
});

test("a thread that is lost costs its patience, once, and nothing else", async () => {
  const executable = await compiled(synthModel(LAYER));
  const { threads, started } = watched(2, { patienceMs: 300 });
  let isKilled = false;
  const together = await outcome(executable, threads, 3, () => {
    if (!isKilled) for (const thread of started) thread.terminate();
    isKilled = true;
  });
  assert.equal(together.outputs, (await outcome(executable, undefined, 3)).outputs);
});

test("one thread where memory cannot be shared, nothing can be started or nothing is worth it", async () => {
  const executable = await compiled(synthModel(LAYER));
  const alone = await outcome(executable);
  const { SharedArrayBuffer } = globalThis;
  const { threads, started } = watched(2);
  try {
    Object.assign(globalThis, { SharedArrayBuffer: undefined });
    assert.equal(await outcome(executable, threads), alone);
  } finally {
    Object.assign(globalThis, { SharedArrayBuffer });
  }
  assert.is(started.length, 0);
  const missing = nodeSimThreads(2, new URL("file:///nowhere/thread.mjs"));
  assert.equal(await outcome(executable, missing), alone);
  const small = await compiled(synthModel(SMALL));
  assert.equal(await outcome(small, watched(2).threads, 3), await outcome(small, undefined, 3));
  for (const count of [0, 65, 1.5]) {
    const refused = await outcome(executable, watched(count).threads).catch((error) => error);
    assert.instance(refused, RangeError);
  }
});

test("profiles are of one thread, and leave the others in step", async () => {
  const executable = await compiled(synthModel(LAYER));
  const transport = createSimTransport(chipByName("a311d")!, { threads: watched(2).threads });
  const session = await createSession(executable, transport);
  const expected = (await outcome(executable, undefined, 1)).outputs![0];
  const inputs = session.inputs.map(({ bytes }, i) => inputBytes("run 0", i, bytes));
  for (const profile of [false, true, false, true, false]) {
    const result = await session.run(inputs, { profile });
    assert.equal(result.outputs, expected);
    assert.is(result.jobs !== undefined, profile);
  }
  await transport.close();
});

test.run();
