// Boards behind a real nats-server: conformance, then health, limits, tokens, chips, large tensors and what is left behind.
// SPDX-License-Identifier: MIT
import { nkeys } from "@nats-io/transport-node";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { chipByName } from "../../core-as/hw/chips.ts";
import { createSession } from "../../core-as/runtime/session.ts";
import { createSimTransport } from "../../core-as/runtime/sim-transport.ts";
import { openPool, listPoolBoards } from "../../transport-ws/pool/client.ts";
import { joinPool } from "../../transport-ws/pool/join.ts";
import { NATS_SERVER, startNatsServer, type NatsServer } from "../helpers/nats-server.ts";
import {
  codeOf,
  errorOf,
  knownModel,
  localBoard,
  until,
  type KnownModel,
  type LocalBoard,
} from "../helpers/pool-rig.ts";
import { slowTransport } from "../helpers/slow-transport.ts";
import { needTool, works } from "../helpers/tools.ts";
import { transportSuite } from "./cts.ts";

const NAME = "pool (NATS, 2 boards on sim)";
/** The permissions that docs/pool.md gives for the pool "kitchen". */
const PERMISSIONS = `authorization { users: [
  { user: board, password: "pass-board", permissions: {
    subscribe: ["tilewright.kitchen.health", "tilewright.kitchen.open.*", "tilewright.kitchen.board.*.open",
                "tilewright.kitchen.channel.*.board"]
    publish: ["tilewright.kitchen.news", "tilewright.kitchen.inbox.>", "tilewright.kitchen.channel.*.client"] } }
  { user: client, password: "pass-client", permissions: {
    publish: ["tilewright.kitchen.health", "tilewright.kitchen.open.*", "tilewright.kitchen.board.*.open",
              "tilewright.kitchen.channel.*.board"]
    subscribe: ["tilewright.kitchen.news", "tilewright.kitchen.inbox.>", "tilewright.kitchen.channel.*.client"] } }
] }`;
const sim = (chip = "a311d"): ReturnType<typeof createSimTransport> =>
  createSimTransport(chipByName(chip)!);

function queueOfTests(): void {
  let server: NatsServer;
  let model: KnownModel;
  const fleet: LocalBoard[] = [];

  const start = suite(`${NAME}: start`);
  start("two boards join", async () => {
    server = await startNatsServer();
    model = await knownModel();
    for (const name of ["one", "two"]) fleet.push(await localBoard(server.url, name));
  });
  start.run();

  transportSuite(NAME, () => openPool(server.url, { chip: "a311d" }));

  const test = suite(NAME);

  test("spreads runs over its boards, uploads once to each, tells who did what", async () => {
    let uploads = 0;
    const pool = await openPool(`${server.url}/fleet`, {
      boardMs: 100,
      onUploadProgress: (sent) => void (uploads += sent === 0 ? 1 : 0),
    }).catch(() => null);
    assert.is(pool, null, "a pool without boards");
    const boards = await Promise.all(
      ["a", "b", "c"].map((name) =>
        localBoard(`${server.url}/fleet`, name, { transport: slowTransport(sim(), 4) }),
      ),
    );
    const open = (): ReturnType<typeof openPool> =>
      openPool(`${server.url}/fleet`, {
        onUploadProgress: (sent) => void (uploads += sent === 0 ? 1 : 0),
      });
    for (const expected of [3, 0]) {
      uploads = 0;
      const fleetPool = await open();
      assert.is(fleetPool.name, "pool");
      const session = await createSession(model.executable, fleetPool);
      await Promise.all(
        Array.from({ length: 60 }, async (_, i) =>
          model.check(i, await session.run(model.inputs(i))),
        ),
      );
      const { boards: used, completed, redelivered } = fleetPool.stats();
      assert.is(completed, 60);
      assert.is(redelivered, 0);
      assert.is(used.length, 3);
      for (const { answered } of used) assert.ok(answered >= 8, `${answered} of 60`);
      assert.is(uploads, expected, "boards keep what they were given");
      await fleetPool.close();
    }
    const health = await listPoolBoards(`${server.url}/fleet`);
    assert.equal(
      health.map(({ name }) => name),
      ["a", "b", "c"],
    );
    assert.is(
      health.reduce((sum, { completed }) => sum + completed, 0),
      120,
    );
    for (const one of health) {
      assert.is(one.chipName, "a311d");
      assert.is(one.device, "slow");
      assert.is(one.state, "ready");
      assert.is(one.failed, 0);
      assert.is(one.lastError, null);
      assert.ok(one.latencyMs!.p50 >= 3 && one.latencyMs!.p99 >= one.latencyMs!.p50);
      assert.ok(one.roundTripMs! > 0);
    }
    await Promise.all(boards.map(({ stop }) => stop()));
    assert.equal(await listPoolBoards(`${server.url}/fleet`), []);
  });

  test("health tells of runs that failed", async () => {
    const board = await localBoard(`${server.url}/sick`, "sick", { agent: { check: false } });
    const pool = await openPool(`${server.url}/sick`);
    const broken = structuredClone(model.executable);
    const [partition] = broken.partitions;
    const job = partition!.jobs.find(({ kind }) => kind === "NN")!;
    partition!.buffers[job.coefficients!]!.contents!.fill(0xff, 64, 128);
    const session = await createSession(broken, pool);
    assert.match(await codeOf(session.run(model.inputs(0))), /^TW_SIM_/);
    const [health] = await pool.boards();
    assert.is(health!.failed, 1);
    assert.match(health!.lastError!.code, /^TW_SIM_/);
    assert.is(health!.evidence, "simulated");
    assert.is(health!.connections, 1);
    assert.is(pool.stats().redelivered, 0);
    await pool.close();
    await board.stop();
  });

  test("boards take so many clients: others are used, then clients are told", async () => {
    const url = `${server.url}/small`;
    const boards = await Promise.all(
      ["a", "b"].map((name) => localBoard(url, name, { join: { maxConnections: 1 } })),
    );
    const first = await openPool(url, { maxBoards: 1 });
    const second = await openPool(url, { maxBoards: 1 });
    assert.not.equal(first.stats().boards[0]!.id, second.stats().boards[0]!.id);
    const refused = await errorOf(openPool(url, { chip: "a311d", boardMs: 300 }));
    assert.is(refused!.code, "TW_IO_LIMIT");
    assert.match(refused!.message, "its limit is 1");
    const waiting = openPool(url, { chip: "a311d", maxBoards: 1 });
    await first.close();
    const third = await waiting;
    const session = await createSession(model.executable, third);
    model.check(3, await session.run(model.inputs(3)));
    await Promise.all([second.close(), third.close()]);
    await Promise.all(boards.map(({ stop }) => stop()));
  });

  test("back-pressure: the queue is bounded, ready() waits for room", async () => {
    const url = `${server.url}/pressure`;
    const board = await localBoard(url, "a", { transport: slowTransport(sim(), 2) });
    const pool = await openPool(url, { maxQueued: 4, runsPerBoard: 2 });
    const loaded = await pool.load(model.executable);
    let refused = 0;
    const runs: Promise<void>[] = [];
    for (let i = 0; i < 60; i++) {
      const run = loaded.submit(model.inputs(i)).then((result) => model.check(i, result));
      const code = await Promise.race([codeOf(run), pool.ready().then(() => "ready")]);
      if (code === "TW_IO_LIMIT") refused++;
      else runs.push(run);
    }
    await Promise.all(runs);
    assert.is(refused, 0, "who waits for ready() is not refused");
    const rush = Array.from({ length: 20 }, (_, i) => codeOf(loaded.submit(model.inputs(i))));
    const codes = await Promise.all(rush);
    assert.ok(codes.filter((code) => code === "TW_IO_LIMIT").length >= 10);
    assert.ok(codes.filter((code) => code === "none").length >= 4);
    await pool.close();
    await board.stop();
  });

  test("the boards' token is checked by each board; a wrong one is told at once", async () => {
    const url = `${server.url}/locked`;
    const authenticate = (token: string): boolean => token === "right horse battery staple";
    const board = await localBoard(url, "a", { agent: { authenticate } });
    for (const token of [undefined, "wrong"]) {
      const error = await errorOf(openPool(url, { token }));
      assert.is(error!.code, "TW_IO_AUTH");
      assert.not.match(error!.message, "wrong");
    }
    const pool = await openPool(url, { token: "right horse battery staple" });
    model.check(1, await (await createSession(model.executable, pool)).run(model.inputs(1)));
    await pool.close();
    await board.stop();
  });

  test("boards of other chips are not used, and mixed pools ask which chip is meant", async () => {
    const url = `${server.url}/mixed`;
    const vim = await localBoard(url, "vim3");
    const only = await errorOf(openPool(url, { chip: "imx8mp", boardMs: 200 }));
    assert.is(only!.code, "TW_IO_CONNECT");
    assert.match(only!.message, "only boards with a311d");
    const imx = await localBoard(url, "imx", { transport: sim("imx8mp") });
    const unclear = await errorOf(openPool(url));
    assert.is(unclear!.code, "TW_USAGE");
    assert.match(unclear!.message, "say which chip");
    const other = await knownModel("conv-i8x8x16-k3-o17-s2-same-u8-sparse20", 2, "imx8mp");
    for (const [chip, known] of [
      ["a311d", model],
      ["imx8mp", other],
    ] as const) {
      const pool = await openPool(url, { chip });
      const session = await createSession(known.executable, pool);
      await Promise.all(
        [0, 1, 2, 3, 4, 5].map(async (i) => known.check(i, await session.run(known.inputs(i)))),
      );
      assert.is(pool.stats().boards.length, 1);
      assert.is((await pool.boards()).length, 2);
      await pool.close();
    }
    assert.is(await codeOf(openPool(url, { chip: "z80" })), "TW_USAGE");
    await Promise.all([vim.stop(), imx.stop()]);
  });

  test("no boards, no server: an error in the given time that says what to do", async () => {
    const none = await errorOf(openPool(`${server.url}/empty`, { boardMs: 150 }));
    assert.is(none!.code, "TW_IO_CONNECT");
    assert.match(none!.message, "tilewright serve --pool");
    const chip = await errorOf(openPool(`${server.url}/empty`, { boardMs: 150, chip: "a311d" }));
    assert.is(chip!.code, "TW_IO_CONNECT");
    assert.match(chip!.message, "no board with a311d");
    const nowhere = "nats://127.0.0.1:1";
    for (const open of [openPool, listPoolBoards]) {
      const error = await errorOf(open(nowhere));
      assert.is(error!.code, "TW_IO_CONNECT");
      assert.match(error!.message, "nats-server");
    }
    const signal = AbortSignal.timeout(50);
    assert.is(
      await codeOf(openPool(`${server.url}/empty`, { chip: "a311d", signal })),
      "TW_IO_ABORTED",
    );
  });

  test("nothing is left: subscriptions, channels, timers, sockets", async () => {
    const url = `${server.url}/tidy`;
    const active = (): string[] =>
      process.getActiveResourcesInfo().filter((kind) => /Timeout|TCP/.test(kind));
    const before = active();
    const board = await localBoard(url, "a");
    const pool = await openPool(url);
    const idle = pool.stats().subscriptions;
    const session = await createSession(model.executable, pool);
    for (let i = 0; i < 20; i++) await session.run(model.inputs(i));
    await session.close();
    await until("nothing is asked any more", () => pool.stats().subscriptions === idle);
    assert.is(board.agent.stats().executables, 0);
    assert.is(board.member.connections, 1);
    await pool.close();
    assert.is(pool.stats().subscriptions, 0);
    await until("the board has no connection", () => board.member.connections === 0);
    assert.is(board.agent.stats().connections, 0);
    assert.is(board.agent.stats().sessions, 0);
    await board.stop();
    await until("timers and sockets are as before", () => active().length <= before.length);
  });

  test("large tensors through a server with a small largest message", async () => {
    const small = await startNatsServer("max_payload: 65536");
    const big = await knownModel("conv-i80x80x64-k1-o32-s1-same-u8", 2);
    const board = await localBoard(small.url, "a");
    const pool = await openPool(small.url);
    assert.ok(big.inputs(0)[0]!.length > 6 * 65536);
    const session = await createSession(big.executable, pool);
    await Promise.all(
      [0, 1, 2, 3].map(async (i) => big.check(i, await session.run(big.inputs(i)))),
    );
    await pool.close();
    await board.stop();
    await small.stop();
  });

  test("the queue server's own credentials, and subjects that it does not permit", async () => {
    const locked = await startNatsServer(PERMISSIONS);
    const asBoard = { user: "board", password: "pass-board" };
    const asClient = { user: "client", password: "pass-client" };
    const url = `${locked.url}/kitchen`;
    for (const wrong of [{}, { user: "client", password: "pass-word" }]) {
      const error = await errorOf(openPool(url, wrong));
      assert.is(error!.code, "TW_IO_AUTH");
      assert.not.match(`${error!.message} ${String(error!.cause)}`, "pass-");
    }
    const board = await localBoard(url, "a", { join: asBoard });
    const pool = await openPool(url, asClient);
    const session = await createSession(model.executable, pool);
    model.check(2, await session.run(model.inputs(2)));
    assert.is((await pool.boards()).length, 1);
    await pool.close();
    // A client that may not be a board, and a board in a pool that is not its own.
    const posing = joinPool({ servers: url, agent: board.agent, ...asClient });
    assert.is(await codeOf(posing), "TW_IO_AUTH");
    const elsewhere = await errorOf(
      joinPool({ servers: `${locked.url}/cellar`, agent: board.agent, ...asBoard }),
    );
    assert.is(elsewhere!.code, "TW_IO_AUTH");
    assert.match(elsewhere!.message, "docs/pool.md");
    await board.stop();
    await locked.stop();
  });

  test("a token and an nkey of the queue server", async () => {
    const user = nkeys.createUser();
    const seed = new TextDecoder().decode(user.getSeed());
    for (const [config, right, wrong] of [
      [
        'authorization { token: "queue-token" }',
        { serverToken: "queue-token" },
        { serverToken: "x" },
      ],
      [
        `authorization { users: [{ nkey: ${user.getPublicKey()} }] }`,
        { nkeySeed: `${seed}\n` },
        { nkeySeed: new TextDecoder().decode(nkeys.createUser().getSeed()) },
      ],
    ] as const) {
      const locked = await startNatsServer(config);
      assert.is(await codeOf(listPoolBoards(locked.url, wrong)), "TW_IO_AUTH");
      const board = await localBoard(locked.url, "a", { join: right });
      const pool = await openPool(locked.url, right);
      assert.is((await pool.boards()).length, 1);
      await pool.close();
      await board.stop();
      await locked.stop();
    }
    for (const broken of [{ nkeySeed: "SU-not-a-seed" }, { creds: "not-a-seed" }]) {
      const error = await errorOf(listPoolBoards(server.url, broken));
      assert.is(error!.code, "TW_IO_AUTH");
      assert.not.match(`${error!.message} ${String(error!.cause)}`, "not-a-seed");
    }
  });

  test("tls:// demands encryption", async () => {
    const plain = server.url.replace("nats:", "tls:");
    assert.is(await codeOf(listPoolBoards(plain)), "TW_IO_CONNECT");
  });

  test.run();
  encrypted();

  const end = suite(`${NAME}: end`);
  end("boards leave", async () => {
    await Promise.all(fleet.map(({ stop }) => stop()));
    for (const { member } of fleet) assert.match(await member.left, "left the pool");
    await server.stop();
  });
  end.run();
}

function encrypted(): void {
  const name = "pool over TLS";
  if (!needTool(name, "openssl", works("openssl", "version"))) return;
  const test = suite(name);
  test("an encrypted server: with its certificate, not without", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tilewright-tls-"));
    const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
    const args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
    args.push("-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", key, "-out", cert);
    args.push("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1");
    assert.is(spawnSync("openssl", args, { stdio: "ignore" }).status, 0);
    const safe = await startNatsServer(`tls { cert_file: "${cert}", key_file: "${key}" }`);
    const url = safe.url.replace("nats:", "tls:");
    const tls = { ca: readFileSync(cert, "utf8") };
    const model = await knownModel();
    const board = await localBoard(url, "a", { join: { tls } });
    assert.is(await codeOf(openPool(url)), "TW_IO_CONNECT");
    const pool = await openPool(url, { tls });
    const session = await createSession(model.executable, pool);
    model.check(1, await session.run(model.inputs(1)));
    await pool.close();
    await board.stop();
    await safe.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  test.run();
}

if (needTool(NAME, "nats-server", NATS_SERVER !== null)) queueOfTests();
