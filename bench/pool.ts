// A pool of boards behind nats-server: runs per second of several boards against as many times one board (peer: that product), and
// the time of a run against a bare NATS request of the same bytes. Boards are timed null transports in this process.
// Usage: npm run bench:pool [-- --json] [-- --target imx8mp]
// SPDX-License-Identifier: MIT
import { connect } from "@nats-io/transport-node";
import { readFileSync } from "node:fs";
import { chipByName, compile, createNullTransport, createSession } from "../core-as/index.ts";
import { inputInfos } from "../core-as/runtime/tensor-info.ts";
import { NATS_SERVER, startNatsServer } from "../test/helpers/nats-server.ts";
import { Agent } from "../transport-ws/agent.ts";
import { joinPool, openPool } from "../transport-ws/pool/index.ts";
import { benchTarget, median, report } from "./harness.ts";

const TARGET = benchTarget();
const CHIP = chipByName(TARGET)!;
const NAME = "examples/sample/digits";
const RUN_MS = 10;
const BOARDS = 4;
const RUNS = 800;
/** Runs under way at a time. */
const DEPTH = 4 * BOARDS;
const ROUND_TRIPS = 500;

if (NATS_SERVER === null) {
  console.error("skipped: no nats-server on this machine");
  process.exit(0);
}

const model = new Uint8Array(readFileSync(`${NAME}.tflite`));
const { executable } = await compile(model, { target: TARGET });
const server = await startNatsServer();

/** Joins boards, opens a pool of them and hands over a session on it. */
async function withPool<T>(
  boards: number,
  runMs: number,
  body: (run: () => Promise<number>) => Promise<T>,
): Promise<T> {
  const servers = `${server.url}/bench-${boards}-${runMs}`;
  const joined = [];
  for (let i = 0; i < boards; i++) {
    const agent = new Agent(createNullTransport(CHIP, { runMs }));
    joined.push({ agent, member: await joinPool({ servers, agent, name: `board ${i}` }) });
  }
  const pool = await openPool(servers);
  const session = await createSession(executable, pool);
  const inputs = session.inputs.map(({ bytes }) => new Uint8Array(bytes));
  const result = await body(async () => {
    const { outputs } = await session.run(inputs);
    return outputs.reduce((sum, { length }) => sum + length, 0);
  });
  await pool.close();
  for (const { agent, member } of joined) {
    await member.leave();
    await agent.close();
  }
  return result;
}

async function throughput(boards: number): Promise<number> {
  return withPool(boards, RUN_MS, async (run) => {
    const several = async (count: number): Promise<void> => {
      let left = count;
      const worker = async (): Promise<void> => {
        while (left-- > 0) await run();
      };
      await Promise.all(Array.from({ length: DEPTH }, worker));
    };
    // Channels are opened while they are wanted.
    await several(10 * DEPTH);
    const start = performance.now();
    await several(RUNS);
    return (RUNS / (performance.now() - start)) * 1000;
  });
}

async function times(once: () => Promise<unknown>): Promise<number> {
  const measured: number[] = [];
  for (let i = 0; i < ROUND_TRIPS; i++) {
    const start = performance.now();
    await once();
    measured.push(performance.now() - start);
  }
  return median(measured);
}

const one = await throughput(1);
const all = await throughput(BOARDS);
report({
  bench: "pool",
  case: `${NAME}, ${BOARDS} boards of ${RUN_MS} ms a run`,
  target: TARGET,
  mode: "throughput",
  runs_per_second_one_board: one,
  runs_per_second: all,
  ratio_to_boards_times_one: all / (BOARDS * one),
});

const [poolMs, answerBytes] = await withPool(1, 0, async (run) => [await times(run), await run()]);
const bare = await connect({ servers: server.url });
const answer = new Uint8Array(answerBytes);
bare.subscribe("echo", { callback: (_, message) => void message.respond(answer) });
const inputBytes = inputInfos(executable.graph).reduce((sum, { bytes }) => sum + bytes, 0);
const request = new Uint8Array(inputBytes);
const bareMs = await times(() => bare.request("echo", request, { timeout: 5000 }));
await bare.close();
report({
  bench: "pool",
  case: NAME,
  target: TARGET,
  mode: "latency",
  median_ms: poolMs,
  bare_request_median_ms: bareMs,
  ratio_to_bare_request: poolMs / bareMs,
});
await server.stop();
