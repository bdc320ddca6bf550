// examples/05-custom-transport: its transport passes the suite that all transports pass, and what it prints is right.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { chipByName } from "../../core-as/hw/chips.ts";
import { createSimTransport } from "../../core-as/runtime/sim-transport.ts";
import type { Transport } from "../../core-as/runtime/transport.ts";
import { runExample } from "../helpers/run-example.ts";
import { transportSuite } from "../transport/cts.ts";

/** Named by a variable: the example is JavaScript, which has no declarations. */
const PATH: string = "../../examples/05-custom-transport/memo-transport.mjs";
const { MemoTransport } = (await import(PATH)) as {
  MemoTransport: new (inner: Transport, most?: number) => Transport & { hits: number };
};

const open = async () => new MemoTransport(createSimTransport(chipByName("a311d")!));

// Answers from memory are there before any abort.
transportSuite("of example 05", open, { instant: true });

test("05 answers from memory what it has seen", async () => {
  const { code, stdout, stderr } = await runExample("05-custom-transport/run.mjs");
  assert.is(code, 0, stderr);
  assert.match(
    stdout,
    /^three\.png: 3, simulated, .* ms\nseven\.png: 7, simulated, .*\nthree\.png: 3, simulated, .*\n1 from memory, 2 computed\n$/,
  );
});

test.run();
