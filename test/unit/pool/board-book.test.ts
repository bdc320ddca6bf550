// What a client remembers of boards: who is asked first, and who is left alone for how long.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { chipByName } from "../../../core-as/hw/chips.ts";
import { BoardBook } from "../../../transport-ws/pool/board-book.ts";
import type { BoardHealth } from "../../../transport-ws/pool/messages.ts";

const CHIP = chipByName("a311d")!;
const NONE = new Set<string>();

const health = (id: string, more: Partial<BoardHealth> = {}): BoardHealth => ({
  id,
  name: id,
  chip: CHIP,
  chipName: "a311d",
  device: "sim",
  evidence: "simulated",
  state: "ready",
  patienceMs: 0,
  uptimeMs: 0,
  connections: 0,
  maxConnections: 8,
  queued: 0,
  running: 0,
  completed: 0,
  failed: 0,
  lastError: null,
  latencyMs: null,
  version: "0",
  protocol: 1,
  poolProtocol: 1,
  ...more,
});

function book(chip: typeof CHIP | null = CHIP): { book: BoardBook; pass(ms: number): void } {
  let now = 1000;
  const made = new BoardBook(
    chip,
    { firstMs: 100, maxMs: 1000 },
    () => now,
    () => 0.5,
  );
  return { book: made, pass: (ms) => (now += ms) };
}

test("the least loaded first; without those that are full, linked, leaving or of another chip", () => {
  const { book: boards } = book();
  boards.saw(health("busy", { queued: 3, running: 1 }));
  boards.saw(health("idle"));
  boards.saw(health("full", { state: "full" }));
  boards.saw(health("linked"));
  boards.saw(health("gone"));
  boards.saw(health("gone", { state: "leaving" }));
  boards.saw(health("other", { chip: chipByName("imx8mp")! }));
  assert.equal(boards.candidates(new Set(["linked"])), ["idle", "busy"]);
  boards.saw(health("busy"));
  boards.saw(health("idle", { running: 1 }));
  boards.gone("linked");
  assert.equal(boards.candidates(NONE), ["busy", "idle"]);
  const any = book(null).book;
  any.saw(health("other", { chip: chipByName("imx8mp")! }));
  assert.equal(any.candidates(NONE), ["other"]);
});

test("the pause doubles with each failure up to a limit, and an answered run ends it", () => {
  const { book: boards, pass } = book();
  boards.saw(health("a"));
  const pauses: number[] = [];
  for (let i = 0; i < 6; i++) {
    boards.failed("a");
    let waited = 0;
    while (boards.candidates(NONE).length === 0) {
      assert.equal(boards.paused(), ["a"]);
      pass(50);
      waited += 50;
    }
    pauses.push(waited);
  }
  assert.equal(pauses, [100, 200, 400, 800, 1000, 1000]);
  boards.answered("a");
  boards.failed("a");
  pass(100);
  assert.equal(boards.candidates(NONE), ["a"]);
  assert.is(boards.get("a")!.failuresEver, 7);
  boards.busy("a", 300);
  assert.is(boards.get("a")!.failures, 1);
  assert.equal(boards.candidates(NONE), []);
  pass(300);
  assert.equal(boards.candidates(NONE), ["a"]);
  boards.busy("a", 300);
  boards.saw(health("a", { state: "full" }));
  assert.equal(boards.candidates(NONE), []);
  boards.saw(health("a"));
  assert.equal(boards.candidates(NONE), ["a"], "it says that it has room again");
});

test("only so many boards are remembered", () => {
  const { book: boards } = book();
  for (let i = 0; i < 3000; i++) boards.saw(health(`b${i}`));
  assert.is(boards.all().length, 1024);
  assert.ok(boards.get("b2999"));
  for (const unknown of ["x", "y"]) {
    boards.failed(unknown);
    boards.answered(unknown);
    boards.busy(unknown, 5);
  }
  assert.is(boards.all().length, 1024);
});

test.run();
