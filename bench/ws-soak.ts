// 20,000 runs of the sample over ws in one go: an agent on the simulator and its client, both in this process, so that every
// leak of either shows in one figure. Prints memory after a full collection at intervals, and last against first.
// Usage: npm run bench:soak [-- --json] [-- --target imx8mp] [-- --runs 20000]
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import {
  chipByName,
  compile,
  createSession,
  createSimTransport,
  parseExecutable,
  serialiseExecutable,
} from "../core-as/index.ts";
import { inputBytes } from "../test/helpers/prng.mjs";
import { connectBoard, startServer } from "../transport-ws/server/index.ts";
import { benchTarget, report } from "./harness.ts";

const TARGET = benchTarget();
const at = process.argv.indexOf("--runs");
const RUNS = at < 0 ? 20_000 : Number(process.argv[at + 1]);
const INTERVALS = 20;
/** Runs under way at a time. */
const DEPTH = 8;
const NAME = "examples/sample/digits";

const collect = (globalThis as { gc?: () => void }).gc;
if (collect === undefined) {
  console.error("memory can only be compared after a full collection: node --expose-gc");
  process.exit(2);
}

const model = new Uint8Array(readFileSync(`${NAME}.tflite`));
const { executable } = await compile(model, { target: TARGET });
const transport = createSimTransport(chipByName(TARGET)!);
const server = await startServer({ transport, host: "127.0.0.1", port: 0 });
const board = await connectBoard(server.url);
const session = await createSession(parseExecutable(serialiseExecutable(executable)), board);
const inputs = session.inputs.map(({ bytes }, i) => inputBytes(NAME, i, bytes) as Uint8Array);
const expected = String((await session.run(inputs)).outputs);

let wrong = 0;
async function runs(count: number): Promise<void> {
  let left = count;
  const worker = async (): Promise<void> => {
    while (left-- > 0) if (String((await session.run(inputs)).outputs) !== expected) wrong++;
  };
  await Promise.all(Array.from({ length: DEPTH }, worker));
}

/** What is in use after a collection: objects, buffers, the process. */
function memory(): { heapMiB: number; buffersMiB: number; rssMiB: number } {
  for (let i = 0; i < 3; i++) collect!();
  const { heapUsed, arrayBuffers, rss } = process.memoryUsage();
  const mib = 2 ** 20;
  return { heapMiB: heapUsed / mib, buffersMiB: arrayBuffers / mib, rssMiB: rss / mib };
}

const common = { case: NAME, target: TARGET, mode: executable.mode };
const samples: ReturnType<typeof memory>[] = [];
const start = performance.now();
for (let interval = 1; interval <= INTERVALS; interval++) {
  await runs(RUNS / INTERVALS);
  const sample = memory();
  samples.push(sample);
  report({ bench: "ws soak", ...common, runs: (RUNS / INTERVALS) * interval, ...sample });
}
const [first, last] = [samples[0]!, samples.at(-1)!];
const { accepted, finished, failed, dropped } = server.agent.stats();
report({
  bench: "ws soak, whole",
  ...common,
  runs: RUNS,
  runsPerSecond: (RUNS / (performance.now() - start)) * 1000,
  wrongAnswers: wrong,
  accepted,
  finished,
  failed,
  dropped,
  heapLastToFirst: last.heapMiB / first.heapMiB,
  buffersLastToFirst: last.buffersMiB / first.buffersMiB,
  rssLastToFirst: last.rssMiB / first.rssMiB,
  bound: "flat: 1",
});
await board.close();
await server.close(0);
await transport.close();
