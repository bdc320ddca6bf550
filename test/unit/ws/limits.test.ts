// Every limit of the agent: what is above it is refused by name, what it protects stays as it was, others go on.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { TransportError } from "../../../core-as/errors.ts";
import { Agent, type AgentOptions } from "../../../transport-ws/agent.ts";
import { createMemoryCache } from "../../../transport-ws/agent/cache.ts";
import { ClientRecords } from "../../../transport-ws/agent/clients.ts";
import { DEFAULT_LIMITS, Throttle, withDefaults } from "../../../transport-ws/agent/limits.ts";
import { CHUNK_BYTES, UPLOAD_WINDOW } from "../../../transport-ws/agent/upload.ts";
import type { FrameChannel } from "../../../transport-ws/channel.ts";
import {
  CHUNK,
  LOAD,
  MAX_RESUMED,
  PING,
  PONG,
  PROGRESS,
  RESULT,
  WANTED,
  WELCOME,
} from "../../../transport-ws/protocol.ts";
import { CountingTransport, quiet, TestClock, TINY_BYTES, until } from "../../helpers/board.ts";
import { digestOf, RawClient } from "../../helpers/raw-client.ts";

const test = suite("limits");

type Limits = NonNullable<AgentOptions["limits"]>;

function setUp(
  limits: Limits,
  manual = false,
): { agent: Agent; transport: CountingTransport; clock: TestClock; close(): Promise<void> } {
  const transport = new CountingTransport(manual);
  const clock = new TestClock();
  const agent = new Agent(transport, { check: false, clock, limits, concurrentRuns: 1 });
  const close = async (): Promise<void> => {
    const closed = agent.close(0);
    await clock.advance(1);
    await closed;
    await quiet();
    assert.equal([agent.stats().connections, agent.stats().memory, clock.size], [0, 0, 0]);
  };
  return { agent, transport, clock, close };
}

/** The code and text with which something is refused. */
async function refusal(action: Promise<unknown>): Promise<string> {
  try {
    await action;
  } catch (error) {
    return `${(error as TransportError).code} ${(error as TransportError).message}`;
  }
  return "taken";
}

test("numbers that make no sense are refused when the agent is made", () => {
  assert.equal(withDefaults(), DEFAULT_LIMITS);
  for (const limits of [
    { frameBytes: 100 },
    { runs: 0 },
    { runs: -1 },
    { idleMs: 1.5 },
    { memory: NaN },
    { runsPerConnection: MAX_RESUMED + 1 },
    { sessionsPerConnection: 70_000 },
  ])
    assert.throws(() => withDefaults(limits), RangeError);
});

test("connections", async () => {
  const { agent, close } = setUp({ connections: 2 });
  const first = await RawClient.welcome(agent);
  await RawClient.welcome(agent);
  const third = RawClient.connect(agent);
  const { about, error } = await third.failure();
  assert.equal([about, error.code], ["connection", "TW_IO_LIMIT"]);
  assert.match(error.message, "takes 2 connections");
  await until("the end", () => third.end !== null);
  assert.is(third.end!.code, 1013);
  first.channel.destroy();
  await quiet();
  await RawClient.welcome(agent);
  await close();
});

test("credits of a connection, shared out so that every connection gets some", async () => {
  const { agent, close } = setUp({ runs: 16, connections: 4, runsPerConnection: 8 });
  const granted: number[] = [];
  for (let i = 0; i < 4; i++) {
    const client = RawClient.connect(agent);
    client.hello();
    granted.push((await client.take(WELCOME)).runs);
  }
  assert.equal(granted, [6, 4, 2, 2]);
  await close();
});

test("a board whose runs are all given away says so", async () => {
  const { agent, close } = setUp({ runs: 1, connections: 4 });
  await RawClient.welcome(agent);
  const client = RawClient.connect(agent);
  client.hello();
  assert.match((await client.failure()).error.message, "other connections hold all runs");
  await close();
});

test("runs beyond the credits", async () => {
  const { agent, close } = setUp({ runsPerConnection: 2 }, true);
  const client = await RawClient.welcome(agent);
  const session = await client.load();
  for (const run of [1, 2, 3]) client.run(session, run);
  const { about, error } = await client.failure();
  assert.equal([about, error.code], ["connection", "TW_IO_LIMIT"]);
  assert.match(error.message, "run 3 was sent without a credit: 2 of 2 runs");
  await close();
});

test("bytes of runs beyond the credits; one alone is always allowed", async () => {
  const { agent, transport, close } = setUp({ runBytesPerConnection: 20 }, true);
  const client = await RawClient.welcome(agent);
  const session = await client.load();
  client.run(session, 1);
  await quiet();
  transport.finish();
  await client.take(RESULT);
  client.run(session, 2);
  client.run(session, 3);
  assert.match((await client.failure()).error.message, "32 of 20 bytes are unanswered");
  await close();
});

test("frames", async () => {
  const { agent, close } = setUp({ frameBytes: 8192 });
  const client = await RawClient.welcome(agent);
  client.channel.send(new Uint8Array(8193).fill(0x20));
  const { error } = await client.failure();
  assert.is(error.code, "TW_IO_LIMIT");
  assert.match(error.message, "8193 bytes, the board takes 8192");
  await close();
});

test("sessions of a connection, executables of the board, bytes of an executable", async () => {
  const { agent, transport, close } = setUp({
    sessionsPerConnection: 2,
    executables: 1,
    executableBytes: TINY_BYTES.length + 1,
  });
  const client = await RawClient.welcome(agent);
  await client.load();
  await client.load();
  assert.match(await refusal(client.load()), /^TW_IO_LIMIT a connection holds 2 loaded/);
  const other = await RawClient.welcome(agent);
  await other.load();
  assert.match(
    await refusal(other.load(new Uint8Array(TINY_BYTES.length + 2))),
    /^TW_IO_LIMIT .* takes 1 to/,
  );
  // Another executable; what is wrong with it is not looked at before.
  assert.match(
    await refusal(other.load(TINY_BYTES.slice(0, 80))),
    /^TW_IO_LIMIT the board holds 1 loaded/,
  );
  assert.is(transport.loaded, 1);
  await close();
});

test("memory of a connection and of the board, uploads and loaded executables alike", async () => {
  const bytes = TINY_BYTES.length;
  const small = setUp({ memoryPerConnection: bytes - 1 });
  const a = await RawClient.welcome(small.agent);
  assert.match(
    await refusal(a.load()),
    `TW_IO_LIMIT the board gives ${bytes - 1} bytes of memory to one`,
  );
  assert.is(small.agent.stats().memory, 0);
  await small.close();

  // Enough for one upload but not for what is loaded from it.
  const tight = setUp({ memory: bytes + 10 });
  const b = await RawClient.welcome(tight.agent);
  assert.match(await refusal(b.load()), /^TW_IO_LIMIT the board gives \d+ bytes of memory to all/);
  assert.is(tight.agent.stats().memory, 0);
  await tight.close();
});

test("an upload that runs ahead of its window, or is cut too small or too large", async () => {
  const { agent, close } = setUp({ uploadBytesPerSecond: 1000 });
  const size = UPLOAD_WINDOW + CHUNK_BYTES;
  const begin = async (): Promise<RawClient> => {
    const client = await RawClient.welcome(agent);
    client.send(LOAD, { request: 1, digest: new Uint8Array(32), bytes: size });
    await client.take(WANTED);
    return client;
  };
  const ahead = await begin();
  for (let at = 0; at < size; at += CHUNK_BYTES)
    ahead.send(CHUNK, { request: 1, bytes: [new Uint8Array(CHUNK_BYTES)] });
  const { error } = await ahead.failure();
  assert.is(error.code, "TW_IO_LIMIT");
  assert.match(error.message, `${size} bytes ahead, at most ${UPLOAD_WINDOW}`);
  for (const piece of [0, CHUNK_BYTES + 1]) {
    const client = await begin();
    client.send(CHUNK, { request: 1, bytes: [new Uint8Array(piece)] });
    assert.match((await client.failure()).error.message, `a piece of ${piece} bytes`);
  }
  const more = await RawClient.welcome(agent);
  more.send(LOAD, { request: 1, digest: new Uint8Array(32), bytes: 5 });
  await more.take(WANTED);
  more.send(CHUNK, { request: 1, bytes: [new Uint8Array(6)] });
  assert.match((await more.failure()).error.message, "6 bytes were uploaded, 5 announced");
  await close();
});

test("the rate of uploads holds progress back", async () => {
  const { agent, clock, close } = setUp({ uploadBytesPerSecondPerConnection: 1000 });
  const client = await RawClient.welcome(agent);
  client.send(LOAD, { request: 1, digest: new Uint8Array(32), bytes: 5000 });
  await client.take(WANTED);
  for (const _ of [1, 2]) client.send(CHUNK, { request: 1, bytes: [new Uint8Array(1000)] });
  await clock.advance(990);
  assert.is(client.heard.length, 0);
  await clock.advance(20);
  assert.is((await client.take(PROGRESS)).received, 1000);
  await clock.advance(980);
  assert.is(client.heard.length, 0);
  await clock.advance(20);
  assert.is((await client.take(PROGRESS)).received, 2000);
  await close();
});

test("a rate counts from when it was last used up", () => {
  const throttle = new Throttle(1000);
  assert.is(throttle.delay(500, 0), 500);
  assert.is(throttle.delay(500, 100), 900);
  assert.is(throttle.delay(1000, 50_000), 1000);
  assert.is(new Throttle(0).delay(1e9, 0), 0);
});

test("no hello in time", async () => {
  const { agent, clock, close } = setUp({ helloMs: 1000 });
  const client = RawClient.connect(agent);
  await clock.advance(900);
  assert.is(client.end, null);
  await clock.advance(500);
  assert.is(client.end!.code, 1006);
  assert.is(agent.stats().connections, 0);
  await close();
});

test("half-open connections: pinged, then dropped; whoever answers stays", async () => {
  const { agent, clock, close } = setUp({ idleMs: 9000 });
  const [dead, alive] = [await RawClient.welcome(agent), await RawClient.welcome(agent)];
  for (let second = 0; second < 30; second++) {
    await clock.advance(1000);
    while (alive.heard.length > 0) {
      await alive.take(PING);
      alive.send(PONG, { stamp: 0, runs: 0, sessions: 0 });
    }
  }
  assert.equal([dead.end?.code, alive.end, agent.stats().connections], [1006, null, 1]);
  assert.is(dead.heard.length, 1);
  await close();
});

test("time in which the agent itself was busy is not held against its clients", async () => {
  const { agent, clock, close } = setUp({ idleMs: 9000 });
  const client = await RawClient.welcome(agent);
  for (let i = 0; i < 4; i++) {
    clock.block(60_000);
    await clock.advance(1);
  }
  assert.is(client.end, null);
  await close();
});

test("an upload of which nothing comes any more", async () => {
  const { agent, clock, close } = setUp({ uploadStallMs: 3000 });
  const client = await RawClient.welcome(agent);
  client.send(LOAD, { request: 1, digest: new Uint8Array(32), bytes: 5000 });
  await client.take(WANTED);
  await clock.advance(2000);
  client.send(CHUNK, { request: 1, bytes: [new Uint8Array(10)] });
  await client.take(PROGRESS);
  await clock.advance(2500);
  assert.is(client.end, null);
  await clock.advance(2000);
  assert.is((await client.failure()).error.code, "TW_IO_TIMEOUT");
  await until("the end", () => client.end !== null);
  assert.is(agent.stats().memory, 0);
  await close();
});

/** A channel of which the peer takes only as much as the test lets it. */
class StuckChannel implements FrameChannel {
  bufferedBytes = 0;
  stuck = false;

  constructor(private readonly inner: FrameChannel) {}

  get peer(): string {
    return this.inner.peer;
  }

  listen: FrameChannel["listen"] = (handlers) => this.inner.listen(handlers);
  close: FrameChannel["close"] = (end) => this.inner.close(end);
  destroy: FrameChannel["destroy"] = () => this.inner.destroy();

  send(frame: Uint8Array): void {
    if (this.stuck) this.bufferedBytes += frame.length;
    else this.inner.send(frame);
  }
}

async function stuckClient(agent: Agent): Promise<{ client: RawClient; channel: StuckChannel }> {
  let channel!: StuckChannel;
  const client = await RawClient.welcome(agent, {}, (inner) => (channel = new StuckChannel(inner)));
  return { client, channel };
}

test("readers that take nothing, or next to nothing, of what waits for them", async () => {
  const { agent, clock, close } = setUp({ slowReaderMs: 4000, slowReaderBytes: 100, idleMs: 1e6 });
  const { client, channel } = await stuckClient(agent);
  const session = await client.load();
  channel.stuck = true;
  for (let run = 1; run < 10; run++) client.run(session, run);
  await quiet();
  assert.ok(channel.bufferedBytes > 200);
  // It takes just enough: it stays.
  for (let i = 0; i < 2; i++) {
    await clock.advance(4000);
    channel.bufferedBytes -= 110;
  }
  assert.is(client.end, null);
  await clock.advance(9000);
  assert.is(client.end!.code, 1006);
  await close();
});

test("a shutdown waits until the last answers have left, within its grace", async () => {
  for (const leaves of [true, false]) {
    const { agent, clock } = setUp({ idleMs: 1e6, slowReaderMs: 1e6 });
    const { client, channel } = await stuckClient(agent);
    const session = await client.load();
    channel.stuck = true;
    client.run(session, 1);
    await quiet();
    let closed = false;
    void agent.close(5000).then(() => (closed = true));
    await clock.advance(3000);
    assert.is(closed, false);
    if (leaves) channel.bufferedBytes = 0;
    await clock.advance(100);
    assert.is(closed, leaves);
    await clock.advance(3000);
    assert.is(closed, true);
  }
});

test("readers for whom more waits than their credits can bring about", async () => {
  const { agent, close } = setUp({ runBytesPerConnection: 64, frameBytes: 8192 });
  const { client, channel } = await stuckClient(agent);
  const session = await client.load();
  channel.stuck = true;
  client.run(session, 1);
  await quiet();
  assert.is(client.end, null);
  // Whatever the answers are to, even pings.
  channel.bufferedBytes = 64 + 2 * 8192;
  client.send(PING, { stamp: 1 });
  await until("the end", () => client.end !== null);
  assert.is(client.end!.code, 1006);
  await close();
});

test("clients are remembered for a time, and not too many of them", async () => {
  const { agent, clock, close } = setUp({ clientMs: 10_000, clients: 2 });
  const again = async (id: number): Promise<boolean> => {
    const client = RawClient.connect(agent);
    client.hello({ client: new Uint8Array(16).fill(id) });
    const { known } = await client.take(WELCOME);
    client.channel.destroy();
    await quiet();
    return known;
  };
  assert.equal([await again(1), await again(1)], [false, true]);
  await clock.advance(12_000);
  assert.is(agent.stats().clients, 0);
  assert.equal(
    [await again(1), await again(2), await again(3), await again(1)],
    [false, false, false, false],
  );
  assert.is(agent.stats().clients, 2);
  await close();
});

test("what is remembered of a client is bounded", () => {
  const { record } = new ClientRecords(1, 1).open("x", {});
  record.highest = 10_000;
  record.drop(Array.from({ length: 10_000 }, (_, i) => i));
  assert.equal(record.resume([0, 9_999, 10_001]), ["started", "waiting", "unknown"]);
  // Only what was asked for may be asked again.
  assert.equal(record.resume([9_999]), ["waiting"]);
  assert.equal(record.resume([]), []);
  assert.equal(record.resume([9_999]), ["started"]);
});

test("the cache in memory: the oldest use goes first, what is too large is not kept", async () => {
  const cache = createMemoryCache({ maxBytes: 10, maxEntries: 2 });
  await cache.put("a", new Uint8Array(4));
  await cache.put("b", new Uint8Array(4));
  await cache.get("a");
  await cache.put("c", new Uint8Array(4));
  assert.equal(
    [(await cache.get("a"))?.length, await cache.get("b"), (await cache.get("c"))?.length],
    [4, null, 4],
  );
  await cache.put("d", new Uint8Array(11));
  assert.is(await cache.get("d"), null);
  await cache.put("e", new Uint8Array(9));
  assert.equal(
    [await cache.get("a"), await cache.get("c"), (await cache.get("e"))?.length],
    [null, null, 9],
  );
});

test("digests name executables, not their order", async () => {
  const { agent, close } = setUp({});
  const client = await RawClient.welcome(agent);
  client.send(LOAD, { request: 1, digest: digestOf(TINY_BYTES), bytes: 0 });
  assert.is((await client.failure()).error.code, "TW_IO_LIMIT");
  await close();
});

test.run();
