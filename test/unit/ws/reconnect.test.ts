// The client's connections: how they fail, come back and end; boards that are silent or break the protocol; addresses.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type NpuError } from "../../../core-as/errors.ts";
import { chipByName } from "../../../core-as/hw/chips.ts";
import { Agent } from "../../../transport-ws/agent.ts";
import { connectBoard, type ConnectOptions } from "../../../transport-ws/client.ts";
import { checkUrl } from "../../../transport-ws/client/options.ts";
import { Backoff } from "../../../transport-ws/client/reconnect.ts";
import {
  encodeFrame,
  LOAD,
  LOADED,
  PING,
  RESULT,
  UNLOADED,
  WELCOME,
} from "../../../transport-ws/protocol.ts";
import { openWebChannel } from "../../../transport-ws/web-channel.ts";
import { codeOf, errorOf, setUp, tearDown } from "../../helpers/board-client.ts";
import {
  answerTo,
  CountingTransport,
  inputOf,
  quiet,
  tappedNetwork,
  TestClock,
  TINY,
  until,
} from "../../helpers/board.ts";

const test = suite("board connection");

test("loads what the board lost when it was started anew", async () => {
  const transport = new CountingTransport();
  let agent: Agent | null = new Agent(transport, { check: false });
  const progress: number[] = [];
  const board = await connectBoard("test://board", {
    openChannel: tappedNetwork(() => agent).open,
    reconnect: { baseMs: 1, maxMs: 5, attempts: 1000 },
    onUploadProgress: (sent) => progress.push(sent),
  });
  const loaded = await board.load(TINY);
  const { boot } = board.capabilities;
  await agent.close(0);
  await until("the end", () => !board.stats().connected);
  agent = new Agent(transport, { check: false });
  await until("back", () => board.stats().connected);
  assert.is.not(board.capabilities.boot, boot);
  assert.equal((await loaded.submit(inputOf(5))).outputs, [answerTo(5)]);
  assert.is(progress.filter((sent) => sent === 0).length, 2);
  await board.close();
  await agent.close(0);
});

test("an executable that cannot be loaded again is refused with the reason, the others go on", async () => {
  const transport = new CountingTransport();
  let agent: Agent | null = new Agent(transport, { check: false });
  const board = await connectBoard("test://board", {
    openChannel: tappedNetwork(() => agent).open,
    reconnect: { baseMs: 1, maxMs: 5, attempts: 1000 },
  });
  const loaded = await board.load(TINY);
  await agent.close(0);
  agent = new Agent(transport, { check: false, limits: { executableBytes: 10 } });
  await until("back", () => board.stats().reconnects === 1);
  assert.is(await codeOf(loaded.submit(inputOf(5))), "TW_IO_LIMIT");
  await loaded.release();
  assert.ok((await board.ping()) >= 0);
  await board.close();
  await agent.close(0);
});

test("connecting fails with the reason", async () => {
  const refused = new Agent(new CountingTransport(), {
    check: false,
    authenticate: (token) => token === "right",
  });
  const openChannel = tappedNetwork(() => refused).open;
  assert.is(await codeOf(connectBoard("test://b", { openChannel, token: "wrong" })), "TW_IO_AUTH");
  const board = await connectBoard("test://b", { openChannel, token: "right" });
  await board.close();
  await refused.close(0);
  assert.is(
    await codeOf(connectBoard("test://b", { openChannel, token: "right" })),
    "TW_IO_CLOSED",
  );
  const nobody = tappedNetwork(() => null).open;
  assert.is(await codeOf(connectBoard("test://b", { openChannel: nobody })), "TW_IO_CONNECT");
  const signal = AbortSignal.abort();
  assert.is(
    await codeOf(connectBoard("test://b", { openChannel: nobody, signal })),
    "TW_IO_ABORTED",
  );
});

test("a board that never says welcome is given up in time", async () => {
  const clock = new TestClock();
  const agent = new Agent(new CountingTransport(), {
    check: false,
    authenticate: () => new Promise(() => {}),
  });
  const connecting = codeOf(
    connectBoard("test://b", {
      openChannel: tappedNetwork(() => agent).open,
      clock,
      connectMs: 3000,
    }),
  );
  await clock.advance(3001);
  assert.is(await connecting, "TW_IO_CONNECT");
  assert.is(clock.size, 0);
  await agent.close(0);
});

test("a board that does not come back is given up: what was sent is lost, what was not is told so", async () => {
  const transport = new CountingTransport(true);
  const agent = new Agent(transport, { check: false, limits: { runsPerConnection: 1 } });
  let isThere = true;
  let cutting = false;
  const network = tappedNetwork(
    () => (isThere ? agent : null),
    (frame) => (cutting ? "cut before" : frame),
  );
  const board = await connectBoard("test://board", {
    openChannel: network.open,
    reconnect: { baseMs: 1, maxMs: 2, attempts: 3 },
  });
  const loaded = await board.load(TINY);
  const results = [0, 1].map((run) => errorOf(loaded.submit(inputOf(run))));
  await until("it runs", () => transport.pending.length === 1);
  [isThere, cutting] = [false, true];
  void board.ping().catch(() => {});
  const [sent, waiting] = await Promise.all(results);
  assert.equal([sent!.code, waiting!.code], ["TW_IO_LOST", "TW_IO_CONNECT"]);
  const { kind, message } = await board.disconnected;
  assert.is(kind, "lost");
  assert.match(message, "nobody answers");
  assert.is(await codeOf(loaded.submit(inputOf(2))), "TW_IO_CONNECT");
  assert.is(await codeOf(board.load(TINY)), "TW_IO_CONNECT");
  await loaded.release();
  await board.close();
  await agent.close(0);
});

test("with no attempts a lost connection is the end", async () => {
  const all = await setUp({ client: { reconnect: { attempts: 0 } } });
  await all.agent.close(0);
  assert.is((await all.board.disconnected).kind, "lost");
  await tearDown(all);
});

test("a board that shuts down while it is asked for the executables again is tried again", async () => {
  const transport = new CountingTransport();
  const agents = [new Agent(transport, { check: false })];
  let loads = 0;
  const network = tappedNetwork(
    () => agents.at(-1)!,
    (frame, direction) => {
      if (direction === "to agent" && frame[0] === LOAD.type && ++loads === 2) {
        void agents.at(-1)!.close(0);
        agents.push(new Agent(transport, { check: false }));
      }
      return frame;
    },
  );
  const board = await connectBoard("test://b", {
    openChannel: network.open,
    reconnect: { baseMs: 1, maxMs: 5, attempts: 1000 },
  });
  const loaded = await board.load(TINY);
  agents.push(new Agent(transport, { check: false }));
  await agents[0]!.close(0);
  await until("back", () => board.stats().reconnects === 1);
  assert.is(loads, 3);
  assert.equal((await loaded.submit(inputOf(5))).outputs, [answerTo(5)]);
  await board.close();
  for (const agent of agents) {
    await until("nothing is left", () => agent.stats().connections === 0);
    await agent.close(0);
  }
});

test("another chip at the same address is not taken for the same board", async () => {
  const first = new Agent(new CountingTransport(), { check: false });
  const other = new CountingTransport();
  (other as { chip: unknown }).chip = chipByName("imx8mp")!;
  const second = new Agent(other, { check: false });
  let agent = first;
  const board = await connectBoard("test://b", {
    openChannel: tappedNetwork(() => agent).open,
    reconnect: { baseMs: 1, maxMs: 2 },
  });
  agent = second;
  await first.close(0);
  const { kind, message } = await board.disconnected;
  assert.is(kind, "lost");
  assert.match(message, "was a a311d and is a imx8mp now");
  // It is not kept connected for nothing.
  await until("nothing is left", () => second.stats().connections === 0);
  await board.close();
  await second.close(0);
});

test("an executable for another chip is refused before anything is sent, with both chips", async () => {
  const all = await setUp();
  const { sent } = all;
  const before = sent.length;
  const other = { ...TINY, chip: { ...chipByName("imx8mp")! } };
  const error = await errorOf(all.board.load(other));
  assert.is(error.code, "TW_EXE_CHIP");
  assert.match(error.message, /imx8mp.*a311d/);
  assert.is(sent.length, before);
  await tearDown(all);
});

test("the shutdown of the board: new runs are refused, waiting ones told, it comes back later", async () => {
  const transport = new CountingTransport(true);
  let agent = new Agent(transport, {
    check: false,
    concurrentRuns: 1,
    limits: { runsPerConnection: 2 },
  });
  const board = await connectBoard("test://b", {
    openChannel: tappedNetwork(() => agent).open,
    reconnect: { baseMs: 1, maxMs: 5, attempts: 1000 },
  });
  const loaded = await board.load(TINY);
  const results = [0, 1, 2].map((run) =>
    loaded.submit(inputOf(run)).then(
      () => "answered",
      (error: NpuError) => error.code,
    ),
  );
  await until("it runs", () => transport.pending.length === 1);
  const closed = agent.close(60_000);
  await quiet();
  const refused = await errorOf(loaded.submit(inputOf(3)));
  assert.is(refused.code, "TW_IO_CLOSED");
  assert.match(refused.message, "is shutting down");
  assert.is(await codeOf(board.load(TINY)), "TW_IO_CLOSED");
  transport.manual = false;
  transport.finish();
  await closed;
  agent = new Agent(transport, { check: false });
  assert.equal(await Promise.all(results), ["answered", "answered", "TW_IO_CLOSED"]);
  await until("back", () => board.stats().reconnects === 1);
  assert.equal((await loaded.submit(inputOf(4))).outputs, [answerTo(4)]);
  await board.close();
  await agent.close(0);
});

const BROKEN: [what: string, frame: (frame: Uint8Array) => Uint8Array | null][] = [
  ["an unknown type", (frame) => (frame[0] === RESULT.type ? Uint8Array.of(0x77) : null)],
  ["an empty frame", (frame) => (frame[0] === RESULT.type ? new Uint8Array(0) : null)],
  [
    "a client's frame",
    (frame) => (frame[0] === RESULT.type ? encodeFrame(UNLOADED, { session: 9 }) : null),
  ],
  ["a second welcome", (frame) => (frame[0] === RESULT.type ? Uint8Array.of(WELCOME.type) : null)],
  ["outputs of another size", (frame) => (frame[0] === RESULT.type ? frame.slice(0, -1) : null)],
  [
    "an answer to nothing",
    (frame) => (frame[0] === RESULT.type ? frame.map((byte, i) => (i === 3 ? 9 : byte)) : null),
  ],
];

for (const [what, change] of BROKEN)
  test(`a board that breaks the protocol is not talked to any more: ${what}`, async () => {
    const all = await setUp({
      fate: (frame, direction) => (direction === "to client" ? (change(frame) ?? frame) : frame),
    });
    const loaded = await all.board.load(TINY);
    const error = await errorOf(loaded.submit(inputOf(0)));
    assert.ok(["TW_IO_LOST", "TW_IO_PROTOCOL"].includes(error.code), error.code);
    assert.is((await all.board.disconnected).kind, "lost");
    assert.is(await codeOf(loaded.submit(inputOf(1))), "TW_IO_PROTOCOL");
    await tearDown(all);
  });

test("sizes of an executable that are not its own end the connection", async () => {
  const all = await setUp({
    fate: (frame, direction) => {
      if (direction !== "to client" || frame[0] !== LOADED.type) return frame;
      return encodeFrame(LOADED, { request: 1, session: 1, inputs: [], outputs: [] });
    },
  });
  assert.is(await codeOf(all.board.load(TINY)), "TW_IO_PROTOCOL");
  await tearDown(all);
});

test("a silent board is pinged, then given up; a busy one is waited for as long as it asked for", async () => {
  for (const patienceMs of [0, 100_000]) {
    const clock = new TestClock();
    const transport = new CountingTransport();
    const agent = new Agent(transport, { check: false, patienceMs });
    let deaf = false;
    const network = tappedNetwork(
      () => agent,
      (frame, direction) => {
        if (direction === "to agent") pings += frame[0] === PING.type ? 1 : 0;
        return frame;
      },
    );
    let pings = 0;
    // What comes is dropped on its last step, as if it had never arrived.
    const openChannel: typeof network.open = async (url, options) => {
      const channel = await network.open(url, options);
      const listen = channel.listen.bind(channel);
      channel.listen = ({ frame, closed }) =>
        listen({ frame: (bytes) => (deaf ? undefined : frame(bytes)), closed });
      return channel;
    };
    const board = await connectBoard("test://b", {
      openChannel,
      clock,
      keepAliveMs: 10_000,
      reconnect: { attempts: 0 },
    });
    deaf = true;
    await clock.advance(29_000);
    assert.is(pings, 1);
    assert.ok(board.stats().connected);
    await clock.advance(4_000);
    assert.is(board.stats().connected, patienceMs > 0);
    await clock.advance(100_000);
    assert.is((await board.disconnected).kind, "lost");
    await board.close();
    await agent.close(0);
    assert.is(clock.size, 0);
  }
});

test("time in which the client itself was busy is not held against the board", async () => {
  const clock = new TestClock();
  const all = await setUp({ client: { clock, keepAliveMs: 10_000 } });
  for (let i = 0; i < 4; i++) {
    clock.block(60_000);
    await clock.advance(1);
  }
  assert.ok(all.board.stats().connected);
  await tearDown(all);
});

test("waits between attempts grow to their bound and are spread", async () => {
  const clock = new TestClock();
  const waits: number[] = [];
  const backoff = new Backoff({ attempts: 6, baseMs: 100, maxMs: 800 }, clock, () => 0.5);
  const { signal } = new AbortController();
  for (;;) {
    const start = clock.now();
    let waited: boolean | null = null;
    void backoff.wait(signal).then((result) => (waited = result));
    await quiet(1);
    while (waited === null) await clock.advance(25);
    if (!waited) break;
    waits.push(clock.now() - start);
  }
  assert.equal(waits, [75, 150, 300, 600, 600, 600]);
  backoff.reset();
  const abort = new AbortController();
  const waiting = backoff.wait(abort.signal);
  abort.abort();
  assert.is(await waiting, false);
  assert.is(clock.size, 0);
});

test("addresses: what is one, and where no token may go", () => {
  const code = (url: string, options: ConnectOptions = {}): string => {
    try {
      checkUrl(url, options);
      return "taken";
    } catch (error) {
      assert.not.match((error as NpuError).message, "s3cret");
      return (error as NpuError).code;
    }
  };
  const token = "s3cret-s3cret-s3cret";
  for (const url of ["ws://a:1", "wss://a:1", "ws://127.0.0.1:1/", "ws://[::1]:5"])
    assert.is(code(url), "taken");
  for (const url of ["", "a:1", "http://a:1", "nats://a"]) assert.is(code(url), "TW_IO_CONNECT");
  for (const url of ["ws://u:s3cret@a:1", "wss://s3cret@a:1", "ws://a:1/?token=s3cret"])
    assert.is(code(url), "TW_IO_AUTH");
  for (const host of ["127.0.0.1:1", "localhost:1", "[::1]:1", "127.9.9.9"])
    assert.is(code(`ws://${host}`, { token }), "taken");
  for (const host of ["192.168.1.5:1", "board:1", "localhost.evil.org", "127.0.0.1.evil.org"]) {
    assert.is(code(`ws://${host}`, { token }), "TW_IO_AUTH");
    assert.is(code(`wss://${host}`, { token }), "taken");
    assert.is(code(`ws://${host}`, { token, allowPlaintextToken: true }), "taken");
  }
});

test("numbers that make no sense are refused", async () => {
  for (const options of [
    { keepAliveMs: 0 },
    { maxFrameBytes: 5 },
    { reconnect: { attempts: -1 } },
    { connectMs: NaN },
  ])
    await connectBoard("test://b", {
      openChannel: tappedNetwork(() => null).open,
      ...options,
    }).then(
      () => assert.unreachable(),
      (error: unknown) => assert.instance(error, RangeError),
    );
});

test("without a global WebSocket the error says what to do", async () => {
  if (typeof WebSocket === "function") return;
  assert.match((await errorOf(openWebChannel("ws://127.0.0.1:1"))).message, "tilewright/ws/server");
});

test.run();
