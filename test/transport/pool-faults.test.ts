// What goes wrong in a pool: boards killed, hung or leaving in the middle of runs, the queue server gone, garbage on every subject.
// No accepted run is lost, and each is answered once.
// SPDX-License-Identifier: MIT
import { connect } from "@nats-io/transport-node";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { chipByName } from "../../core-as/hw/chips.ts";
import type { LoadedExecutable } from "../../core-as/runtime/transport.ts";
import { createSimTransport } from "../../core-as/runtime/sim-transport.ts";
import { listPoolBoards, openPool, type PoolTransport } from "../../transport-ws/pool/client.ts";
import { encodeHealth, encodeOpenRequest } from "../../transport-ws/pool/messages.ts";
import { newToken, subjectsOf } from "../../transport-ws/pool/subjects.ts";
import { NATS_SERVER, startNatsServer, type NatsServer } from "../helpers/nats-server.ts";
import {
  codeOf,
  knownModel,
  localBoard,
  processBoard,
  until,
  type KnownModel,
  type ProcessBoard,
} from "../helpers/pool-rig.ts";
import { rng } from "../helpers/prng.mjs";
import { slowTransport } from "../helpers/slow-transport.ts";
import { needTool } from "../helpers/tools.ts";

const NAME = "pool faults (NATS, boards in processes)";
const CHIP = chipByName("a311d")!;
/** Short enough for tests, long enough for a busy machine: silence is noticed after ten of them. */
const HEARTBEAT_MS = 100;

/** Submits runs, counts their answers and checks each. */
function many(
  loaded: LoadedExecutable,
  model: KnownModel,
  count: number,
): { done: Promise<unknown>; answers: number[] } {
  const answers = Array<number>(count).fill(0);
  const runs = answers.map(async (_, i) => {
    const result = await loaded.submit(model.inputs(i));
    answers[i]!++;
    model.check(i, result);
  });
  return { done: Promise.all(runs), answers };
}

function expectAll(pool: PoolTransport, answers: readonly number[]): void {
  assert.ok(
    answers.every((times) => times === 1),
    "each run is answered once",
  );
  const { queued, bytes, failed } = pool.stats();
  assert.equal({ queued, bytes, failed }, { queued: 0, bytes: 0, failed: 0 });
}

function faults(): void {
  const test = suite(NAME);
  let server: NatsServer;
  let model: KnownModel;
  let processes: ProcessBoard[] = [];

  const board = async (pool: string, name: string, delayMs: number): Promise<ProcessBoard> => {
    const started = await processBoard(`${server.url}/${pool}`, name, delayMs);
    processes.push(started);
    return started;
  };

  test.before(async () => {
    server = await startNatsServer();
    model = await knownModel();
  });
  test.after.each(async () => {
    await Promise.all(processes.map(({ kill }) => kill()));
    processes = [];
  });
  test.after(() => server.stop());

  test("boards killed with SIGKILL in the middle of runs, one after the other", async () => {
    const boards = await Promise.all(["a", "b", "c"].map((name) => board("kill", name, 15)));
    const url = `${server.url}/kill`;
    const pool = await openPool(url, { heartbeatMs: HEARTBEAT_MS, chip: CHIP });
    const loaded = await pool.load(model.executable);
    const { done, answers } = many(loaded, model, 150);
    await boards[0]!.started(8);
    await boards[0]!.kill();
    await boards[1]!.started(16);
    await boards[1]!.kill();
    const late = board("kill", "d", 15);
    await done;
    expectAll(pool, answers);
    const { redelivered, completed } = pool.stats();
    assert.ok(redelivered >= 2, `${redelivered} were sent again`);
    assert.is(completed, 150);
    await late;
    const health = await listPoolBoards(url);
    assert.equal(
      health.map(({ name }) => name),
      ["c", "d"],
    );
    // The board that lived knows its part; those that were killed did the rest, some of it twice.
    assert.ok(health[0]!.completed > 0 && health[0]!.completed < 150);
    await pool.close();
  });

  test("the only board is killed: runs wait for the next one", async () => {
    const first = await board("only", "a", 10);
    const pool = await openPool(`${server.url}/only`, { heartbeatMs: HEARTBEAT_MS });
    const loaded = await pool.load(model.executable);
    const { done, answers } = many(loaded, model, 30);
    await first.started(5);
    await first.kill();
    await board("only", "b", 1);
    await done;
    expectAll(pool, answers);
    await pool.close();
  });

  test("no board comes back: runs fail in the given time, with the reason", async () => {
    const first = await board("none", "a", 10);
    const pool = await openPool(`${server.url}/none`, {
      heartbeatMs: HEARTBEAT_MS,
      noBoardMs: 300,
    });
    const loaded = await pool.load(model.executable);
    const runs = Array.from({ length: 10 }, (_, i) => codeOf(loaded.submit(model.inputs(i))));
    await first.started(1);
    await first.kill();
    for (const code of await Promise.all(runs)) assert.ok(["none", "TW_IO_CONNECT"].includes(code));
    assert.ok((await Promise.all(runs)).includes("TW_IO_CONNECT"));
    await pool.close();
  });

  test("a board that hangs is given up after its silence, and its late answers change nothing", async () => {
    const hung = await board("hang", "a", 5);
    const pool = await openPool(`${server.url}/hang`, { heartbeatMs: HEARTBEAT_MS });
    const loaded = await pool.load(model.executable);
    const { done, answers } = many(loaded, model, 40);
    await hung.started(3);
    hung.child.kill("SIGSTOP");
    await board("hang", "b", 1);
    await done;
    hung.child.kill("SIGCONT");
    expectAll(pool, answers);
    assert.ok(pool.stats().redelivered >= 1);
    await pool.close();
  });

  test("a board that leaves finishes what it has: nothing is sent twice", async () => {
    const url = `${server.url}/leave`;
    const [a, b] = await Promise.all(["a", "b"].map((name) => board("leave", name, 10)));
    const pool = await openPool(url, { heartbeatMs: HEARTBEAT_MS, chip: CHIP });
    const loaded = await pool.load(model.executable);
    const { done, answers } = many(loaded, model, 80);
    await a!.started(6);
    const gone = new Promise((resolve) => a!.child.once("exit", resolve));
    a!.child.send("leave");
    await gone;
    await done;
    expectAll(pool, answers);
    assert.is(pool.stats().redelivered, 0);
    const health = await listPoolBoards(url);
    assert.equal(
      health.map(({ name }) => name),
      ["b"],
    );
    void b;
    await pool.close();
  });

  test("the queue server is killed and comes back: boards and clients too, no run is lost", async () => {
    const own = await startNatsServer();
    const transport = slowTransport(createSimTransport(CHIP), 10);
    const local = await localBoard(own.url, "a", { transport });
    const pool = await openPool(own.url, { heartbeatMs: HEARTBEAT_MS });
    const loaded = await pool.load(model.executable);
    for (let round = 0; round < 2; round++) {
      const { done, answers } = many(loaded, model, 30);
      const before = local.agent.stats().finished;
      await until("some runs are done", () => local.agent.stats().finished > before + 5);
      await own.halt();
      await until("the pool has noticed", () => pool.stats().boards.length === 0);
      await own.start();
      await done;
      expectAll(pool, answers);
    }
    assert.ok(pool.stats().redelivered >= 2);
    assert.is((await pool.boards()).length, 1);
    await pool.close();
    await until("old channels are gone", () => local.member.connections === 0);
    assert.is(local.agent.stats().connections, 0);
    await local.stop();
    await own.stop();
  });

  test("closing and leaving while the queue server is away takes no longer than else", async () => {
    const own = await startNatsServer();
    const local = await localBoard(own.url, "a");
    const pool = await openPool(own.url);
    const loaded = await pool.load(model.executable);
    await own.halt();
    await until("the pool has noticed", () => pool.stats().boards.length === 0);
    const waiting = codeOf(loaded.submit(model.inputs(0)));
    await pool.close();
    assert.is(await waiting, "TW_IO_CLOSED");
    assert.is(await codeOf(loaded.submit(model.inputs(0))), "TW_IO_CLOSED");
    await local.stop();
    assert.match(await local.member.left, "left the pool");
    await own.stop();
  });

  test("the agent is closed without leaving the pool: its runs are answered or done elsewhere", async () => {
    const url = `${server.url}/close`;
    const boards = await Promise.all(
      ["a", "b"].map((name) =>
        localBoard(url, name, { transport: slowTransport(createSimTransport(CHIP), 5) }),
      ),
    );
    const pool = await openPool(url, { heartbeatMs: HEARTBEAT_MS });
    const loaded = await pool.load(model.executable);
    const { done, answers } = many(loaded, model, 60);
    await until("it has runs", () => boards[0]!.agent.stats().finished > 3);
    await boards[0]!.agent.close();
    await done;
    expectAll(pool, answers);
    await pool.close();
    await Promise.all(boards.map(({ stop }) => stop()));
  });

  test("10,000 messages of garbage on every subject of the pool, while runs go on", async () => {
    const url = `${server.url}/noise`;
    const boards = await Promise.all(["a", "b"].map((name) => localBoard(url, name)));
    const pool = await openPool(url, { chip: CHIP });
    const loaded = await pool.load(model.executable);
    const subjects = subjectsOf("noise");
    const [health] = await pool.boards();
    const terms = { windowBytes: 1 << 20, maxPayload: 1 << 20, heartbeatMs: 1000 };
    const texts = [
      encodeHealth(health!),
      encodeOpenRequest({ channel: newToken(), client: "noise", have: [], ...terms }),
    ];
    const targets = [
      subjects.health,
      subjects.news,
      subjects.open(CHIP),
      ...boards.map(({ member }) => subjects.openBoard(member.id)),
      subjects.toBoard(newToken()),
    ];
    const noise = await connect({ servers: server.url });
    const random = rng("noise");
    const { done, answers } = many(loaded, model, 60);
    for (let i = 0; i < 10_000; i++) {
      const bytes = texts[i & 1]!.slice();
      const at = (random.byte() | (random.byte() << 8)) % bytes.length;
      bytes[at] = random.byte();
      const data = i % 3 === 0 ? bytes.subarray(0, at) : bytes;
      const reply = i % 5 === 0 ? undefined : targets[i % targets.length];
      noise.publish(targets[random.byte() % targets.length]!, data, { reply });
      if (i % 500 === 0) await noise.flush();
    }
    await noise.flush();
    await done;
    expectAll(pool, answers);
    const after = many(loaded, model, 20);
    await after.done;
    expectAll(pool, after.answers);
    await noise.close();
    await pool.close();
    // Channels that nobody speaks on end by the agent's time limit for a hello, or because nobody listens.
    await until("no connections", () => boards.every(({ member }) => member.connections === 0));
    await Promise.all(boards.map(({ stop }) => stop()));
  });

  test("closing in the middle of everything: each run is answered, nothing is left", async () => {
    const url = `${server.url}/end`;
    const local = await localBoard(url, "a", {
      transport: slowTransport(createSimTransport(CHIP), 20),
    });
    const pool = await openPool(url);
    const loaded = await pool.load(model.executable);
    const runs = Array.from({ length: 20 }, (_, i) => codeOf(loaded.submit(model.inputs(i))));
    await until("one is done", () => pool.stats().completed > 0);
    await pool.close();
    const codes = await Promise.all(runs);
    assert.ok(codes.includes("TW_IO_CLOSED"));
    for (const code of codes) assert.ok(["none", "TW_IO_CLOSED"].includes(code), code);
    assert.is((await pool.disconnected).kind, "closed");
    assert.is(pool.stats().subscriptions, 0);
    await until("the board is free", () => local.agent.stats().running === 0);
    await until("the board has no connection", () => local.member.connections === 0);
    await local.stop();
  });

  test.run();
}

if (needTool(NAME, "nats-server", NATS_SERVER !== null)) faults();
