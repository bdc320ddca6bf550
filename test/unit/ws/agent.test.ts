// The agent, frame by frame: what it answers, in which state, and that whatever breaks the protocol ends one connection only.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TransportError } from "../../../core-as/errors.ts";
import { Agent, type AgentOptions } from "../../../transport-ws/agent.ts";
import {
  ABANDON,
  CANCEL,
  CHUNK,
  FRAMES,
  GOODBYE,
  LOAD,
  LOADED,
  PING,
  PONG,
  PROFILED,
  PROGRESS,
  RESULT,
  SHUTDOWN,
  UNLOAD,
  UNLOADED,
  WANTED,
  WELCOME,
} from "../../../transport-ws/protocol.ts";
import {
  answerTo,
  CountingTransport,
  inputOf,
  quiet,
  TestClock,
  TINY_BYTES,
  until,
} from "../../helpers/board.ts";
import { digestOf, RawClient } from "../../helpers/raw-client.ts";

const test = suite("agent");

function setUp(
  options: AgentOptions = {},
  manual = false,
): { agent: Agent; transport: CountingTransport; clock: TestClock } {
  const transport = new CountingTransport(manual);
  const clock = new TestClock();
  return { agent: new Agent(transport, { check: false, clock, ...options }), transport, clock };
}

test("runs at a time are a whole number from 1 on", () => {
  for (const concurrentRuns of [0, -1, 1.5, NaN])
    assert.throws(() => setUp({ concurrentRuns }), RangeError);
});

test("welcomes, loads, runs, unloads, and answers pings with its load", async () => {
  const { agent, transport } = setUp({ device: "/dev/x", software: "9.9", evidence: "measured" });
  const client = RawClient.connect(agent);
  client.hello();
  const welcome = await client.take(WELCOME);
  assert.equal(
    [welcome.version, welcome.device, welcome.software, welcome.evidence, welcome.transport],
    [1, "/dev/x", "9.9", "measured", "fake"],
  );
  assert.equal(
    [welcome.chip, welcome.model, welcome.known],
    ["a311d", transport.chip.model, false],
  );
  const session = await client.load();
  client.run(session, 1);
  const result = await client.take(RESULT);
  assert.equal([result.run, result.evidence], [1, "none"]);
  assert.equal(result.outputs, answerTo(1));
  client.run(session, 2, true);
  const profiled = await client.take(PROFILED);
  assert.equal(profiled.jobs, [
    { partition: 0, job: 1, milliseconds: 2, counters: [{ name: "MC.READ", value: 3 }] },
  ]);
  assert.equal(profiled.outputs, answerTo(2));
  client.send(PING, { stamp: 77 });
  assert.equal(await client.take(PONG), { stamp: 77, runs: 0, sessions: 1 });
  client.send(UNLOAD, { session });
  await client.take(UNLOADED);
  assert.equal([transport.loaded, transport.released], [1, 1]);
  client.send(GOODBYE, {});
  await quiet();
  assert.equal([client.end?.code, agent.stats().connections, agent.stats().clients], [1000, 0, 0]);
  await agent.close(0);
});

test("asks for an executable once, shares it between sessions and connections, keeps it for later ones", async () => {
  const { agent, transport } = setUp();
  const [a, b] = [await RawClient.welcome(agent), await RawClient.welcome(agent)];
  const first = await a.load();
  const second = await a.load();
  const third = await b.load();
  assert.is.not(first, second);
  assert.equal([transport.loaded, agent.stats().sessions, agent.stats().executables], [1, 3, 1]);
  a.send(UNLOAD, { session: first });
  await a.take(UNLOADED);
  a.run(second, 1);
  await a.take(RESULT);
  a.channel.destroy();
  await quiet();
  assert.is(transport.released, 0);
  b.run(third, 1);
  await b.take(RESULT);
  b.channel.destroy();
  await quiet();
  assert.equal([transport.released, agent.stats().memory, agent.stats().sessions], [1, 0, 0]);
  const later = await RawClient.welcome(agent);
  const request = 1;
  later.send(LOAD, { request, digest: digestOf(TINY_BYTES), bytes: TINY_BYTES.length });
  assert.is((await later.take(LOADED)).request, request);
  await agent.close(0);
});

test("refuses what is no hello, whatever it is", async () => {
  const { agent } = setUp();
  const cases: [frame: Uint8Array, code: string, closed: number][] = [
    [new Uint8Array(0), "TW_IO_PROTOCOL", 1002],
    [Uint8Array.of(0x20, 1, 2, 3), "TW_IO_PROTOCOL", 1002],
    [new Uint8Array(1025).fill(1), "TW_IO_LIMIT", 1008],
    [Uint8Array.of(1, 0x54, 0x57, 0x42, 0x51, 1, 0, 1, 0), "TW_IO_PROTOCOL", 1002],
  ];
  for (const [frame, code, closed] of cases) {
    const client = RawClient.connect(agent);
    client.channel.send(frame);
    const { about, error } = await client.failure();
    await quiet();
    assert.equal([about, error.code, client.end?.code], ["connection", code, closed]);
  }
  assert.is(agent.stats().connections, 0);
  await agent.close(0);
});

test("a version from the past or the future is told what both sides have, whatever the rest of its hello is", async () => {
  const { agent } = setUp();
  for (const [minVersion, maxVersion] of [
    [2, 7],
    [0, 0],
  ] as const) {
    const client = RawClient.connect(agent);
    const start = Uint8Array.of(1, 0x54, 0x57, 0x42, 0x50, minVersion, 0, maxVersion, 0, 99, 99);
    client.channel.send(start);
    const { error } = await client.failure();
    assert.is(error.code, "TW_IO_VERSION");
    assert.match(error.message, "board speaks versions 1 to 1");
    assert.match(error.message, `client speaks ${minVersion} to ${maxVersion}`);
  }
  const newer = RawClient.connect(agent);
  newer.hello({ minVersion: 1, maxVersion: 9 });
  assert.is((await newer.take(WELCOME)).version, 1);
  await agent.close(0);
});

test("takes no frame before the welcome while a token is looked at, and none with a wrong one", async () => {
  let decide!: (allowed: boolean) => void;
  const seen: string[] = [];
  const authenticate = (token: string): Promise<boolean> => {
    seen.push(token);
    return new Promise((resolve) => (decide = resolve));
  };
  const { agent } = setUp({ authenticate });
  const wrong = RawClient.connect(agent);
  wrong.hello({ token: "guess" });
  await quiet();
  decide(false);
  const { error } = await wrong.failure();
  assert.equal([error.code, error.message], ["TW_IO_AUTH", "the board refuses the token"]);
  const none = RawClient.connect(agent);
  none.hello();
  await quiet();
  decide(false);
  assert.is((await none.failure()).error.message, "the board wants a token");
  const hasty = RawClient.connect(agent);
  hasty.hello({ token: "right" });
  hasty.send(PING, { stamp: 1 });
  assert.is((await hasty.failure()).error.code, "TW_IO_PROTOCOL");
  decide(true);
  await quiet();
  assert.equal([hasty.heard.length, agent.stats().connections], [0, 0]);
  const right = RawClient.connect(agent);
  right.hello({ token: "right" });
  await quiet();
  decide(true);
  await right.take(WELCOME);
  assert.equal(seen, ["guess", "", "right", "right"]);
  await agent.close(0);
});

test("a frame of the agent, an unknown one, an empty one end the connection and no other", async () => {
  const { agent } = setUp();
  const other = await RawClient.welcome(agent);
  const fromAgent = FRAMES.filter(({ from }) => from === "agent").map(({ type }) => type);
  for (const type of [...fromAgent, 0x00, 0x01, 0x7f, 0xff]) {
    const client = await RawClient.welcome(agent);
    client.channel.send(Uint8Array.of(type, 0, 0));
    const { error } = await client.failure();
    assert.is(error.code, "TW_IO_PROTOCOL");
    assert.is(error.where.byteOffset, 0);
  }
  assert.is(agent.stats().connections, 1);
  await other.load();
  await agent.close(0);
});

test("sessions, loads and runs have to be in order", async () => {
  const { agent } = setUp();
  const breaks: ((client: RawClient, session: number) => void)[] = [
    (client) => client.run(999, 1),
    (client, session) => (client.run(session, 5), client.run(session, 5)),
    (client, session) => (client.run(session, 5), client.run(session, 4)),
    (client) => client.send(UNLOAD, { session: 999 }),
    (client, session) => (client.send(UNLOAD, { session }), client.run(session, 1)),
    (client) => client.send(LOAD, { request: 1, digest: new Uint8Array(32), bytes: 5 }),
    (client) => client.send(CHUNK, { request: 7777, bytes: [Uint8Array.of(1)] }),
    (client) => client.send(ABANDON, { request: 7777 }),
    (client, session) =>
      client.channel.send(Uint8Array.of(0x20, 0, session, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1)),
  ];
  for (const [i, breakIt] of breaks.entries()) {
    const client = await RawClient.welcome(agent);
    const session = await client.load();
    breakIt(client, session);
    await until("the end", () => client.end !== null);
    assert.is(client.end?.code, 1002, `case ${i}`);
  }
  assert.equal([agent.stats().connections, agent.stats().sessions], [0, 0]);
  await agent.close(0);
});

test("cancels a run that waits, asks one that runs to stop, and knows nothing of others", async () => {
  const { agent, transport } = setUp({ concurrentRuns: 1 }, true);
  const client = await RawClient.welcome(agent);
  const session = await client.load();
  for (const run of [1, 2, 3]) client.run(session, run);
  await quiet();
  assert.equal([...transport.executed.keys()], [1]);
  client.send(CANCEL, { run: 2 });
  const waiting = await client.failure();
  assert.equal([waiting.about, waiting.id, waiting.error.code], ["run", 2, "TW_IO_ABORTED"]);
  client.send(CANCEL, { run: 1 });
  const running = await client.failure();
  assert.equal([running.id, running.error.code], [1, "TW_IO_ABORTED"]);
  client.send(CANCEL, { run: 1 });
  client.send(CANCEL, { run: 99 });
  await quiet();
  transport.finish();
  assert.is((await client.take(RESULT)).run, 3);
  assert.equal([...transport.executed.keys()], [1, 3]);
  const { accepted, finished, failed, dropped } = agent.stats();
  assert.equal([accepted, finished, failed, dropped], [3, 1, 2, 0]);
  await agent.close(0);
});

test("a signal that was used for an abort is not given to the next run", async () => {
  const { agent, transport } = setUp({ concurrentRuns: 1 }, true);
  const client = await RawClient.welcome(agent);
  const session = await client.load();
  client.run(session, 1);
  await quiet();
  client.send(CANCEL, { run: 1 });
  await client.failure();
  client.run(session, 2);
  await quiet();
  transport.finish();
  assert.is((await client.take(RESULT)).run, 2);
  await agent.close(0);
});

test("serves connections in turns", async () => {
  const { agent, transport, clock } = setUp({ concurrentRuns: 1 }, true);
  const [busy, other] = [await RawClient.welcome(agent), await RawClient.welcome(agent)];
  const [busySession, otherSession] = [await busy.load(), await other.load()];
  for (let run = 1; run <= 10; run++) busy.run(busySession, run);
  await quiet();
  other.run(otherSession, 101);
  other.run(otherSession, 102);
  for (let i = 0; i < 6; i++) {
    await quiet();
    transport.finish();
  }
  await quiet();
  assert.equal([...transport.executed.keys()], [1, 2, 101, 3, 102, 4, 5]);
  const closed = agent.close(0);
  await clock.advance(1);
  await closed;
});

test("an upload is checked against its digest, and may be given up", async () => {
  const { agent } = setUp();
  const client = await RawClient.welcome(agent);
  const load = (request: number, digest: Uint8Array): void =>
    client.send(LOAD, { request, digest, bytes: TINY_BYTES.length });
  load(1, new Uint8Array(32));
  await client.take(WANTED);
  client.send(CHUNK, { request: 1, bytes: [TINY_BYTES] });
  assert.is((await client.take(PROGRESS)).received, TINY_BYTES.length);
  const wrong = await client.failure();
  assert.equal([wrong.about, wrong.id, wrong.error.code], ["load", 1, "TW_IO_UPLOAD"]);
  assert.match(wrong.error.message, Buffer.from(digestOf(TINY_BYTES)).toString("hex"));

  load(2, digestOf(TINY_BYTES));
  await client.take(WANTED);
  client.send(CHUNK, { request: 2, bytes: [TINY_BYTES.subarray(0, 100)] });
  await client.take(PROGRESS);
  assert.is.not(agent.stats().memory, 0);
  client.send(ABANDON, { request: 2 });
  const aborted = await client.failure();
  assert.equal([aborted.id, aborted.error.code], [2, "TW_IO_ABORTED"]);
  // Pieces that were on their way are ignored.
  client.send(CHUNK, { request: 2, bytes: [TINY_BYTES.subarray(100)] });
  await quiet();
  assert.equal([agent.stats().memory, agent.stats().uploads, client.end], [0, 0, null]);
  await client.load();
  await agent.close(0);
});

test("what is no executable, or one for another chip, is refused with the reason", async () => {
  const { agent, transport } = setUp();
  const client = await RawClient.welcome(agent);
  const refuse = async (bytes: Uint8Array): Promise<string> => {
    try {
      await client.load(bytes);
    } catch (error) {
      return (error as TransportError).code;
    }
    return "taken";
  };
  assert.is(await refuse(new Uint8Array(100)), "TW_EXE_NOT_TWX");
  assert.is(await refuse(TINY_BYTES.slice(0, -1)), "TW_EXE_DAMAGED");
  transport.failLoad = new TransportError("TW_IO_MEMORY", "none left");
  assert.is(await refuse(TINY_BYTES), "TW_IO_MEMORY");
  transport.failLoad = null;
  assert.is(await refuse(TINY_BYTES), "taken");
  await agent.close(0);
});

test("a run that fails fails alone", async () => {
  const { agent, transport } = setUp({}, true);
  const client = await RawClient.welcome(agent);
  const session = await client.load();
  client.run(session, 1);
  client.run(session, 2);
  await quiet();
  transport.pending.shift()!.reject(new RangeError("no error of ours"));
  const { id, error } = await client.failure();
  assert.equal([id, error.code], [1, "TW_BUG"]);
  transport.finish();
  assert.is((await client.take(RESULT)).run, 2);
  await agent.close(0);
});

test("a transport that throws instead of rejecting fails that run only", async () => {
  const { agent, transport } = setUp();
  const client = await RawClient.welcome(agent);
  const session = await client.load();
  transport.onStart = () => {
    throw new Error("thrown");
  };
  client.run(session, 1);
  assert.match((await client.failure()).error.message, "thrown");
  transport.onStart = null;
  client.run(session, 2);
  assert.is((await client.take(RESULT)).run, 2);
  await agent.close(0);
});

test("shuts down in order: what it has is answered, what comes then is refused, then it closes", async () => {
  const { agent, transport } = setUp({ concurrentRuns: 1 }, true);
  const client = await RawClient.welcome(agent);
  const session = await client.load();
  client.run(session, 1);
  client.run(session, 2);
  await quiet();
  const closed = agent.close(5000);
  assert.is((await client.take(SHUTDOWN)).graceMs, 5000);
  client.run(session, 3);
  const refused = await client.failure();
  assert.equal([refused.about, refused.id, refused.error.code], ["run", 3, "TW_IO_CLOSED"]);
  client.send(LOAD, { request: 9999, digest: new Uint8Array(32), bytes: 5 });
  assert.is((await client.failure()).error.code, "TW_IO_CLOSED");
  const late = RawClient.connect(agent);
  assert.is((await late.failure()).error.code, "TW_IO_CLOSED");
  for (const run of [1, 2]) {
    await quiet();
    transport.finish();
    assert.is((await client.take(RESULT)).run, run);
  }
  await closed;
  await quiet();
  assert.equal([client.end?.code, agent.stats().connections, transport.released], [1001, 0, 1]);
});

test("after the grace of a shutdown, what waits is answered and what runs is asked to stop", async () => {
  const { agent, transport, clock } = setUp({ concurrentRuns: 1 }, true);
  const client = await RawClient.welcome(agent);
  const session = await client.load();
  client.run(session, 1);
  client.run(session, 2);
  await quiet();
  const closed = agent.close(5000);
  await client.take(SHUTDOWN);
  await clock.advance(5001);
  const waiting = await client.failure();
  assert.equal([waiting.id, waiting.error.code], [2, "TW_IO_CLOSED"]);
  await closed;
  await quiet();
  assert.equal(
    [client.end?.code, transport.pending.length, [...transport.executed.keys()]],
    [1001, 0, [1]],
  );
  assert.is(clock.size, 0);
});

test("a device that is lost ends the agent with its reason", async () => {
  const { agent, transport } = setUp();
  const client = await RawClient.welcome(agent);
  transport.end({ kind: "lost", message: "unplugged" });
  await client.take(SHUTDOWN);
  await quiet();
  assert.is(client.end?.code, 1001);
  const late = RawClient.connect(agent);
  const { error } = await late.failure();
  assert.is(error.code, "TW_IO_DEVICE_LOST");
  assert.match(error.message, "unplugged");
});

test("answers do not show what the log may not", async () => {
  const lines: string[] = [];
  const { agent } = setUp({ authenticate: () => false, log: (line) => lines.push(line) });
  const client = RawClient.connect(agent);
  client.hello({ token: "very secret token" });
  await client.failure();
  await quiet();
  assert.ok(lines.length > 0);
  assert.not.match(lines.join("\n"), "secret");
  await agent.close(0);
});

test("inputs are those that were sent", async () => {
  const { agent } = setUp();
  const client = await RawClient.welcome(agent);
  const session = await client.load();
  for (const run of [7, 2 ** 31, 2 ** 32 - 1]) {
    client.run(session, run);
    assert.equal((await client.take(RESULT)).outputs, answerTo(run));
    assert.is(inputOf(run)[0]!.length, 16);
  }
  await agent.close(0);
});

test.run();
