// The dispatcher against boards that obey, fail, die, are full or refuse: who gets a run, and that each is answered once.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { NpuError, TransportError, type ErrorCode } from "../../../core-as/errors.ts";
import type { SubmitResult } from "../../../core-as/runtime/transport.ts";
import {
  Dispatcher,
  type DispatcherEvents,
  type DispatcherLimits,
} from "../../../transport-ws/pool/dispatcher.ts";
import type { Link } from "../../../transport-ws/pool/link-state.ts";
import { rng } from "../../helpers/prng.mjs";
import { tinyExecutable } from "../../helpers/tiny-executable.ts";

const EXECUTABLE = tinyExecutable();
const LIMITS: DispatcherLimits = {
  maxQueued: 64,
  maxBytes: 1 << 20,
  maxRedeliveries: 3,
  noBoardMs: 10_000,
  fullPauseMs: 5,
};

const input = (value: number): Uint8Array[] => [new Uint8Array(16).fill(value)];
const resultOf = (inputs: readonly Uint8Array[]): SubmitResult => ({
  outputs: [inputs[0]!.map((byte) => byte ^ 0xff)],
  evidence: "none",
  timings: [],
});
const error = (code: ErrorCode, text = "a test's error"): NpuError => new NpuError(text, { code });

interface Pending {
  inputs: readonly Uint8Array[];
  signal: AbortSignal | undefined;
  timeoutMs: number | undefined;
  answer(): void;
  fail(code: ErrorCode): void;
}

/** A board that answers when the test says so. */
class FakeBoard implements Link {
  readonly name: string;
  pending: Pending[] = [];
  loads = 0;
  releases = 0;
  runs = 0;
  loadError: NpuError | null = null;
  /** Answers by itself. */
  auto = false;

  constructor(
    readonly board: string,
    readonly credits = 2,
  ) {
    this.name = `board ${board}`;
  }

  async load(): ReturnType<Link["load"]> {
    this.loads++;
    if (this.loadError !== null) throw this.loadError;
    return {
      submit: (inputs, { signal, timeoutMs } = {}) => {
        this.runs++;
        return new Promise<SubmitResult>((resolve, reject) => {
          const one: Pending = {
            inputs,
            signal,
            timeoutMs,
            answer: () => resolve(resultOf(inputs)),
            fail: (code) => reject(error(code)),
          };
          if (this.auto) setImmediate(one.answer);
          else this.pending.push(one);
        });
      },
      release: async () => void this.releases++,
    };
  }

  async close(): Promise<void> {}
}

interface Rig {
  dispatcher: Dispatcher;
  wanted: number;
  failed: string[];
  drained: string[];
  answered: string[];
  more: boolean;
}

function rig(limits: Partial<DispatcherLimits> = {}, ...boards: FakeBoard[]): Rig {
  const state = { wanted: 0, failed: [], drained: [], answered: [], more: false } as unknown as Rig;
  const events: DispatcherEvents = {
    wanted: () => void state.wanted++,
    answered: (board) => void state.answered.push(board),
    failed: ({ board }) => void state.failed.push(board),
    drained: ({ board }) => void state.drained.push(board),
    moreBoards: () => state.more,
    noBoard: () => error("TW_IO_CONNECT", "no board answers"),
  };
  state.dispatcher = new Dispatcher({ ...LIMITS, ...limits }, events);
  for (const board of boards) state.dispatcher.addLink(board);
  return state;
}

const settle = async (): Promise<void> => {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
};

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (cause) {
    assert.instance(cause, NpuError, String(cause));
    return (cause as NpuError).code;
  }
  return "none";
}

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
