// The dispatcher with boards that fail, die, are full or refuse: who gets a run then, and that each is answered once.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
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
import { rng } from "../../helpers/prng.mjs";

test("a board dies: its runs are done by another, each answered once", async () => {
  const [a, b] = [new FakeBoard("a", 4), new FakeBoard("b", 4)];
  const { dispatcher } = rig({}, a, b);
  const model = await dispatcher.load(EXECUTABLE);
  let answers = 0;
  const runs = Array.from({ length: 8 }, (_, i) =>
    dispatcher.submit(model, input(i)).finally(() => answers++),
  );
  await settle();
  assert.is(a.pending.length, 4);
  b.auto = true;
  // Some are reported lost by their link, the others are still open when it is removed.
  a.pending[0]!.fail("TW_IO_LOST");
  await settle();
  dispatcher.removeLink("a", "the process was killed");
  for (const { answer } of b.pending) answer();
  // A dead board's late answer changes nothing.
  for (const { answer } of a.pending) answer();
  const results = await Promise.all(runs);
  for (const [i, { outputs }] of results.entries())
    assert.equal(outputs, resultOf(input(i)).outputs);
  await settle();
  assert.is(answers, 8);
  assert.is(dispatcher.stats().redelivered, 4);
  assert.is(dispatcher.stats().completed, 8);
  assert.is(b.runs, 8);
});

test("a run that kills every board is given up after a few", async () => {
  const state = rig({ maxRedeliveries: 2 });
  let killed = 0;
  for (const id of ["a", "b", "c", "d"]) {
    const board = new FakeBoard(id);
    board.load = async () => ({
      submit: async () => {
        killed++;
        setImmediate(() => state.dispatcher.removeLink(id, "it died"));
        throw error("TW_IO_LOST");
      },
      release: async () => {},
    });
    state.dispatcher.addLink(board);
  }
  const model = await state.dispatcher.load(EXECUTABLE);
  assert.is(await codeOf(state.dispatcher.submit(model, input(1))), "TW_IO_LOST");
  assert.is(killed, 3);
  assert.is(state.dispatcher.stats().redelivered, 2);
});

test("a board that dies while it is given the executable: another one loads it", async () => {
  const [a, b] = [new FakeBoard("a"), new FakeBoard("b")];
  a.loadError = error("TW_IO_LOST", "the connection ended in the middle of the upload");
  b.auto = true;
  const state = rig({}, a);
  const loading = state.dispatcher.load(EXECUTABLE);
  await settle();
  assert.equal(state.failed, ["a"]);
  state.dispatcher.addLink(b);
  const model = await loading;
  assert.equal(
    (await state.dispatcher.submit(model, input(3))).outputs,
    resultOf(input(3)).outputs,
  );
  assert.is(state.dispatcher.stats().redelivered, 1);
});

test("a lost device: the link is dropped, its other runs go elsewhere too", async () => {
  const [a, b] = [new FakeBoard("a", 4), new FakeBoard("b", 4)];
  const state = rig({}, a, b);
  const model = await state.dispatcher.load(EXECUTABLE);
  const runs = Array.from({ length: 6 }, (_, i) => state.dispatcher.submit(model, input(i)));
  await settle();
  b.auto = true;
  a.pending[1]!.fail("TW_IO_DEVICE_LOST");
  for (const { answer } of b.pending) answer();
  assert.is((await Promise.all(runs)).length, 6);
  assert.equal(state.failed, ["a"]);
});

test("a run's own error is its answer, and not tried elsewhere", async () => {
  for (const code of [
    "TW_IO_HANG",
    "TW_SIM_BAD_ADDRESS",
    "TW_CHECK_ADDRESS",
    "TW_IO_DEVICE",
  ] as const) {
    const [a, b] = [new FakeBoard("a"), new FakeBoard("b")];
    const state = rig({}, a, b);
    const model = await state.dispatcher.load(EXECUTABLE);
    const run = codeOf(state.dispatcher.submit(model, input(1)));
    await settle();
    (a.pending[0] ?? b.pending[0])!.fail(code);
    assert.is(await run, code);
    assert.is(a.runs + b.runs, 1);
    assert.is(state.dispatcher.stats().failed, 1);
  }
});

test("a full board is left alone for a moment", async () => {
  const [a, b] = [new FakeBoard("a", 1), new FakeBoard("b", 1)];
  const { dispatcher } = rig({}, a, b);
  const model = await dispatcher.load(EXECUTABLE);
  const runs = [1, 2].map((i) => dispatcher.submit(model, input(i)));
  await settle();
  a.pending.shift()!.fail("TW_IO_LIMIT");
  b.auto = true;
  b.pending.shift()!.answer();
  await Promise.all(runs);
  assert.is(b.runs, 2);
  assert.is(dispatcher.stats().redelivered, 0);
  a.auto = b.auto = true;
  // Later it is used again.
  while (a.runs === 1) await Promise.all([3, 4].map((i) => dispatcher.submit(model, input(i))));
});

test("a board that closes finishes what it has and gets nothing new", async () => {
  const [a, b] = [new FakeBoard("a", 4), new FakeBoard("b", 4)];
  const state = rig({}, a, b);
  const model = await state.dispatcher.load(EXECUTABLE);
  const runs = Array.from({ length: 4 }, (_, i) => state.dispatcher.submit(model, input(i)));
  await settle();
  state.dispatcher.drainLink("a");
  b.auto = true;
  for (const { answer } of b.pending) answer();
  await state.dispatcher.submit(model, input(7));
  assert.is(a.runs, 2);
  assert.equal(state.drained, []);
  a.pending[0]!.answer();
  // Refused because it closes: not lost, done elsewhere.
  a.pending[1]!.fail("TW_IO_CLOSED");
  await Promise.all(runs);
  await settle();
  assert.equal(state.drained, ["a"]);
  assert.is(state.dispatcher.stats().redelivered, 0);
});

test("no board: runs wait, then fail with the reason; a board in time gets them", async () => {
  const { dispatcher } = rig({ noBoardMs: 20 });
  assert.is(await codeOf(dispatcher.load(EXECUTABLE)), "TW_IO_CONNECT");
  const late = rig({ noBoardMs: 10_000 });
  const model = late.dispatcher.load(EXECUTABLE);
  await settle();
  assert.ok(late.wanted > 0);
  late.dispatcher.addLink(new FakeBoard("a"));
  await model;
});

test("what no board takes is refused at load; one that another takes is not", async () => {
  const unsupported = error("TW_UNSUP_OPERATOR", "no kernel for TOPK_V2");
  const a = new FakeBoard("a");
  a.loadError = unsupported;
  const state = rig({}, a);
  assert.is(await codeOf(state.dispatcher.load(EXECUTABLE)), "TW_UNSUP_OPERATOR");
  // Another board may be newer.
  state.more = true;
  const loading = state.dispatcher.load(EXECUTABLE);
  await settle();
  const b = new FakeBoard("b");
  b.auto = true;
  state.dispatcher.addLink(b);
  const model = await loading;
  for (let i = 0; i < 4; i++) await state.dispatcher.submit(model, input(i));
  assert.is(b.runs, 4);
  assert.is(a.runs, 0);
  // It is known by now that the board refuses this executable; another executable is tried again.
  assert.is(a.loads, 2);
});

test("2,000 runs over boards that die, refuse and come back at random: every run answered exactly once", async () => {
  const random = rng("dispatcher chaos");
  const boards = new Map<string, FakeBoard>();
  let names = 0;
  const state = rig({ maxQueued: 5000, maxRedeliveries: 1000 });
  const { dispatcher } = state;
  const addBoard = (): void => {
    const board = new FakeBoard(`b${names++}`, 1 + (random.byte() % 4));
    boards.set(board.board, board);
    dispatcher.addLink(board);
  };
  for (let i = 0; i < 5; i++) addBoard();
  const model = await dispatcher.load(EXECUTABLE);
  let answered = 0;
  const wrong: number[] = [];
  const runs = Array.from({ length: 2000 }, (_, i) =>
    dispatcher.submit(model, input(i & 255)).then(({ outputs }) => {
      answered++;
      if (outputs[0]![0] !== ((i & 255) ^ 0xff)) wrong.push(i);
    }),
  );
  const done = Promise.all(runs);
  while (answered < runs.length) {
    for (const board of boards.values())
      for (const one of board.pending.splice(0)) {
        const dice = random.byte();
        if (dice < 4) one.fail("TW_IO_LIMIT");
        else if (dice < 8) one.fail("TW_IO_DEVICE_LOST");
        else if (dice < 12) one.fail("TW_IO_LOST");
        else one.answer();
      }
    const dice = random.byte();
    if (dice < 20) {
      const [id] = boards.keys();
      dispatcher.removeLink(id!, "killed by the test");
    }
    const used = new Set(
      dispatcher
        .linkStates()
        .filter(({ leaving }) => !leaving)
        .map(({ board }) => board),
    );
    for (const id of boards.keys())
      if (!used.has(id)) {
        dispatcher.removeLink(id, "gone");
        boards.delete(id);
      }
    while (boards.size < 5) addBoard();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await done;
  assert.equal(wrong, []);
  assert.is(answered, 2000);
  const { completed, failed, redelivered, bytes, queued } = dispatcher.stats();
  assert.equal(
    { completed, failed, bytes, queued },
    { completed: 2000, failed: 0, bytes: 0, queued: 0 },
  );
  assert.ok(redelivered > 50, `${redelivered} were sent again`);
  dispatcher.close(error("TW_IO_CLOSED"));
});

test.run();
