// The null transport answers zeros, at once or on a timing.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { NpuError } from "../../core-as/errors.ts";
import { createNullTransport } from "../../core-as/runtime/null-transport.ts";
import { CHIP, inputOf, TINY } from "../helpers/board.ts";
import { transportSuite } from "./cts.ts";

transportSuite("null", async () => createNullTransport(CHIP), { computes: false });
transportSuite("null, timed", async () => createNullTransport(CHIP, { runMs: 1 }), {
  computes: false,
});

const test = suite("null transport's timing");

test("runs take turns, in the order in which they came", async () => {
  const loaded = await createNullTransport(CHIP, { runMs: 2 }).load(TINY);
  const order: number[] = [];
  await Promise.all(
    [0, 1, 2, 3].map((run) => loaded.submit(inputOf(run)).then(() => order.push(run))),
  );
  assert.equal(order, [0, 1, 2, 3]);
});

test("a time limit and an abort end the wait", async () => {
  const loaded = await createNullTransport(CHIP, { runMs: 200 }).load(TINY);
  const controller = new AbortController();
  const codes = [
    loaded.submit(inputOf(0), { timeoutMs: 1 }),
    loaded.submit(inputOf(1), { signal: controller.signal }),
  ].map((run) =>
    run.then(
      () => "answered",
      (error: NpuError) => error.code,
    ),
  );
  controller.abort();
  assert.equal(await Promise.all(codes), ["TW_IO_TIMEOUT", "TW_IO_ABORTED"]);
});

test("times that are none are refused", () => {
  for (const runMs of [-1, NaN, Infinity])
    assert.throws(() => createNullTransport(CHIP, { runMs }), RangeError);
});

test.run();
