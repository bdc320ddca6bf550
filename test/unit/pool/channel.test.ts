// The channel over a queue server: order, flow control, ends of every kind, and nothing left behind.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { ChannelEnd } from "../../../transport-ws/channel.ts";
import { NatsChannel, type Terms } from "../../../transport-ws/pool/nats-channel.ts";
import { HEADER_BYTES } from "../../../transport-ws/pool/wire.ts";
import { FakeServer, type FakeBus } from "../../helpers/fake-bus.ts";
import { rng } from "../../helpers/prng.mjs";

const TERMS: Terms = { windowBytes: 64 * 1024, maxPayload: 4096, heartbeatMs: 20 };

interface Side {
  bus: FakeBus;
  channel: NatsChannel;
  frames: Uint8Array[];
  ends: ChannelEnd[];
  ended: Promise<ChannelEnd>;
  /** Resolves when so many frames are there. */
  got(count: number): Promise<void>;
}

function side(server: FakeServer, from: string, to: string, maxFrameBytes = 1 << 20): Side {
  const bus = server.connect();
  const channel = new NatsChannel(bus, { receiveOn: from, sendTo: to, peer: to, maxFrameBytes });
  const frames: Uint8Array[] = [];
  const ends: ChannelEnd[] = [];
  let wake = (): void => {};
  let resolveEnd!: (end: ChannelEnd) => void;
  const ended = new Promise<ChannelEnd>((resolve) => (resolveEnd = resolve));
  channel.listen({
    frame: (bytes) => {
      frames.push(bytes);
      wake();
    },
    closed: (end) => {
      ends.push(end);
      resolveEnd(end);
    },
  });
  const got = async (count: number): Promise<void> => {
    while (frames.length < count) await new Promise<void>((resolve) => (wake = resolve));
  };
  return { bus, channel, frames, ends, ended, got };
}

function pair(server = new FakeServer(), terms = TERMS): { server: FakeServer; a: Side; b: Side } {
  const a = side(server, "a", "b");
  const b = side(server, "b", "a");
  a.channel.start(terms);
  b.channel.start(terms);
  return { server, a, b };
}

function expectClean({ bus, channel, ends }: Side): void {
  assert.is(bus.subscriptions, 0);
  assert.is(bus.watchers, 0);
  assert.is(ends.length, 1);
  assert.is(channel.bufferedBytes, 0);
  assert.is(channel.heldBytes, 0);
}

test("frames of all sizes arrive in order, both ways at once, then a close with its reason", async () => {
  const { a, b } = pair();
  const random = rng("channel");
  const frames = Array.from({ length: 60 }, (_, i) =>
    Uint8Array.from({ length: i % 7 === 0 ? 1 : i * 1500 }, () => random.byte()),
  );
  for (const frame of frames) {
    a.channel.send(frame);
    b.channel.send(frame);
  }
  assert.ok(a.channel.bufferedBytes > 0, "the window holds the rest back");
  await Promise.all([a.got(60), b.got(60)]);
  assert.equal(a.frames, frames);
  assert.equal(b.frames, frames);
  a.channel.send(Uint8Array.of(7));
  a.channel.close({ code: 1001, reason: "enough" });
  assert.equal(await b.ended, { code: 1001, reason: "enough" });
  assert.equal(await a.ended, { code: 1001, reason: "enough" });
  assert.equal([...b.frames.at(-1)!], [7]);
  expectClean(a);
  expectClean(b);
  a.channel.send(Uint8Array.of(1));
  a.channel.close({ code: 1000, reason: "" });
  a.channel.destroy();
});

test("no more than the window and one fragment is on its way", async () => {
  const { server, a, b } = pair();
  let sent = 0;
  let acknowledged = 0;
  let worst = 0;
  server.tamper = (subject, data) => {
    if (subject === "b") sent += data.length;
    else acknowledged = Math.max(acknowledged, new DataView(data.buffer).getUint32(8, true));
    worst = Math.max(worst, sent - acknowledged);
    return data;
  };
  const frame = new Uint8Array(500_000);
  a.channel.send(frame);
  assert.is(a.channel.bufferedBytes, 500_000 - 16 * (4096 - HEADER_BYTES));
  await b.got(1);
  assert.ok(worst <= TERMS.windowBytes + TERMS.maxPayload + 64, `${worst} bytes on their way`);
  a.channel.close({ code: 1000, reason: "" });
  await b.ended;
});

test("frames that come before anybody listens are kept, up to the largest frame", async () => {
  const server = new FakeServer();
  const bus = server.connect();
  const early = new NatsChannel(bus, {
    receiveOn: "b",
    sendTo: "a",
    peer: "a",
    maxFrameBytes: 3000,
  });
  const a = side(server, "a", "b");
  a.channel.start(TERMS);
  a.channel.send(new Uint8Array(1000).fill(1));
  a.channel.send(new Uint8Array(1000).fill(2));
  await bus.flush();
  early.start(TERMS);
  const frames: number[] = [];
  early.listen({ frame: (bytes) => void frames.push(bytes[0]!), closed: () => {} });
  assert.equal(frames, [1, 2]);
  early.destroy();

  const hasty = side(server, "h", "i");
  const ends: ChannelEnd[] = [];
  const brief = new NatsChannel(bus, { receiveOn: "i", sendTo: "h", peer: "h", maxFrameBytes: 99 });
  brief.start(TERMS);
  hasty.channel.start(TERMS);
  hasty.channel.send(Uint8Array.of(1));
  hasty.channel.send(Uint8Array.of(2));
  await bus.flush();
  // A handler that ends the channel gets no further frame, and one end.
  let taken = 0;
  brief.listen({ frame: () => (taken++, brief.destroy()), closed: (end) => void ends.push(end) });
  await hasty.ended;
  assert.equal([taken, ends.length], [1, 1]);

  const late = new NatsChannel(bus, { receiveOn: "d", sendTo: "c", peer: "c", maxFrameBytes: 999 });
  late.start(TERMS);
  const c = side(server, "c", "d");
  c.channel.start(TERMS);
  c.channel.send(new Uint8Array(600));
  c.channel.send(new Uint8Array(600));
  assert.is((await c.ended).code, 1009);
  assert.is(bus.subscriptions, 0);
});

test("a gap, a repetition, a foreign message: the channel ends on both sides with 1002", async () => {
  for (const fault of ["drop", "double", "foreign"]) {
    const { server, a, b } = pair();
    let seen = 0;
    server.tamper = (subject, data) => {
      if (subject !== "b" || ++seen !== 3) return data;
      if (fault === "double") server.publish(a.bus, "b", data, undefined);
      if (fault === "foreign") return new TextEncoder().encode("a message of somebody else");
      return fault === "drop" ? null : data;
    };
    for (let i = 0; i < 8; i++) a.channel.send(new Uint8Array(100).fill(i));
    assert.is((await b.ended).code, 1002, fault);
    assert.is((await a.ended).code, 1002, fault);
    assert.ok(b.frames.length <= 3, fault);
    expectClean(a);
    expectClean(b);
  }
});

test("a frame above the limit ends the channel: the sender's own, and the receiver's", async () => {
  const server = new FakeServer();
  const a = side(server, "a", "b", 1000);
  const b = side(server, "b", "a", 500);
  a.channel.start(TERMS);
  b.channel.start(TERMS);
  a.channel.send(new Uint8Array(600));
  assert.is((await b.ended).code, 1009);
  const end = await a.ended;
  assert.is(end.code, 1009);
  assert.match(end.reason, "600 bytes");

  const other = pair();
  other.a.channel.send(new Uint8Array(0));
  assert.is((await other.a.ended).code, 1009);
  assert.is((await other.b.ended).code, 1009);
});

test("more acknowledged than sent is a fault", async () => {
  const { server, a, b } = pair();
  server.tamper = (subject, data) => {
    if (subject === "a") new DataView(data.buffer).setUint32(8, 123_456, true);
    return data;
  };
  b.channel.send(Uint8Array.of(1));
  const end = await a.ended;
  assert.is(end.code, 1002);
  assert.match(end.reason, "acknowledged");
  b.channel.destroy();
});

test("the other side dies without a word: the next sign of life finds nobody", async () => {
  const { a, b } = pair();
  await b.bus.close();
  const end = await a.ended;
  assert.is(end.code, 1006);
  assert.match(end.reason, "nobody listens");
  expectClean(a);
});

test("the other side hangs: silence is noticed after ten missing signs of life", async () => {
  const { server, a, b } = pair();
  server.tamper = (subject, data) => (subject === "a" ? null : data);
  const end = await a.ended;
  assert.is(end.code, 1006);
  assert.match(end.reason, "no sign of life");
  // It was told, in case that it only was slow.
  assert.is((await b.ended).code, 1006);
  expectClean(a);
  expectClean(b);
});

test("idle channels live on", async () => {
  const { a, b } = pair();
  await new Promise((resolve) => setTimeout(resolve, TERMS.heartbeatMs * 15));
  a.channel.send(Uint8Array.of(5));
  await b.got(1);
  a.channel.destroy();
  assert.equal(await b.ended, { code: 1006, reason: "given up by the other side" });
});

test("a lost connection to the queue server ends the channel at once", async () => {
  const { a, b } = pair();
  a.bus.lose();
  assert.is((await a.ended).code, 1006);
  assert.is((await b.ended).code, 1006);
  expectClean(a);
  expectClean(b);
});

test("what is queued before the end gets its time, not more", async () => {
  const { server, a, b } = pair();
  server.tamper = (subject, data) => {
    // Nothing is acknowledged any more.
    if (subject === "a") new DataView(data.buffer).setUint32(8, 0, true);
    return data;
  };
  a.channel.send(new Uint8Array(200_000));
  a.channel.close({ code: 1000, reason: "" });
  const end = await a.ended;
  assert.is(end.code, 1006);
  assert.match(end.reason, "did not take");
  assert.is((await b.ended).code, 1006);
  expectClean(a);
});

test("10,000 mutated messages: the channel goes on or ends, never throws, holds bounded memory", async () => {
  const random = rng("channel mutations");
  const server = new FakeServer();
  let mutated = 0;
  let ended = 0;
  while (mutated < 10_000) {
    const a = side(server, "a", "b");
    const b = side(server, "b", "a", 50_000);
    let left = 5 + (random.byte() % 20);
    server.tamper = (_, data) => {
      if (--left > 0) return data;
      mutated++;
      const at = random.byte() % 3;
      if (at === 0) data[random.byte() % Math.min(data.length, 16)] = random.byte();
      else if (at === 1) data[random.byte() % data.length]! ^= 1 << (random.byte() % 8);
      else return data.subarray(0, random.byte() % (data.length + 1));
      return data;
    };
    a.channel.start(TERMS);
    b.channel.start(TERMS);
    for (let i = 0; i < 40; i++) {
      a.channel.send(new Uint8Array(1 + ((i * 977) % 20_000)));
      b.channel.send(new Uint8Array(10));
    }
    for (let i = 0; i < 4; i++) await a.bus.flush();
    assert.ok(b.channel.heldBytes <= 50_000);
    assert.ok(a.ends.length <= 1 && b.ends.length <= 1);
    ended += b.ends.length;
    server.tamper = null;
    a.channel.destroy();
    b.channel.destroy();
    await a.bus.flush();
    expectClean(a);
    expectClean(b);
  }
  assert.ok(ended > 100, `${ended} channels ended`);
});

test.run();
