// The dispatcher with boards that work: who gets a run, what waits, what is refused, how it ends.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { TransportError } from "../../../core-as/errors.ts";
import {
  EXECUTABLE,
  FakeBoard,
  codeOf,
  error,
  input,
  resultOf,
  rig,
  settle,
} from "../../helpers/fake-board.ts";

test("runs go to the board with the smallest share of its credits in use, then wait in order", async () => {
  const [a, b] = [new FakeBoard("a", 2), new FakeBoard("b", 4)];
  const { dispatcher } = rig({}, a, b);
  const model = await dispatcher.load(EXECUTABLE);
  assert.is(a.loads + b.loads, 1, "loaded where it is needed first");
  const runs = Array.from({ length: 9 }, (_, i) => dispatcher.submit(model, input(i)));
  await settle();
  assert.is(a.pending.length, 2);
  assert.is(b.pending.length, 4);
  assert.is(a.loads, 1);
  assert.is(b.loads, 1);
  assert.is(dispatcher.stats().queued, 3);
  b.pending.shift()!.answer();
  await settle();
  assert.equal([...b.pending.at(-1)!.inputs[0]!], Array<number>(16).fill(6), "the oldest is next");
  a.auto = b.auto = true;
  for (const { answer } of [...a.pending, ...b.pending]) answer();
  const results = await Promise.all(runs);
  for (const [i, { outputs }] of results.entries())
    assert.equal(outputs, resultOf(input(i)).outputs);
  const { completed, failed, queued, running, bytes } = dispatcher.stats();
  assert.equal(
    { completed, failed, queued, running, bytes },
    { completed: 9, failed: 0, queued: 0, running: 0, bytes: 0 },
  );
});

test("more boards are asked for while all are busy, not while one is idle", async () => {
  const a = new FakeBoard("a", 4);
  const state = rig({}, a);
  const model = await state.dispatcher.load(EXECUTABLE);
  const before = state.wanted;
  const run = state.dispatcher.submit(model, input(1));
  await settle();
  assert.ok(state.wanted > before);
  state.dispatcher.addLink(new FakeBoard("b"));
  const then = state.wanted;
  a.pending[0]!.answer();
  await run;
  assert.is(state.wanted, then);
});

test("inputs are copied: the caller may reuse its buffers at once", async () => {
  const a = new FakeBoard("a");
  const { dispatcher } = rig({}, a);
  const model = await dispatcher.load(EXECUTABLE);
  const inputs = input(9);
  const run = dispatcher.submit(model, inputs);
  inputs[0]!.fill(0);
  await settle();
  a.pending[0]!.answer();
  assert.equal((await run).outputs, resultOf(input(9)).outputs);
});

test("back-pressure: beyond the queue and the bytes runs are refused, and ready() says when to go on", async () => {
  const a = new FakeBoard("a", 1);
  const { dispatcher } = rig({ maxQueued: 2, maxBytes: 16 * 5 }, a);
  const model = await dispatcher.load(EXECUTABLE);
  await dispatcher.ready();
  const runs = [1, 2, 3].map((i) => dispatcher.submit(model, input(i)));
  assert.is(await codeOf(dispatcher.submit(model, input(4))), "TW_IO_LIMIT");
  assert.is(dispatcher.stats().refused, 1);
  let ready = false;
  const waiting = dispatcher.ready().then(() => (ready = true));
  await settle();
  assert.not(ready);
  a.pending.shift()!.answer();
  await waiting;
  runs.push(dispatcher.submit(model, input(4)));
  a.auto = true;
  await settle();
  a.pending.shift()!.answer();
  assert.is((await Promise.all(runs)).length, 4);

  const bytes = rig({ maxBytes: 40 }, new FakeBoard("b", 4));
  const other = await bytes.dispatcher.load(EXECUTABLE);
  const held = [1, 2].map((i) => codeOf(bytes.dispatcher.submit(other, input(i))));
  assert.is(await codeOf(bytes.dispatcher.submit(other, input(3))), "TW_IO_LIMIT");
  bytes.dispatcher.close(error("TW_IO_CLOSED"));
  assert.equal(await Promise.all(held), ["TW_IO_CLOSED", "TW_IO_CLOSED"]);
});

test("idle boards are let go, the last one is not", async () => {
  const boards = ["a", "b", "c"].map((id) => new FakeBoard(id));
  const state = rig({}, ...boards);
  const model = await state.dispatcher.load(EXECUTABLE);
  const run = state.dispatcher.submit(model, input(1));
  await settle();
  await new Promise((resolve) => setTimeout(resolve, 3));
  state.dispatcher.drainIdle(1);
  const busy = boards.find(({ pending }) => pending.length > 0)!;
  assert.is(state.drained.length, 2);
  assert.not.ok(state.drained.includes(busy.board));
  busy.pending[0]!.answer();
  await run;
  await new Promise((resolve) => setTimeout(resolve, 3));
  state.dispatcher.drainIdle(1);
  assert.is(state.drained.length, 2);
  assert.is(state.dispatcher.linkStates().length, 1);
});

test("abort and time limit: in the queue, on a board, before the start", async () => {
  const a = new FakeBoard("a", 1);
  const { dispatcher } = rig({}, a);
  const model = await dispatcher.load(EXECUTABLE);
  const on = new AbortController();
  const waiting = new AbortController();
  const first = codeOf(dispatcher.submit(model, input(1), { signal: on.signal }));
  const second = codeOf(dispatcher.submit(model, input(2), { signal: waiting.signal }));
  await settle();
  waiting.abort();
  assert.is(await second, "TW_IO_ABORTED");
  assert.is(dispatcher.stats().queued, 0);
  on.abort();
  assert.is(await first, "TW_IO_ABORTED");
  assert.ok(a.pending[0]!.signal!.aborted, "the board is asked to stop");
  a.pending.shift()!.fail("TW_IO_ABORTED");
  assert.is(
    await codeOf(dispatcher.submit(model, input(3), { signal: AbortSignal.abort() })),
    "TW_IO_ABORTED",
  );
  const late = codeOf(dispatcher.submit(model, input(4), { timeoutMs: 30 }));
  await settle();
  assert.ok(a.pending[0]!.timeoutMs! <= 30, "the board gets what is left of the time");
  assert.is(await late, "TW_IO_TIMEOUT");
  a.pending.shift()!.answer();
  await settle();
  assert.is(dispatcher.stats().bytes, 0);
  assert.is(dispatcher.stats().failed, 3);
});

test("release frees the model on every board; close ends everything once", async () => {
  const [a, b] = [new FakeBoard("a", 1), new FakeBoard("b", 1)];
  const { dispatcher } = rig({}, a, b);
  const model = await dispatcher.load(EXECUTABLE);
  const runs = [1, 2, 3].map((i) => codeOf(dispatcher.submit(model, input(i))));
  await settle();
  await dispatcher.release(model);
  assert.is(a.releases, 1);
  assert.is(b.releases, 1);
  assert.is(await runs[2]!, "TW_IO_CLOSED");
  a.pending[0]!.answer();
  b.pending[0]!.fail("TW_IO_CLOSED");
  assert.equal((await Promise.all(runs.slice(0, 2))).sort(), ["TW_IO_CLOSED", "none"]);
  assert.is(await codeOf(dispatcher.submit(model, input(1))), "TW_IO_CLOSED");

  const other = await dispatcher.load(EXECUTABLE);
  const open = [1, 2, 3].map((i) => codeOf(dispatcher.submit(other, input(i))));
  await settle();
  const links = dispatcher.close(new TransportError("TW_IO_CLOSED", "closed by the test"));
  assert.is(links.length, 2);
  assert.equal(await Promise.all(open), ["TW_IO_CLOSED", "TW_IO_CLOSED", "TW_IO_CLOSED"]);
  assert.equal(dispatcher.close(error("TW_IO_CLOSED")), []);
  assert.is(await codeOf(dispatcher.load(EXECUTABLE)), "TW_IO_CLOSED");
  assert.is(await codeOf(dispatcher.ready()), "TW_IO_CLOSED");
});

test.run();
