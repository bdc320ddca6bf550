// The board's side of the preview without a page: an agent on loopback, and a worker whose simulations tests end.
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { WebSocket } from "ws";
import {
  createSimTransport,
  serialiseExecutable,
  targetChip,
  type Transport,
} from "../../../core-as/index.ts";
import type { Compiled, PanelProps } from "../../../examples/preview/panel-types.ts";
import {
  boardStore,
  connect,
  disconnect,
  relabelBoard,
  runBoard,
} from "../../../examples/preview/run/board-state.ts";
import {
  viewAnswer,
  viewRunInfo,
  type AnswerArguments,
} from "../../../examples/preview/run/run-data.ts";
import {
  chooseLabels,
  choosePattern,
  openModel,
  runStore,
  simulate,
} from "../../../examples/preview/run/run-state.ts";
import { startServer, type BoardServer } from "../../../transport-ws/server/index.ts";
import { holdModel } from "../../helpers/held.ts";

/** Something that waits until a test lets it go on. */
function gate() {
  let open!: () => void;
  let arrive!: () => void;
  const opened = new Promise<void>((resolve) => (open = resolve));
  const reached = new Promise<void>((resolve) => (arrive = resolve));
  return { open, reached, pass: () => (arrive(), opened) };
}

interface Context {
  props: PanelProps;
  server: BoardServer;
  transport: Transport;
  /** What simulations and the board's runs wait for. */
  simulator: ReturnType<typeof gate>;
  board: ReturnType<typeof gate>;
  /** Simulations fail. */
  fails: boolean;
}

const test = suite<Context>("the board's side");

const digits = new Uint8Array(readFileSync("examples/sample/digits.tflite"));
const held = await holdModel(digits, { target: "a311d" });
const ZEROS = [new Uint8Array(10)];

/** Browsers have one, Node 20 has none. */
const own = Object.getOwnPropertyDescriptor(globalThis, "WebSocket");
test.before(() => void Object.assign(globalThis, { WebSocket }));
test.after(() => {
  Reflect.deleteProperty(globalThis, "WebSocket");
  if (own) Object.defineProperty(globalThis, "WebSocket", own);
});

test.before.each(async (context) => {
  context.simulator = gate();
  context.board = gate();
  context.fails = false;
  const service = {
    view: async (name: string, args: AnswerArguments) =>
      name === "run-info" ? viewRunInfo(held) : viewAnswer(held, args),
    simulate: async () => {
      await context.simulator.pass();
      if (context.fails) throw new Error("it fails");
      return { outputs: ZEROS, evidence: "simulated", timings: [] };
    },
  };
  const { report, executable } = held;
  const twx = serialiseExecutable(executable);
  const compiled = { key: "1 a311d", name: "digits.tflite", report, twx } as Compiled;
  context.props = { compiled, service } as unknown as PanelProps;
  // A board that answers zeros.
  const inner = createSimTransport(targetChip("a311d"));
  context.transport = {
    ...{ name: inner.name, chip: inner.chip, disconnected: inner.disconnected },
    close: () => inner.close(),
    load: async () => ({
      submit: async () => {
        await context.board.pass();
        return { outputs: ZEROS, evidence: "simulated", timings: [] };
      },
      release: async () => undefined,
    }),
  };
  const software = "agent of the test";
  const { transport } = context;
  context.server = await startServer({ host: "127.0.0.1", port: 0, software, transport });
  await connect(context.server.url, "", false);
  assert.is(boardStore.value.status, "open");
  await openModel(context.props);
  choosePattern(0);
});

test.after.each(async ({ server, transport }) => {
  await disconnect();
  await server.close(0);
  await transport.close();
});

test("a simulation that is under way gives what the board is compared with", async (context) => {
  const { props, simulator, board } = context;
  const simulation = simulate(props, false);
  board.open();
  const run = runBoard(props, false);
  // Until the board has answered.
  await Promise.race([run, new Promise((done) => setTimeout(done, 200))]);
  simulator.open();
  await Promise.all([run, simulation]);
  assert.is(boardStore.value.failure, null);
  assert.is(boardStore.value.outcome!.differences[0]!.different, 0);
});

for (const [what, fails] of [
  ["answer", false],
  ["error", true],
] as const)
  test(`an ${what} of a closed connection says nothing about the next one`, async (context) => {
    const { props, server, board, simulator } = context;
    context.fails = fails;
    board.open();
    const run = runBoard(props, false);
    // The board has answered: what is compared with is still computed.
    await simulator.reached;
    await disconnect();
    await connect(server.url, "", false);
    simulator.open();
    await run;
    const { status, outcome, failure } = boardStore.value;
    assert.equal([status, outcome, failure], ["open", null, null]);
  });

test("new labels name the board's answer, too", async ({ props, board, simulator }) => {
  board.open();
  simulator.open();
  chooseLabels(null);
  await runBoard(props, false);
  const first = () => boardStore.value.outcome!.answer.outputs[0]!.top![0]!.label ?? "none";
  assert.is(first(), "none");
  chooseLabels({ name: "labels.txt", lines: Array.from({ length: 10 }, (_, i) => `digit ${i}`) });
  await relabelBoard(props);
  assert.match(first(), /^digit \d$/);
  const other = { ...props, compiled: { ...props.compiled, key: "1 imx8mp" } };
  chooseLabels(null);
  await relabelBoard(other);
  assert.match(first(), /^digit \d$/, "the worker may no longer hold what ran there");
});

test("a run that fails is said of its own compilation", async (context) => {
  const { props, board, simulator } = context;
  board.open();
  simulator.open();
  context.fails = true;
  await runBoard(props, false);
  const { failure } = boardStore.value;
  assert.is(failure?.about === "run" && failure.key, props.compiled.key);
  assert.is(runStore.value.failure?.about, "run");
});

test.run();
