// Time of a simulated inference against LiteRT's WASM runtime on the same model in the same process, one thread each.
// The simulator computes what the NPU would, from its bytes; the ratio is the price of that. The same with two threads: on a machine
// whose two cores are free they are faster by `speedup`.
// Usage: npm run bench:simulate [-- --json] [-- --target imx8mp]
// SPDX-License-Identifier: MIT
import {
  chipByName,
  compile,
  createSession,
  createSimTransport,
  type Session,
} from "../core-as/index.ts";
import { nodeSimThreads } from "../transport-node/index.ts";
import { loadLiteRt } from "../test/helpers/litert.ts";
import { inputBytes } from "../test/helpers/prng.mjs";
import { benchCases, benchTarget, median, report } from "./harness.ts";

const BLOCKS = 3;
/** Of a block. */
const RUNS = 10;
const THREADS = 2;
/** Threads from the sources, as everything here. */
const THREAD = new URL("../test/helpers/sim-thread.mjs", import.meta.url);
const TARGET = benchTarget();
const witness = await loadLiteRt();
if ("reason" in witness) console.error(`skipped: LiteRT as witness (${witness.reason})`);

for (const { name, model } of benchCases())
  for (const mode of ["compatible", "optimised"] as const) {
    const { executable } = await compile(model, { target: TARGET, mode });
    const chip = chipByName(TARGET)!;
    const transport = createSimTransport(chip);
    const session = await createSession(executable, transport);
    const together = createSimTransport(chip, { threads: nodeSimThreads(THREADS, THREAD) });
    const threaded = await createSession(executable, together);
    const inputs = session.inputs.map(({ bytes, shape }, i) => ({
      bytes: inputBytes(name, i, bytes) as Uint8Array,
      shape: [...shape],
    }));
    const run = async (on: Session): Promise<{ ms: number; outputs: Uint8Array[] }> => {
      const start = performance.now();
      const { outputs } = await on.run(inputs.map(({ bytes }) => bytes));
      return { ms: performance.now() - start, outputs };
    };
    const ready = "reason" in witness ? null : await witness.prepare(model);
    const first = await run(session);
    const firstTogether = await run(threaded);
    if (first.outputs.some((bytes, i) => Buffer.compare(bytes, firstTogether.outputs[i]!) !== 0))
      throw new Error(`${name}: ${THREADS} threads compute other bytes than one`);
    await ready?.time(inputs);
    // In turns, so that whatever else the machine does meets all alike; in blocks, because a thread that has slept begins on the core
    // of the one that woke it, and the system takes some runs to find the other core.
    const single: number[] = [];
    const both: number[] = [];
    const reference: number[] = [];
    for (let block = 0; block < BLOCKS; block++) {
      for (let i = 0; i < RUNS; i++) single.push((await run(session)).ms);
      for (let i = 0; i < 3 * RUNS; i++) {
        const { ms } = await run(threaded);
        if (i >= 2 * RUNS) both.push(ms);
      }
      for (let i = 0; ready && i < RUNS; i++) reference.push(await ready.time(inputs));
    }
    ready?.release();
    await transport.close();
    await together.close();
    const singleMs = median(single);
    const threadedMs = median(both);
    const witnessMs = ready && median(reference);
    report({
      bench: "simulate",
      case: name,
      target: TARGET,
      mode,
      firstMs: first.ms,
      singleMs,
      singleBestMs: Math.min(...single),
      threads: THREADS,
      threadedMs,
      threadedBestMs: Math.min(...both),
      speedup: singleMs / threadedMs,
      bestSpeedup: Math.min(...single) / Math.min(...both),
      witnessMs,
      ratio: witnessMs && singleMs / witnessMs,
      threadedRatio: witnessMs && threadedMs / witnessMs,
      runs: BLOCKS * RUNS,
      witness: "LiteRT WASM, one thread, same process",
    });
  }
