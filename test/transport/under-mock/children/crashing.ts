// A child of mock-node.test.ts: dies in the middle.
// SPDX-License-Identifier: MIT
import { test } from "uvu";

test("good", () => {});
test("deadly", async () => {
  process.kill(process.pid, "SIGSEGV");
  await new Promise(() => {});
});

test.run();
