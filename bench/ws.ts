// What a network between application and board costs, on loopback with the board in a process of its own:
//   bytes on the wire per run against inputs + outputs + 64,
//   pipelined throughput against the same runs in this process, both on the null transport's timing (at least 0.9),
//   latency of one run at a time against a bare echo on the `ws` package of the same bytes, in turns (at most 1.3).
// Usage: npm run bench:ws [-- --json] [-- --target imx8mp] [-- --run-ms 6.6] [-- --only bytes|throughput|latency]
// SPDX-License-Identifier: MIT
import { fork, type ChildProcess } from "node:child_process";
import { createServer, connect, type AddressInfo } from "node:net";
import { WebSocket } from "ws";
import {
  chipByName,
  compile,
  createNullTransport,
  createSession,
  type Executable,
  inputInfos,
  outputInfos,
  type Session,
} from "../core-as/index.ts";
import { inputBytes as pseudoRandom } from "../test/helpers/prng.mjs";
import { encodeFrame, RESULT, RUN } from "../transport-ws/protocol.ts";
import { connectBoard } from "../transport-ws/server/index.ts";
import { benchCases, benchTarget, median, report, type BenchCase } from "./harness.ts";
import type { BoardAddresses, BoardRequest } from "./ws-board.ts";

const TARGET = benchTarget();
/** MobileNetV1 on an A311D with the reference driver takes about this long; the time is an assumption here, nothing is measured. */
const RUN_MS = numberAfter("--run-ms", 6.6);
const DEPTH = 16;
const THROUGHPUT_RUNS = 120;
const ROUNDS = 5;
const LATENCY_RUNS = 3000;
const WARM_UP = 1000;

function numberAfter(flag: string, otherwise: number): number {
  const at = process.argv.indexOf(flag);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
}

const children: ChildProcess[] = [];

function startBoard(request: BoardRequest): Promise<BoardAddresses> {
  const child = fork(new URL("ws-board.ts", import.meta.url), { execArgv: ["--import", "tsx"] });
  children.push(child);
  child.send(request);
  return new Promise((resolve) => child.once("message", (message) => resolve(message as never)));
}

/** A TCP relay that counts. */
async function countingRelay(
  url: string,
): Promise<{ url: string; bytes(): number; close(): void }> {
  const { hostname, port } = new URL(url);
  let bytes = 0;
  const server = createServer((socket) => {
    const other = connect(Number(port), hostname);
    for (const [from, to] of [
      [socket, other],
      [other, socket],
    ] as const) {
      from.on("data", (chunk) => (bytes += chunk.length));
      from.pipe(to);
      from.on("error", () => to.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port: own } = server.address() as AddressInfo;
  return { url: `ws://127.0.0.1:${own}`, bytes: () => bytes, close: () => server.close() };
}

/** Runs `count` inferences, `DEPTH` at a time; milliseconds of all. */
async function pipelined(session: Session, inputs: Uint8Array[], count: number): Promise<number> {
  const start = performance.now();
  let left = count;
  const worker = async (): Promise<void> => {
    while (left-- > 0) await session.run(inputs);
  };
  await Promise.all(Array.from({ length: DEPTH }, worker));
  return performance.now() - start;
}

async function bytesPerRun(
  executable: Executable,
  url: string,
  inputs: Uint8Array[],
): Promise<number> {
  const relay = await countingRelay(url);
  const board = await connectBoard(relay.url);
  const session = await createSession(executable, board);
  await session.run(inputs);
  const before = relay.bytes();
  for (let i = 0; i < 100; i++) await session.run(inputs);
  await pipelined(session, inputs, 100);
  const bytes = (relay.bytes() - before) / 200;
  await board.close();
  relay.close();
  return bytes;
}

async function throughput(
  executable: Executable,
  url: string,
  inputs: Uint8Array[],
): Promise<{ localMs: number; boardMs: number }> {
  const local = createNullTransport(chipByName(TARGET)!, { runMs: RUN_MS });
  const localSession = await createSession(executable, local);
  const board = await connectBoard(url);
  const boardSession = await createSession(executable, board);
  const times: { local: number[]; board: number[] } = { local: [], board: [] };
  for (let round = 0; round < ROUNDS; round++) {
    times.local.push(await pipelined(localSession, inputs, THROUGHPUT_RUNS));
    times.board.push(await pipelined(boardSession, inputs, THROUGHPUT_RUNS));
  }
  await board.close();
  await local.close();
  return {
    localMs: median(times.local) / THROUGHPUT_RUNS,
    boardMs: median(times.board) / THROUGHPUT_RUNS,
  };
}

async function latency(
  executable: Executable,
  { board: url, echo: echoUrl }: BoardAddresses,
  inputs: Uint8Array[],
  requestBytes: number,
): Promise<Record<"runMedianMs" | "echoMedianMs" | "runP99Ms" | "echoP99Ms" | "runs", number>> {
  const board = await connectBoard(url);
  const session = await createSession(executable, board);
  const echo = new WebSocket(echoUrl, { perMessageDeflate: false });
  await new Promise((resolve) => echo.once("open", resolve));
  const request = new Uint8Array(requestBytes);
  const echoOnce = (): Promise<void> =>
    new Promise((resolve) => {
      echo.once("message", () => resolve());
      echo.send(request, { binary: true, compress: false });
    });
  const timed = async (action: () => Promise<unknown>): Promise<number> => {
    const start = performance.now();
    await action();
    return performance.now() - start;
  };
  const runs: number[] = [];
  const echoes: number[] = [];
  // In turns, so that whatever else the machine does meets both alike.
  for (let i = 0; i < WARM_UP + LATENCY_RUNS; i++) {
    const run = await timed(() => session.run(inputs));
    const bare = await timed(echoOnce);
    if (i < WARM_UP) continue;
    runs.push(run);
    echoes.push(bare);
  }
  echo.close();
  await board.close();
  const p99 = (values: number[]): number =>
    [...values].sort((a, b) => a - b)[Math.floor(values.length * 0.99)]!;
  return {
    runMedianMs: median(runs),
    echoMedianMs: median(echoes),
    runP99Ms: p99(runs),
    echoP99Ms: p99(echoes),
    runs: LATENCY_RUNS,
  };
}

interface Prepared {
  executable: Executable;
  common: { case: string; target: string; mode: string };
  inputs: Uint8Array[];
  inputBytes: number;
  outputBytes: number;
  request: Uint8Array;
  answer: Uint8Array;
}

async function prepare({ name, model }: BenchCase): Promise<Prepared> {
  const { executable } = await compile(model, { target: TARGET });
  const total = (sizes: readonly { bytes: number }[]): number =>
    sizes.reduce((sum, { bytes }) => sum + bytes, 0);
  const infos = inputInfos(executable.graph);
  const inputs = infos.map(({ bytes }, i) => pseudoRandom(name, i, bytes) as Uint8Array);
  const outputBytes = total(outputInfos(executable.graph));
  const outputs = [new Uint8Array(outputBytes)];
  return {
    executable,
    common: { case: name, target: TARGET, mode: executable.mode },
    inputs,
    inputBytes: total(infos),
    outputBytes,
    request: encodeFrame(RUN, { profile: false, session: 0, run: 0, inputs }),
    answer: encodeFrame(RESULT, { evidence: "none", run: 0, milliseconds: 0, outputs }),
  };
}

const PARTS = {
  async bytes({ executable, inputs, inputBytes, outputBytes, common, answer }: Prepared) {
    const { board } = await startBoard({ target: TARGET, answerBytes: answer.length, runMs: 0 });
    const bytes = await bytesPerRun(executable, board, inputs);
    const overheadBytes = bytes - inputBytes - outputBytes;
    const figures = { bytesPerRun: bytes, inputBytes, outputBytes, overheadBytes };
    report({ bench: "ws bytes on the wire", ...common, ...figures, bound: "at most 64" });
  },
  async throughput({ executable, inputs, common, answer }: Prepared) {
    const { board } = await startBoard({
      target: TARGET,
      answerBytes: answer.length,
      runMs: RUN_MS,
    });
    const { localMs, boardMs } = await throughput(executable, board, inputs);
    report({
      bench: "ws throughput",
      ...common,
      assumedRunMs: RUN_MS,
      inProcessMsPerRun: localMs,
      boardMsPerRun: boardMs,
      ratio: localMs / boardMs,
      bound: "at least 0.9",
      depth: DEPTH,
    });
  },
  async latency({ executable, inputs, common, request, answer }: Prepared) {
    const addresses = await startBoard({ target: TARGET, answerBytes: answer.length, runMs: 0 });
    const figures = await latency(executable, addresses, inputs, request.length);
    const ratio = figures.runMedianMs / figures.echoMedianMs;
    report({ bench: "ws latency", ...common, ...figures, ratio, bound: "at most 1.3" });
  },
};

const at = process.argv.indexOf("--only");
const wanted = at < 0 ? Object.keys(PARTS) : [process.argv[at + 1]!];
for (const model of benchCases()) {
  const prepared = await prepare(model);
  for (const part of wanted) await PARTS[part as keyof typeof PARTS](prepared);
}
for (const child of children) child.disconnect();
