// What goes wrong on real sockets: boards that are killed, connections that are cut at any byte, peers that fall silent, read
// nothing or send too much. Nothing may crash, hang or leak; every submit is answered, and no run is executed twice.
// SPDX-License-Identifier: MIT
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { WebSocket } from "ws";
import type { NpuError } from "../../core-as/errors.ts";
import { serialiseExecutable } from "../../core-as/executable/container.ts";
import { createSession } from "../../core-as/runtime/session.ts";
import {
  CHUNK,
  encodeFrame,
  HELLO,
  LOAD,
  LOADED,
  MAGIC,
  RUN,
  WANTED,
  WELCOME,
} from "../../transport-ws/protocol.ts";
import { connectBoard, startServer, type BoardServer } from "../../transport-ws/server/index.ts";
import { journalOf, startBoardProcess } from "../helpers/board-process.ts";
import {
  answerTo,
  CountingTransport,
  inputOf,
  largeExecutable,
  TINY,
  until,
} from "../helpers/board.ts";
import { digestOf } from "../helpers/raw-client.ts";
import { TcpProxy, type ProxyDirection } from "../helpers/tcp-proxy.ts";

const test = suite("ws faults");
const FAST = { baseMs: 1, maxMs: 4, attempts: 2000 };

/** Fails instead of waiting for ever. */
async function within<T>(milliseconds: number, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout>;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing within ${milliseconds} ms`)), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

const outcome = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "answered",
    (error: NpuError) => error.code,
  );

/** File descriptors of this process; 0 where they cannot be counted. */
const descriptors = (): number =>
  existsSync("/proc/self/fd") ? readdirSync("/proc/self/fd").length : 0;

let folder = "";
test.before(() => {
  folder = mkdtempSync(join(tmpdir(), "tilewright-faults-"));
});
test.after(() => rmSync(folder, { recursive: true, force: true }));

test("killed in mid-run, and again: what had started is lost, the rest is executed by the next board", async () => {
  const journal = join(folder, "runs");
  writeFileSync(journal, "");
  let child = await startBoardProcess({
    port: 0,
    journal,
    runMs: 5,
    limits: { runsPerConnection: 4 },
  });
  const { port } = child;
  const board = await connectBoard(`ws://127.0.0.1:${port}`, { reconnect: FAST });
  const session = await createSession(TINY, board);
  const RUNS = 60;
  const results = Array.from({ length: RUNS }, (_, run) =>
    session.run(inputOf(run)).then(
      ({ outputs }) => (assert.equal(outputs, [answerTo(run)]), "answered"),
      (error: NpuError) => error.code,
    ),
  );
  for (let kill = 0; kill < 2; kill++) {
    const before = journalOf(journal).size;
    await until("some runs", () => journalOf(journal).size >= before + 5);
    await child.kill();
    child = await startBoardProcess({ port, journal, runMs: 5, limits: { runsPerConnection: 4 } });
  }
  const outcomes = await within(30_000, Promise.all(results));
  const begun = journalOf(journal);
  for (const [run, times] of begun) assert.is(times, 1, `run ${run} was begun ${times} times`);
  for (const [run, code] of outcomes.entries()) {
    assert.ok(code === "answered" || code === "TW_IO_LOST", code);
    if (code === "answered") assert.is(begun.get(run), 1);
  }
  const lost = outcomes.filter((code) => code === "TW_IO_LOST").length;
  assert.ok(lost >= 2 && lost <= 8, `${lost} lost`);
  await board.close();
  await child.kill();
});

test("killed in mid-upload: the next board gets the executable from its beginning", async () => {
  const journal = join(folder, "upload");
  writeFileSync(journal, "");
  const executable = largeExecutable(16, 3 << 20);
  const slow = { uploadBytesPerSecond: 1 << 20 };
  let child = await startBoardProcess({ port: 0, journal, runMs: 0, limits: slow });
  const { port } = child;
  const progress: number[] = [];
  const board = await connectBoard(`ws://127.0.0.1:${port}`, {
    reconnect: FAST,
    onUploadProgress: (sent) => progress.push(sent),
  });
  const loading = createSession(executable, board);
  await until("half of it is there", () => (progress.at(-1) ?? 0) > 1 << 19);
  await child.kill();
  child = await startBoardProcess({ port, journal, runMs: 0 });
  const session = await within(20_000, loading);
  assert.is(progress.filter((sent) => sent === 0).length, 2);
  assert.equal((await session.run(inputOf(1))).outputs, [answerTo(1)]);
  await board.close();
  await child.kill();
});

/** One conversation through a proxy that cuts once; everything that has to hold afterwards is checked. */
async function converse(
  server: BoardServer,
  transport: CountingTransport,
  proxy: TcpProxy,
): Promise<{ answered: number; reconnects: number }> {
  transport.executed.clear();
  let answered = 0;
  let reconnects = 0;
  try {
    const board = await connectBoard(proxy.url, { reconnect: FAST });
    const loaded = await board.load(TINY);
    const results = await Promise.all(
      Array.from({ length: 6 }, (_, run) =>
        loaded.submit(inputOf(run)).then(
          ({ outputs }) => (assert.equal(outputs, [answerTo(run)]), "answered"),
          (error: NpuError) => error.code,
        ),
      ),
    );
    for (const [run, code] of results.entries()) {
      assert.ok(code === "answered" || code === "TW_IO_LOST", code);
      if (code === "answered") assert.is(transport.executed.get(run), 1);
    }
    answered = results.filter((code) => code === "answered").length;
    reconnects = board.stats().reconnects;
    await board.close();
  } catch (error) {
    // The first connection is not tried again.
    assert.is((error as NpuError).code, "TW_IO_CONNECT", String(error));
  }
  for (const times of transport.executed.values()) assert.is(times, 1);
  await until("nothing is left", () => server.agent.stats().connections === 0);
  return { answered, reconnects };
}

test("cut at the ends of all frames and inside them, both ways", async () => {
  const transport = new CountingTransport(true);
  transport.onStart = () => setImmediate(() => transport.finish());
  const limits = { runsPerConnection: 3 };
  const server = await startServer({
    check: false,
    transport,
    host: "127.0.0.1",
    port: 0,
    limits,
    concurrentRuns: 1,
  });
  const proxy = await TcpProxy.start(server.port);
  await converse(server, transport, proxy);
  // The ends, the bytes beside them, and others that lie inside.
  const places = (direction: ProxyDirection): number[] => {
    const inside = Array.from(
      { length: Math.floor(proxy.bytes[direction] / 11) },
      (_, i) => i * 11,
    );
    const beside = proxy.ends[direction].flatMap((end) => [end - 1, end, end + 1]);
    return [...new Set([...inside, ...beside])];
  };
  const cutPlaces = { "to server": places("to server"), "to client": places("to client") };
  assert.ok(cutPlaces["to server"].length > 60 && cutPlaces["to client"].length > 60);
  const before = descriptors();
  let [cuts, answered] = [0, 0];
  for (const direction of ["to server", "to client"] as ProxyDirection[]) {
    for (const bytes of cutPlaces[direction]) {
      proxy.bytes[direction] = 0;
      proxy.cutAt = { direction, bytes };
      const result = await within(20_000, converse(server, transport, proxy));
      proxy.cutAt = null;
      cuts += result.reconnects;
      answered += result.answered;
    }
  }
  assert.ok(cuts > 40, `${cuts} reconnects`);
  assert.ok(answered > 100, `${answered} answered`);
  await until("all sockets are closed", () => descriptors() <= before);
  const { sessions, executables, memory, accepted, finished, failed, dropped } =
    server.agent.stats();
  assert.equal([sessions, executables, memory], [0, 0, 0]);
  assert.is(accepted, finished + failed + dropped);
  assert.is(transport.loaded, transport.released);
  await proxy.close();
  await server.close(0);
});

test("a network that falls silent: both sides notice, the client comes back another way", async () => {
  const transport = new CountingTransport();
  const limits = { idleMs: 400, slowReaderMs: 400 };
  const server = await startServer({ transport, check: false, host: "127.0.0.1", port: 0, limits });
  const proxy = await TcpProxy.start(server.port);
  const times = { keepAliveMs: 100, connectMs: 300 };
  const board = await connectBoard(proxy.url, { ...times, reconnect: FAST });
  const loaded = await board.load(TINY);
  proxy.silent = true;
  const run = outcome(loaded.submit(inputOf(1)));
  await until("the agent dropped it", () => server.agent.stats().connections === 0);
  await until("the client noticed", () => !board.stats().connected);
  proxy.silent = false;
  assert.is(await within(10_000, run), "answered");
  assert.is(transport.executed.get(1), 1);
  await board.close();
  await proxy.close();
  await server.close(0);
});

/** A WebSocket that speaks the protocol frame by frame. */
async function rawSocket(
  url: string,
): Promise<{ socket: WebSocket; next(type: number): Promise<Buffer> }> {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  const frames: Buffer[] = [];
  socket.on("message", (data) => frames.push(data as Buffer));
  socket.on("error", () => {});
  await new Promise((resolve) => socket.once("open", resolve));
  socket.send(
    encodeFrame(HELLO, {
      magic: MAGIC,
      minVersion: 1,
      maxVersion: 1,
      client: new Uint8Array(16).fill(5),
      frameBytes: 1 << 24,
      software: "raw",
      token: "",
    }),
  );
  const next = async (type: number): Promise<Buffer> => {
    await until(`frame ${type}`, () => frames.some((frame) => frame[0] === type));
    return frames.splice(
      frames.findIndex((frame) => frame[0] === type),
      1,
    )[0]!;
  };
  await next(WELCOME.type);
  return { socket, next };
}

test("a reader that stops reading is dropped, the others are served", async () => {
  const executable = largeExecutable(1 << 20);
  const transport = new CountingTransport();
  const limits = { slowReaderMs: 300, idleMs: 60_000 };
  const server = await startServer({ transport, check: false, host: "127.0.0.1", port: 0, limits });
  const other = await connectBoard(server.url);
  const session = await createSession(executable, other);
  const { socket, next } = await rawSocket(server.url);
  const file = serialiseExecutable(executable);
  socket.send(encodeFrame(LOAD, { request: 1, digest: digestOf(file), bytes: file.length }));
  const handle = (await next(LOADED.type)).readUInt16LE(5);
  socket.pause();
  const inputs = [new Uint8Array(1 << 20)];
  for (let run = 1; run <= 20; run++)
    socket.send(encodeFrame(RUN, { profile: false, session: handle, run, inputs }));
  await until("it was dropped", () => server.agent.stats().connections === 1);
  assert.equal((await session.run(inputs)).outputs[0]!.length, 1 << 20);
  socket.resume();
  socket.terminate();
  await other.close();
  await server.close(0);
});

test("uploads that are larger than announced, or announced too large, end before memory is taken", async () => {
  const transport = new CountingTransport();
  const limits = { executableBytes: 1 << 20 };
  const server = await startServer({ transport, check: false, host: "127.0.0.1", port: 0, limits });
  const { socket, next } = await rawSocket(server.url);
  socket.send(encodeFrame(LOAD, { request: 1, digest: new Uint8Array(32), bytes: 2 ** 40 }));
  const failed = (await next(0x03)).toString("latin1");
  assert.match(failed, "TW_IO_LIMIT");
  assert.is(server.agent.stats().memory, 0);
  socket.send(encodeFrame(LOAD, { request: 2, digest: new Uint8Array(32), bytes: 70_000 }));
  await next(WANTED.type);
  const closed = new Promise<number>((resolve) => socket.once("close", resolve));
  for (let i = 0; i < 2; i++)
    socket.send(encodeFrame(CHUNK, { request: 2, bytes: [new Uint8Array(65536)] }));
  assert.is(await within(5000, closed), 1002);
  assert.is(server.agent.stats().memory, 0);
  await server.close(0);
});

test("connections that come and go leave no descriptors and no records behind", async () => {
  const transport = new CountingTransport();
  const server = await startServer({ transport, check: false, host: "127.0.0.1", port: 0 });
  const once = async (i: number): Promise<void> => {
    const board = await connectBoard(server.url);
    const loaded = await board.load(TINY);
    await loaded.submit(inputOf(i));
    // Some leave in order, some do not.
    if (i % 2 === 0) await board.close();
    else {
      (board as unknown as { current: { link: { destroy(): void } } }).current.link.destroy();
      await board.close();
    }
  };
  await once(0);
  await until("quiet", () => server.agent.stats().connections === 0);
  const before = descriptors();
  for (let i = 0; i < 60; i++) await once(i);
  await until("all are gone", () => server.agent.stats().connections === 0);
  await until("all sockets are closed", () => descriptors() <= before);
  const { sessions, memory, clients } = server.agent.stats();
  assert.equal([sessions, memory], [0, 0]);
  assert.ok(clients <= 31, `${clients} clients`);
  assert.is(transport.loaded, transport.released);
  await server.close(0);
});

test.run();
