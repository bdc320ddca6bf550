// When several threads are used: as long as they help, and tried again after a rest.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Worth } from "../../../core-as/runtime/threads/worth.ts";

/** Runs and returns how many of them were together. */
function runs(worth: Worth, count: number, aloneMs: number, togetherMs: number): number {
  let together = 0;
  for (let i = 0; i < count; i++) {
    if (worth.together) together++;
    worth.note(worth.together ? togetherMs : aloneMs);
  }
  return together;
}

test("stays together while that is faster", () => {
  const worth = new Worth();
  assert.is(runs(worth, 200, 24, 14), 199);
});

test("rests longer and longer while it is slower", () => {
  const worth = new Worth();
  const shares = [100, 100, 200, 400, 800].map((count) => runs(worth, count, 24, 40) / count);
  assert.ok(shares[0]! < 0.6, `${shares}`);
  assert.ok(shares.at(-1)! < 0.05, `${shares}`);
});

test("gives up sooner what is hopeless", () => {
  const [slow, hopeless] = [new Worth(), new Worth()];
  assert.ok(runs(hopeless, 30, 24, 100) < runs(slow, 30, 24, 30));
});

test("comes back when it helps again, and some slow runs at the start do not count", () => {
  const worth = new Worth();
  runs(worth, 100, 24, 50);
  assert.ok(runs(worth, 400, 24, 14) > 300);
  const fresh = new Worth();
  runs(fresh, 6, 24, 55);
  assert.is(runs(fresh, 100, 24, 14), 100);
});

test.run();
