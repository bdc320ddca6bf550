// Tens of thousands of damaged frames, to the agent and to the client: truncated, lengthened, with changed bytes, doubled, left
// out. Each ends one connection at most; what was submitted is answered; nothing stays behind. TILEWRIGHT_MUTATIONS sets their number.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { NpuError } from "../../core-as/errors.ts";
import { Agent } from "../../transport-ws/agent.ts";
import { connectBoard } from "../../transport-ws/client.ts";
import {
  ABANDON,
  CANCEL,
  CHUNK,
  encodeFrame,
  GOODBYE,
  HELLO,
  LOAD,
  MAGIC,
  PING,
  PONG,
  RESUME,
  RUN,
  UNLOAD,
} from "../../transport-ws/protocol.ts";
import {
  CountingTransport,
  inputOf,
  quiet,
  tappedNetwork,
  TINY,
  TINY_BYTES,
  until,
} from "../helpers/board.ts";
import { rng } from "../helpers/prng.mjs";
import { digestOf, RawClient } from "../helpers/raw-client.ts";

const test = suite("ws mutations");
const MUTATIONS = Number(process.env["TILEWRIGHT_MUTATIONS"] ?? 50_000);
/** More to the agent, which has to stand whatever a network sends; a client has to load first each time, which takes longer. */
const TO_AGENT = Math.ceil(MUTATIONS * 0.8);
const TO_CLIENT = MUTATIONS - TO_AGENT;
const DIGEST = digestOf(TINY_BYTES);
type Random = ReturnType<typeof rng>;

const below = (random: Random, count: number): number => Math.floor(random.u() * count);

/** A damaged copy; never the same bytes. */
function damage(frame: Uint8Array, random: Random): Uint8Array {
  const kind = below(random, 6);
  if (kind === 0) return frame.slice(0, below(random, frame.length));
  if (kind === 1)
    return Uint8Array.of(
      ...frame,
      ...Array.from({ length: 1 + below(random, 9) }, () => random.byte()),
    );
  const copy = frame.slice();
  if (kind === 2 && frame.length >= 9) {
    // A number that is as large as it gets: lengths, counts, ids.
    const at = below(random, frame.length - 8);
    copy.fill(0xff, at, at + [1, 2, 4, 8][below(random, 4)]!);
  } else {
    const flips = kind === 3 ? 4 : 1;
    for (let i = 0; i < flips; i++) copy[below(random, copy.length)]! ^= 1 << below(random, 8);
  }
  if (copy.every((byte, i) => byte === frame[i])) copy[0]! ^= 0x80;
  return copy;
}

/** A client's whole conversation, with the handle that the agent gives to the first session. */
function conversation(client: number): Uint8Array[] {
  const session = 1;
  const hello = {
    magic: MAGIC,
    minVersion: 1,
    maxVersion: 1,
    client: new Uint8Array(16).fill(client),
    frameBytes: 1 << 20,
    software: "mutant",
    token: "",
  };
  return [
    encodeFrame(HELLO, hello),
    encodeFrame(RESUME, { runs: [{ run: 1 }, { run: 2 }] }),
    encodeFrame(PING, { stamp: 5 }),
    encodeFrame(LOAD, { request: 1, digest: DIGEST, bytes: TINY_BYTES.length }),
    encodeFrame(RUN, { profile: false, session, run: 10, inputs: inputOf(1) }),
    encodeFrame(RUN, { profile: true, session, run: 11, inputs: inputOf(2) }),
    encodeFrame(RUN, { profile: false, session, run: 12, inputs: inputOf(3) }),
    encodeFrame(CANCEL, { run: 12 }),
    encodeFrame(LOAD, { request: 2, digest: new Uint8Array(32), bytes: 100 }),
    encodeFrame(CHUNK, { request: 2, bytes: [new Uint8Array(60)] }),
    encodeFrame(ABANDON, { request: 2 }),
    encodeFrame(PONG, { stamp: 0, runs: 0, sessions: 0 }),
    encodeFrame(UNLOAD, { session }),
    encodeFrame(GOODBYE, {}),
  ];
}

test(`${TO_AGENT} damaged frames to the agent`, async () => {
  const random = rng("to the agent");
  const transport = new CountingTransport();
  const agent = new Agent(transport, { check: false, limits: { frameBytes: 1 << 16, clients: 8 } });
  // So that the executable is in the cache, and one client is known.
  const first = await RawClient.welcome(agent, { client: new Uint8Array(16).fill(1) });
  await first.load();
  first.channel.destroy();
  const conversations = Array.from({ length: 12 }, (_, client) => conversation(1 + client));
  let refused = 0;
  for (let i = 0; i < TO_AGENT; i++) {
    const frames = conversations[below(random, 12)]!.map((frame) => frame.slice());
    const at = below(random, frames.length);
    const client = RawClient.connect(agent);
    for (const [index, frame] of frames.entries()) {
      if (index === at) client.channel.send(damage(frame, random));
      else if (index !== at + 1 || random.u() < 0.9) client.channel.send(frame);
      // Loads and runs come to their end in between, more or less.
      if (index === 3 || random.u() < 0.05) await quiet(1);
      if (client.end !== null) break;
    }
    await quiet(1);
    if (client.end === null) client.channel.destroy();
    else refused += client.end.code === 1000 ? 0 : 1;
  }
  assert.ok(refused > TO_AGENT / 3, `${refused} refused`);
  await until("all are gone", () => agent.stats().connections === 0);
  await until("all is released", () => agent.stats().executables === 0);
  const { sessions, memory, uploads, waiting, running, clients, ...counts } = agent.stats();
  assert.equal([sessions, memory, uploads, waiting, running], [0, 0, 0, 0, 0]);
  assert.ok(clients <= 8);
  assert.is(counts.accepted, counts.finished + counts.failed + counts.dropped);
  assert.ok(counts.finished > TO_AGENT / 4, `${counts.finished} runs`);
  assert.is(transport.loaded, transport.released);
  // And it still serves.
  const last = await RawClient.welcome(agent);
  await last.load();
  last.channel.destroy();
  await agent.close(0);
});

test(`${TO_CLIENT} damaged frames to the client`, async () => {
  const random = rng("to the client");
  const transport = new CountingTransport();
  const agent = new Agent(transport, { check: false });
  const outcomes = new Map<string, number>();
  const count = (code: string): void => void outcomes.set(code, (outcomes.get(code) ?? 0) + 1);
  const codeOf = (error: unknown): string => {
    assert.instance(error, NpuError, String(error));
    return (error as NpuError).code;
  };
  for (let i = 0; i < TO_CLIENT; i++) {
    const at = below(random, 9);
    let seen = 0;
    const network = tappedNetwork(
      () => agent,
      (frame, direction) => {
        return direction === "to client" && seen++ === at ? damage(frame, random) : frame;
      },
    );
    const openChannel = network.open;
    try {
      const board = await connectBoard("test://b", { openChannel, reconnect: { attempts: 0 } });
      try {
        const loaded = await board.load(TINY);
        const submits = [0, 1, 2].map((run) => loaded.submit(inputOf(run), { profile: run === 1 }));
        for (const settled of await Promise.allSettled(submits))
          count(settled.status === "fulfilled" ? "answered" : codeOf(settled.reason));
        await loaded.release();
      } finally {
        await board.close();
      }
    } catch (error) {
      count(codeOf(error));
    }
  }
  await until("all are gone", () => agent.stats().connections === 0);
  const { sessions, executables, memory } = agent.stats();
  assert.equal([sessions, executables, memory], [0, 0, 0]);
  assert.is(transport.loaded, transport.released);
  assert.ok(outcomes.get("TW_IO_PROTOCOL")! > TO_CLIENT / 10, JSON.stringify([...outcomes]));
  assert.ok(outcomes.get("answered")! > TO_CLIENT / 10, JSON.stringify([...outcomes]));
  await agent.close(0);
});

test.run();
