// The listener on real sockets: who may connect, with which token, from which page, over TLS; and that it ends cleanly.
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { WebSocket, type ClientOptions } from "ws";
import { NpuError } from "../../core-as/errors.ts";
import { encodeFrame, HELLO, MAGIC } from "../../transport-ws/protocol.ts";
import { checkToken, TokenGate } from "../../transport-ws/server/auth.ts";
import {
  connectBoard,
  startServer,
  type BoardServer,
  type NodeConnectOptions,
  type ServerOptions,
} from "../../transport-ws/server/index.ts";
import { answerTo, CountingTransport, inputOf, TINY, until } from "../helpers/board.ts";

const test = suite("ws server");
const TOKEN = "0123456789abcdef-right";
const tls = {
  cert: readFileSync("test/helpers/tls/cert.pem"),
  key: readFileSync("test/helpers/tls/key.pem"),
};
const open: BoardServer[] = [];

async function serve(options: Partial<ServerOptions> = {}): Promise<BoardServer> {
  const transport = new CountingTransport();
  const server = await startServer({
    transport,
    check: false,
    host: "127.0.0.1",
    port: 0,
    ...options,
  });
  open.push(server);
  return server;
}

test.after.each(async () => {
  await Promise.all(open.splice(0).map((server) => server.close(0)));
});

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  assert.instance(error, NpuError, String(error));
  return `${(error as NpuError).code} ${(error as NpuError).message}`;
}

/** One run over a new connection. */
async function tryOut(url: string, options: NodeConnectOptions = {}): Promise<void> {
  const board = await connectBoard(url, options);
  const loaded = await board.load(TINY);
  assert.equal((await loaded.submit(inputOf(7))).outputs, [answerTo(7)]);
  await board.close();
}

/** Status with which a WebSocket is refused, or 101. */
function statusOf(url: string, options: ClientOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, options);
    socket.on("open", () => (socket.terminate(), resolve(101)));
    socket.on("unexpected-response", (_request, response) => {
      response.resume();
      resolve(response.statusCode!);
      socket.terminate();
    });
    socket.on("error", reject);
  });
}

const HELLO_FRAME = encodeFrame(HELLO, {
  magic: MAGIC,
  minVersion: 1,
  maxVersion: 1,
  client: new Uint8Array(16),
  frameBytes: 1 << 20,
  software: "raw",
  token: "",
});

/** Close code of a connection after a message, said at once or after the welcome. */
function closeCodeAfter(
  url: string,
  message: string | Uint8Array,
  welcomed = false,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url);
    socket.on("open", () => socket.send(welcomed ? HELLO_FRAME : message));
    socket.once("message", () => socket.send(message));
    socket.on("close", resolve);
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "ECONNRESET") reject(error);
    });
  });
}

test("loopback needs no token, any other address does and says how to make one", async () => {
  await tryOut((await serve()).url);
  for (const host of ["0.0.0.0", "::", "192.168.1.5", "board.example"]) {
    const refused = await codeOf(serve({ host }));
    assert.match(refused, /^TW_USAGE listening on .* demands a token/);
    assert.match(refused, "openssl rand -hex 32");
    assert.match(refused, "randomBytes");
  }
  for (const host of ["127.0.0.1", "::1", "[::1]", "localhost", "127.1.2.3"])
    checkToken(undefined, host);
  const short = await codeOf(serve({ token: "short-s3cret" }));
  assert.match(short, /^TW_USAGE the token has 12 characters, it must have 16/);
  assert.not.match(short, "s3cret");
});

test("the right token opens, a wrong one and none do not, and none is ever logged", async () => {
  const lines: string[] = [];
  const { port, agent } = await serve({
    host: "0.0.0.0",
    token: TOKEN,
    log: (line) => lines.push(line),
  });
  const url = `ws://127.0.0.1:${port}`;
  await tryOut(url, { token: TOKEN });
  const wrong = `${TOKEN.slice(0, -1)}x`;
  assert.match(
    await codeOf(connectBoard(url, { token: wrong })),
    "TW_IO_AUTH the board refuses the token",
  );
  assert.match(await codeOf(connectBoard(url)), "TW_IO_AUTH the board wants a token");
  assert.match(await codeOf(connectBoard(url, { token: `${TOKEN}${TOKEN}` })), "TW_IO_AUTH");
  await until("all are gone", () => agent.stats().connections === 0);
  assert.ok(lines.length > 0);
  assert.not.match(lines.join("\n"), "0123456789");
});

test("whoever guesses has to wait, even with the right token then", async () => {
  let now = 0;
  const gate = new TokenGate(TOKEN, () => now);
  assert.is(await gate.check(TOKEN, "a"), true);
  const guesses = Array.from({ length: 10 }, (_, i) => gate.check(`guess ${i}`, "a"));
  assert.equal(new Set(await Promise.all(guesses)), new Set([false]));
  assert.equal([gate.isBlocked("a"), gate.isBlocked("b")], [true, false]);
  assert.equal([await gate.check(TOKEN, "a"), await gate.check(TOKEN, "b")], [false, true]);
  now += 60_001;
  assert.is(gate.isBlocked("a"), false);
  assert.is(await gate.check(TOKEN, "a"), true);
});

test("many wrong tokens close the door on their address", async () => {
  const { url } = await serve({ token: TOKEN });
  const guesses = Array.from({ length: 10 }, (_, i) =>
    codeOf(connectBoard(url, { token: `guess ${i}` })),
  );
  for (const code of await Promise.all(guesses)) assert.match(code, "TW_IO_AUTH");
  const { reconnect } = { reconnect: { attempts: 0 } };
  assert.match(
    await codeOf(connectBoard(url, { token: TOKEN, reconnect })),
    /TW_IO_CONNECT .* 429/,
  );
});

test("pages may connect from allowed origins only", async () => {
  const closed = await serve();
  assert.is(await statusOf(closed.url, { origin: "https://evil.example" }), 403);
  assert.is(await statusOf(closed.url, { origin: "http://localhost:8080" }), 403);
  assert.is(await statusOf(closed.url, { origin: "null" }), 403);
  const { url } = await serve({ allowOrigins: ["https://app.example", "http://localhost:8080"] });
  assert.is(await statusOf(url, { origin: "https://app.example" }), 101);
  assert.is(await statusOf(url, { origin: "http://localhost:8080" }), 101);
  assert.is(await statusOf(url, { origin: "https://app.example.evil" }), 403);
  assert.is(await statusOf(url, { origin: "http://app.example" }), 403);
  assert.is(
    await statusOf((await serve({ allowOrigins: ["*"] })).url, { origin: "https://x" }),
    101,
  );
});

test("on loopback a foreign host name is refused: somebody bent it here", async () => {
  const { url, port } = await serve();
  for (const host of ["evil.example", `evil.example:${port}`, "127.0.0.1.evil.example"])
    assert.is(await statusOf(url, { headers: { host } }), 403, host);
  for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, "[::1]"])
    assert.is(await statusOf(url, { headers: { host } }), 101, host);
  const everywhere = await serve({ host: "0.0.0.0", token: TOKEN });
  assert.is(
    await statusOf(`ws://127.0.0.1:${everywhere.port}`, { headers: { host: "board.example" } }),
    101,
  );
});

test("TLS: who trusts the certificate connects, who does not is told why", async () => {
  const { url } = await serve({ tls, token: TOKEN });
  assert.match(url, /^wss:/);
  await tryOut(url, { token: TOKEN, ca: tls.cert });
  // Node would trust the system's certificates.
  const empty = connectBoard(url, { token: TOKEN, ca: "" });
  assert.instance(await empty.catch((error: unknown) => error), RangeError);
  assert.match(await codeOf(connectBoard(url, { token: TOKEN })), /^TW_IO_CONNECT .*self-signed/);
  assert.match(await codeOf(connectBoard(url.replace("wss", "ws"))), "TW_IO_CONNECT");
  const broken = { cert: tls.cert, key: "no key" };
  assert.match(
    await codeOf(serve({ tls: broken })),
    "TW_IO_CONNECT certificate and key cannot be used",
  );
});

test("a browser that opens the address is told what it is", async () => {
  const { port } = await serve();
  const [status, body] = await new Promise<[number, string]>((resolve, reject) => {
    const get = request({ port, host: "127.0.0.1" }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("end", () => resolve([response.statusCode!, text]));
    });
    get.on("error", reject);
    get.end();
  });
  assert.is(status, 426);
  assert.match(body, "Tilewright agent");
});

test("texts, frames that are too large, and other garbage end a connection with their code", async () => {
  const { url, agent } = await serve({ limits: { frameBytes: 8192 } });
  assert.is(await closeCodeAfter(url, "hello"), 1003);
  assert.is(await closeCodeAfter(url, new Uint8Array(5)), 1002);
  assert.is(await closeCodeAfter(url, new Uint8Array(8193), true), 1009);
  await until("all are gone", () => agent.stats().connections === 0);
  await tryOut(url);
});

test("before the welcome nobody can send more than a hello takes", async () => {
  const { url, agent } = await serve({ token: TOKEN });
  // Without a code: it is cut while the frame is still coming.
  assert.is(await closeCodeAfter(url, new Uint8Array(1 << 22)), 1006);
  await until("all are gone", () => agent.stats().connections === 0);
  await tryOut(url, { token: TOKEN });
});

test("pings of WebSocket are answered", async () => {
  const { url } = await serve();
  const socket = new WebSocket(url);
  await new Promise((resolve) => socket.once("open", resolve));
  const pong = new Promise<string>((resolve) =>
    socket.once("pong", (data) => resolve(data.toString())),
  );
  socket.ping("hello");
  assert.is(await pong, "hello");
  socket.terminate();
});

test("connections from one address are counted", async () => {
  const { url } = await serve({ connectionsPerAddress: 1 });
  const first = await connectBoard(url);
  assert.match(await codeOf(connectBoard(url)), /TW_IO_CONNECT .* 503/);
  await first.close();
  await tryOut(url);
});

test("a port that is taken, and a board that is not there, are said by address", async () => {
  const { port, url, close } = await serve();
  assert.match(
    await codeOf(serve({ port })),
    /^TW_IO_CONNECT 127.0.0.1:\d+ cannot be listened on: .*EADDRINUSE/,
  );
  await close.call(open[0]!, 0);
  assert.match(
    await codeOf(connectBoard(url)),
    /^TW_IO_CONNECT 127.0.0.1:\d+ cannot be reached: .*ECONNREFUSED/,
  );
});

test("ends although somebody is connected who says nothing", async () => {
  const server = await serve();
  const silent = connect(server.port, "127.0.0.1");
  silent.on("error", () => {});
  await new Promise((resolve) => silent.once("connect", resolve));
  const mute = new WebSocket(server.url);
  mute.on("error", () => {});
  await new Promise((resolve) => mute.once("open", resolve));
  const closed = server.close(0);
  assert.is(closed, server.close(0));
  await closed;
  await until("the socket ended", () => silent.closed || silent.readableEnded);
  silent.destroy();
});

test("a client gives up connecting when it is told to", async () => {
  const { url } = await serve();
  const controller = new AbortController();
  const connecting = codeOf(connectBoard(url, { signal: controller.signal }));
  controller.abort();
  assert.match(await connecting, "TW_IO_ABORTED");
});

test.run();
