// Boards and a client on a queue server in memory: how channels are asked for, refused, found again, and what is left.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { chipByName } from "../../../core-as/hw/chips.ts";
import type { FrameChannel } from "../../../transport-ws/channel.ts";
import { BoardBook } from "../../../transport-ws/pool/board-book.ts";
import { Links, type LiveLink } from "../../../transport-ws/pool/links.ts";
import { collectHealth } from "../../../transport-ws/pool/listing.ts";
import { PoolMember, type PoolBoard } from "../../../transport-ws/pool/member.ts";
import { newToken, subjectsOf } from "../../../transport-ws/pool/subjects.ts";
import { codeOf } from "../../helpers/fake-board.ts";
import { FakeServer, type FakeBus } from "../../helpers/fake-bus.ts";

const CHIP = chipByName("a311d")!;
const OTHER = chipByName("imx8mp")!;
const SUBJECTS = subjectsOf("test");
const TERMS = { windowBytes: 1 << 20, maxPayload: 1 << 20, heartbeatMs: 20 };

const LOAD = { queued: 0, running: 0, completed: 0, failed: 0, lastError: null, latencyMs: null };

/** A board that echoes frames. */
async function join(
  server: FakeServer,
  name: string,
  more: { chip?: typeof CHIP; maxConnections?: number } = {},
): Promise<{ member: PoolMember; bus: FakeBus }> {
  const bus = server.connect();
  const board: PoolBoard = {
    name,
    chip: more.chip ?? CHIP,
    device: "sim",
    evidence: "simulated",
    version: "0",
    protocol: 1,
    patienceMs: 0,
    load: () => LOAD,
    accept: (channel) =>
      channel.listen({ frame: (bytes) => channel.send(bytes), closed: () => {} }),
  };
  const { maxConnections = 8 } = more;
  const member = await PoolMember.join(bus, SUBJECTS, board, {
    maxConnections,
    maxFrameBytes: 1 << 20,
    maxFirstFrameBytes: 1024,
    maxHeldBytes: 100_000,
    terms: TERMS,
    log: () => {},
  });
  return { member, bus };
}

interface Client {
  bus: FakeBus;
  links: Links;
  book: BoardBook;
  added: string[];
  removed: string[];
  leaving: string[];
  channels: FrameChannel[];
  /** The next connection is refused with this. */
  refuse: Error | null;
}

function client(server: FakeServer, chip = CHIP): Client {
  const bus = server.connect();
  const book = new BoardBook(chip, { firstMs: 5, maxMs: 20 });
  const state = { bus, book, added: [], removed: [], leaving: [], channels: [], refuse: null };
  const made = state as unknown as Client;
  made.links = new Links({
    bus,
    subjects: SUBJECTS,
    chip,
    book,
    terms: TERMS,
    client: "a test",
    maxFrameBytes: 1 << 20,
    maxLinks: 8,
    answerMs: 50,
    healthMs: 20,
    retryMs: [5, 20],
    connect: async (channel, { id, name }): Promise<LiveLink> => {
      const refusal = made.refuse;
      made.refuse = null;
      if (refusal !== null) throw refusal;
      made.channels.push(channel);
      const disconnected = new Promise<{ kind: "lost"; message: string }>((resolve) =>
        channel.listen({
          frame: () => {},
          closed: ({ reason }) => resolve({ kind: "lost", message: reason }),
        }),
      );
      const close = async (): Promise<void> => channel.close({ code: 1000, reason: "done" });
      const load = (): Promise<never> => Promise.reject(new Error("not in this test"));
      return { board: id, name, credits: 1, disconnected, close, load };
    },
    added: ({ name }) => void made.added.push(name),
    removed: (_, reason) => void made.removed.push(reason),
    leaving: (board) => void made.leaving.push(board),
    failed: () => {},
  });
  return made;
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2));
}

async function finish(one: Client): Promise<void> {
  one.links.close();
  for (const channel of one.channels) channel.destroy();
  await until(() => one.bus.subscriptions === 0);
  assert.is(one.bus.watchers, 0);
  await one.bus.close();
}

test("one board after the other is opened, each once, the rest is asked for in vain", async () => {
  const server = new FakeServer();
  const boards = await Promise.all(["a", "b", "c"].map((name) => join(server, name)));
  const one = client(server);
  await one.links.first(1000);
  while (one.links.size < 3) {
    one.links.want();
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  assert.equal([...one.added].sort(), ["a", "b", "c"]);
  one.links.want();
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.is(one.links.size, 3);
  assert.not(one.links.more);
  for (const { member } of boards) assert.is(member.connections, 1);
  await finish(one);
  await until(() => boards.every(({ member }) => member.connections === 0));
  await Promise.all(boards.map(({ member }) => member.leave()));
  for (const { bus } of boards) assert.is(bus.subscriptions + bus.watchers, 0);
});

test("a board that joins later is found by its news, at once", async () => {
  const server = new FakeServer();
  const one = client(server);
  assert.is(await codeOf(one.links.first(30)), "TW_IO_CONNECT");
  const waiting = one.links.first(5000);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const { member } = await join(server, "late");
  await waiting;
  assert.equal(one.added, ["late"]);
  const leaving = member.leave(1000);
  await until(() => one.leaving.length === 1);
  assert.equal(one.leaving, [member.id]);
  assert.equal(one.book.all(), [], "it is not asked again");
  one.channels[0]!.close({ code: 1000, reason: "nothing more to do" });
  await leaving;
  assert.match(await member.left, "left the pool");
  await finish(one);
});

test("a board that leaves waits for its clients, but not for ever", async () => {
  const server = new FakeServer();
  const { member } = await join(server, "a");
  const one = client(server);
  await one.links.first(1000);
  await member.leave(30);
  await until(() => one.removed.length === 1);
  assert.match(one.removed[0]!, "leaves the pool");
  await finish(one);
});

test("full boards say so; when there is room again, it is taken", async () => {
  const server = new FakeServer();
  const { member } = await join(server, "small", { maxConnections: 1 });
  const [one, two] = [client(server), client(server)];
  await one.links.first(1000);
  assert.is(await codeOf(two.links.first(60)), "TW_IO_LIMIT");
  assert.is((await collectHealth(two.bus, SUBJECTS, 20))[0]!.state, "full");
  const waiting = two.links.first(5000);
  one.channels[0]!.close({ code: 1000, reason: "" });
  await waiting;
  assert.is(member.connections, 1);
  await Promise.all([finish(one), finish(two)]);
  await member.leave();
});

test("other chips: not asked, and named in the error", async () => {
  const server = new FakeServer();
  const { member } = await join(server, "vim3");
  const one = client(server, OTHER);
  try {
    await one.links.first(100);
    assert.unreachable();
  } catch (error) {
    assert.match((error as Error).message, "only boards with a311d");
  }
  assert.is(member.connections, 0);
  await finish(one);
  await member.leave();
});

test("a board that refuses the client, or lies about its version: the next one is taken, the error is kept", async () => {
  const server = new FakeServer();
  const { member } = await join(server, "a");
  const one = client(server);
  one.refuse = Object.assign(new Error("no such token"), { code: "any" });
  await one.links.first(1000);
  assert.equal(one.added, ["a"]);
  assert.is(one.book.get(member.id)!.failuresEver, 1);
  await finish(one);
  await until(() => member.connections === 0);
  await member.leave();

  const old = server.connect();
  const answer = { pool: 9, ok: true };
  old.subscribe(
    SUBJECTS.open(CHIP),
    ({ reply }) => old.publish(reply!, new TextEncoder().encode(JSON.stringify(answer))),
    { queue: "tilewright-boards" },
  );
  const two = client(server);
  assert.is(await codeOf(two.links.first(100)), "TW_IO_VERSION");
  await finish(two);
});

test("a board that dies is noticed, left alone for a while, and found when it is back", async () => {
  const server = new FakeServer();
  const { bus } = await join(server, "a");
  const one = client(server);
  await one.links.first(1000);
  bus.lose();
  await until(() => one.removed.length === 1);
  assert.match(one.removed[0]!, /gone|cut/);
  assert.is(one.links.size, 0);
  one.links.want();
  bus.back();
  await until(() => one.links.size === 1);
  await finish(one);
});

test("a client whose connection is lost goes on when it is back", async () => {
  const server = new FakeServer();
  const { member } = await join(server, "a");
  const one = client(server);
  await one.links.first(1000);
  one.bus.lose();
  await until(() => one.removed.length === 1);
  assert.is(await codeOf(one.links.first(30)), "TW_IO_CONNECT");
  one.links.want();
  one.bus.back();
  await until(() => one.links.size === 1);
  await until(() => member.connections === 1);
  await finish(one);
  await member.leave();
});

test("memory of a board: small first frames, and a bound on the incomplete frames of all clients", async () => {
  const server = new FakeServer(8192);
  const { member } = await join(server, "a");
  const first = client(server);
  await first.links.first(1000);
  first.channels[0]!.send(new Uint8Array(1025));
  await until(() => first.removed.length === 1);
  assert.match(first.removed[0]!, "up to 1024 now");
  await finish(first);

  const clients = [client(server), client(server), client(server)];
  // The end of every large frame is lost, so that its beginning has to be kept.
  server.tamper = (_, data) => (data[1] === 1 && data[2] === 2 ? null : data);
  for (const one of clients) {
    await one.links.first(1000);
    one.channels[0]!.send(new Uint8Array(10));
  }
  for (const one of clients) one.channels[0]!.send(new Uint8Array(60_000));
  await until(() => clients.some(({ removed }) => removed.length > 0));
  assert.ok(
    clients.flatMap(({ removed }) => removed).some((text) => /no memory is left/.test(text)),
  );
  server.tamper = null;
  await Promise.all(clients.map(finish));
  await until(() => member.connections === 0);
  await member.leave();
});

test("requests without a reply, from old clients, for used tokens: answered or ignored, never a crash", async () => {
  const server = new FakeServer();
  const { member } = await join(server, "a");
  const bus = server.connect();
  const answers: { ok: boolean; reason: string }[] = [];
  bus.subscribe(
    "here",
    ({ data }) => void answers.push(JSON.parse(new TextDecoder().decode(data))),
  );
  const send = (value: object, reply?: string): void =>
    bus.publish(SUBJECTS.open(CHIP), new TextEncoder().encode(JSON.stringify(value)), reply);
  const request = { pool: 1, channel: newToken(), client: "x", have: [], ...TERMS };
  send(request);
  send({ ...request, pool: 2 }, "here");
  send({ ...request, channel: "*" }, "here");
  send({ ...request, have: [member.id] }, "here");
  await until(() => answers.length === 3);
  assert.equal(
    answers.map(({ reason }) => reason),
    ["version", "malformed", "duplicate"],
  );
  assert.is(member.connections, 0);
  // Nobody listens on the channel's other end: it ends with the next sign of life.
  send(request, "here");
  await until(() => answers.length === 4);
  assert.ok(answers[3]!.ok);
  await until(() => member.connections === 0);
  await member.leave();
  assert.is(bus.subscriptions, 1);
});

test("health is answered so often a second and not more", async () => {
  const server = new FakeServer();
  const { member } = await join(server, "a");
  const bus = server.connect();
  let answers = 0;
  bus.subscribe("here", () => void answers++);
  for (let i = 0; i < 1000; i++) bus.publish(SUBJECTS.health, new Uint8Array(0), "here");
  await bus.flush();
  await bus.flush();
  assert.ok(answers >= 100 && answers <= 300, `${answers} answers to 1000 requests`);
  await member.leave();
});

test.run();
