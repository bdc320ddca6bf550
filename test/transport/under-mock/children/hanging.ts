// A child of mock-node.test.ts: never ends.
// SPDX-License-Identifier: MIT
import { test } from "uvu";

test("endless", async () => {
  setInterval(() => {}, 1000);
  await new Promise(() => {});
});

test.run();
