// Exactly once: a connection is cut at every frame, in both directions, before and after it arrives. Every run that was
// submitted is answered rightly or reported lost, and none is executed twice.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { NpuError } from "../../../core-as/errors.ts";
import { Agent } from "../../../transport-ws/agent.ts";
import { connectBoard, type BoardTransport } from "../../../transport-ws/client.ts";
import { RESUME, RESUMED, RUN, WELCOME } from "../../../transport-ws/protocol.ts";
import {
  answerTo,
  CountingTransport,
  inputOf,
  quiet,
  tappedNetwork,
  TINY,
  until,
  type Fate,
} from "../../helpers/board.ts";
import { RawClient } from "../../helpers/raw-client.ts";

const test = suite("exactly once");

const RUNS = 8;

/** An agent whose runs take a turn of the event loop, so that some wait while others run. */
function makeAgent(transport: CountingTransport): Agent {
  return new Agent(transport, {
    check: false,
    concurrentRuns: 1,
    limits: { runsPerConnection: 4 },
  });
}

function makeTransport(): CountingTransport {
  const transport = new CountingTransport(true);
  transport.onStart = () => setImmediate(() => setImmediate(() => transport.finish()));
  return transport;
}

interface Outcome {
  /** Runs that were answered, and runs that were reported lost. */
  answered: number[];
  lost: number[];
  reconnects: number;
  frames: number;
}

/**
 * Submits runs while the network does what `fateOf` says, and checks all that must hold whatever that is.
 * @param restart what the board does when its connection is cut
 */
async function play(
  fateOf: (count: number) => Fate | null,
  restart: "stays" | "starts anew" = "stays",
): Promise<Outcome> {
  const transport = makeTransport();
  const agents = [makeAgent(transport)];
  const network = tappedNetwork(
    () => agents.at(-1)!,
    (frame, _direction, count) => {
      const fate = fateOf(count) ?? frame;
      if (restart === "starts anew" && typeof fate === "string") agents.push(makeAgent(transport));
      return fate;
    },
  );
  const answered: number[] = [];
  const lost: number[] = [];
  let board: BoardTransport | null = null;
  try {
    board = await connectBoard("test://board", {
      openChannel: network.open,
      reconnect: { baseMs: 1, maxMs: 2, attempts: 20 },
    });
    const loaded = await board.load(TINY);
    const submits = Array.from({ length: RUNS }, async (_, run) => {
      try {
        const { outputs } = await loaded.submit(inputOf(run));
        assert.equal(outputs, [answerTo(run)]);
        answered.push(run);
      } catch (error) {
        assert.is((error as NpuError).code, "TW_IO_LOST", String(error));
        lost.push(run);
      }
    });
    await Promise.all(submits);
    await loaded.release();
  } catch (error) {
    // Only the first connection may fail: it is not tried again.
    assert.is(board, null, String(error));
    assert.is((error as NpuError).code, "TW_IO_CONNECT");
  }
  const frames = network.frames();
  const reconnects = board?.stats().reconnects ?? 0;
  await board?.close();
  if (board !== null) assert.is(answered.length + lost.length, RUNS);
  for (const [run, times] of transport.executed)
    assert.is(times, 1, `run ${run} was executed ${times} times`);
  for (const run of answered) assert.is(transport.executed.get(run), 1);
  await until("nothing is left", () => agents.every((agent) => agent.stats().connections === 0));
  for (const agent of agents) {
    await agent.close(1000);
    const { sessions, executables, memory, waiting, running, accepted, finished, failed, dropped } =
      agent.stats();
    assert.equal([sessions, executables, memory, waiting, running], [0, 0, 0, 0, 0]);
    assert.is(accepted, finished + failed + dropped);
  }
  assert.is(transport.loaded, transport.released);
  return { answered, lost, reconnects, frames };
}

let whole = 0;

test("without a fault every run is answered", async () => {
  const { answered, reconnects, frames } = await play(() => null);
  assert.equal(answered, [0, 1, 2, 3, 4, 5, 6, 7]);
  assert.is(reconnects, 0);
  whole = frames;
  assert.ok(whole > 2 * RUNS + 6);
});

for (const fate of ["cut before", "cut after"] as const)
  for (const restart of ["stays", "starts anew"] as const)
    test(`${fate} each frame, the board ${restart}`, async () => {
      let [answered, lost, again] = [0, 0, 0];
      for (let at = 0; at < whole; at++) {
        const outcome = await play((count) => (count === at ? fate : null), restart);
        answered += outcome.answered.length;
        lost += outcome.lost.length;
        again += outcome.reconnects;
      }
      // The cuts do hit: connections were opened again, some runs are lost, most are not.
      assert.ok(again > whole / 2, `${again} reconnects`);
      assert.ok(lost > 0 && answered > lost, `${answered} answered, ${lost} lost`);
    });

test("two cuts, one of them while the client finds out about the first", async () => {
  let cuts = 0;
  for (let at = 8; at < whole; at += 3)
    for (let gap = 1; gap <= 12; gap++)
      for (const second of ["cut before", "cut after"] as const) {
        const outcome = await play((count) =>
          count === at ? "cut after" : count === at + gap ? second : null,
        );
        cuts += outcome.reconnects;
      }
  assert.ok(cuts > 100, `${cuts} reconnects`);
});

test("cut again and again it still comes to an end", async () => {
  for (const every of [11, 13, 17, 23]) {
    const { answered, lost } = await play((count) =>
      count > 5 && count % every === 0 ? "cut before" : null,
    );
    assert.is(answered.length + lost.length, RUNS);
  }
});

/**
 * A board with four runs of one client under way: one is executed, three wait. Their connection can be cut.
 * @param baseMs after which the client connects again
 */
async function underWay(baseMs = 1): Promise<{
  transport: CountingTransport;
  agent: Agent;
  board: BoardTransport;
  results: Promise<string>[];
  cut(): void;
  asked: number[];
}> {
  const transport = new CountingTransport(true);
  const agent = makeAgent(transport);
  const asked: number[] = [];
  let cutting = false;
  const network = tappedNetwork(
    () => agent,
    (frame) => {
      if (frame[0] === RESUME.type || frame[0] === RESUMED.type) asked.push(frame[0]);
      if (!cutting) return frame;
      cutting = false;
      return "cut before";
    },
  );
  const board = await connectBoard("test://board", {
    openChannel: network.open,
    reconnect: { baseMs, maxMs: 2 * baseMs },
  });
  const loaded = await board.load(TINY);
  const results = [0, 1, 2, 3].map((run) =>
    loaded.submit(inputOf(run)).then(
      () => "answered",
      (error: NpuError) => error.code,
    ),
  );
  await until(
    "a run is executed",
    () => transport.executed.size === 1 && agent.stats().waiting === 3,
  );
  const cut = (): void => {
    cutting = true;
    void board.ping().catch(() => {});
  };
  return { transport, agent, board, results, cut, asked };
}

test("what ran is lost, what waited is sent again and executed", async () => {
  const { transport, agent, board, results, cut, asked } = await underWay();
  cut();
  await until("asked", () => asked.length === 2);
  transport.onStart = () => setImmediate(() => transport.finish());
  await until("again", () => transport.pending.length > 0 || transport.executed.size > 1);
  transport.finish();
  assert.equal(await Promise.all(results), ["TW_IO_LOST", "answered", "answered", "answered"]);
  assert.equal(
    [...transport.executed],
    [
      [0, 1],
      [1, 1],
      [2, 1],
      [3, 1],
    ],
  );
  assert.is(agent.stats().dropped, 3);
  await board.close();
  await agent.close(0);
});

test("a client that comes again ends its old connection, of which nothing is executed any more", async () => {
  // It does not connect by itself while the other one is looked at.
  const { transport, agent, board, results } = await underWay(60_000);
  // The same client on a second connection, as when its network changed and the old one only seems to stand.
  const client = (board as unknown as { client: Uint8Array }).client;
  const twin = RawClient.connect(agent);
  twin.hello({ client });
  assert.is((await twin.take(WELCOME)).known, true);
  assert.is(agent.stats().waiting, 0);
  twin.send(RESUME, { runs: [{ run: 1 }, { run: 2 }, { run: 3 }, { run: 4 }, { run: 5 }] });
  assert.equal(
    (await twin.take(RESUMED)).states.map(({ state }) => state),
    ["started", "waiting", "waiting", "waiting", "unknown"],
  );
  await board.close();
  assert.equal(await Promise.all(results), [
    "TW_IO_CLOSED",
    "TW_IO_CLOSED",
    "TW_IO_CLOSED",
    "TW_IO_CLOSED",
  ]);
  assert.equal([...transport.executed.keys()], [0]);
  await agent.close(0);
});

test("a board that has forgotten the client cannot say: lost, never executed again", async () => {
  const transport = new CountingTransport(true);
  const agent = new Agent(transport, { check: false, concurrentRuns: 1, limits: { clients: 1 } });
  let blocked = false;
  let cutting = false;
  const network = tappedNetwork(
    () => (blocked ? null : agent),
    (frame) => {
      if (!cutting) return frame;
      cutting = false;
      blocked = true;
      return "cut before";
    },
  );
  const board = await connectBoard("test://board", {
    openChannel: network.open,
    reconnect: { baseMs: 1, maxMs: 20, attempts: 1000 },
  });
  const loaded = await board.load(TINY);
  const results = [0, 1].map((run) =>
    loaded.submit(inputOf(run)).catch((error: NpuError) => error),
  );
  await until("a run is executed", () => agent.stats().waiting === 1);
  cutting = true;
  void board.ping().catch(() => {});
  await until("the end", () => agent.stats().connections === 0);
  const other = await RawClient.welcome(agent);
  other.channel.destroy();
  await quiet();
  blocked = false;
  for (const error of await Promise.all(results)) {
    assert.is((error as NpuError).code, "TW_IO_LOST");
    assert.match((error as NpuError).message, "has forgotten this client");
  }
  assert.equal([...transport.executed.keys()], [0]);
  await board.close();
  await agent.close(0);
});

test("runs that were never sent wait for the board and are executed then", async () => {
  const transport = makeTransport();
  let agent: Agent | null = makeAgent(transport);
  const network = tappedNetwork(() => agent);
  const board = await connectBoard("test://board", {
    openChannel: network.open,
    reconnect: { baseMs: 1, maxMs: 5, attempts: 1000 },
  });
  const loaded = await board.load(TINY);
  const before = agent;
  agent = null;
  await before.close(0);
  await until("the end", () => !board.stats().connected);
  // Its notice counts until the board is back.
  await loaded.submit(inputOf(9)).then(
    () => assert.unreachable(),
    (error: NpuError) => assert.is(error.code, "TW_IO_CLOSED"),
  );
  agent = makeAgent(transport);
  await until("back", () => board.stats().connected && board.stats().reconnects === 1);
  assert.equal((await loaded.submit(inputOf(3))).outputs, [answerTo(3)]);
  await board.close();
  await agent.close(0);
});

test("the ids of a client never come again", async () => {
  const ids: number[] = [];
  const transport = makeTransport();
  const agent = makeAgent(transport);
  const network = tappedNetwork(
    () => agent,
    (frame, _direction, count) => {
      if (frame[0] !== RUN.type) return frame;
      ids.push(new DataView(frame.buffer, frame.byteOffset).getUint32(4, true));
      return count % 7 === 0 ? "cut before" : frame;
    },
  );
  const board = await connectBoard("test://board", {
    openChannel: network.open,
    reconnect: { baseMs: 1, maxMs: 2, attempts: 50 },
  });
  const loaded = await board.load(TINY);
  await Promise.allSettled(Array.from({ length: 20 }, (_, run) => loaded.submit(inputOf(run))));
  assert.is(new Set(ids).size, ids.length);
  assert.equal(
    [...ids].sort((a, b) => a - b),
    ids,
  );
  assert.ok(board.stats().reconnects > 0);
  await board.close();
  await agent.close(0);
});

test.run();
