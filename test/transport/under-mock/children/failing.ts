// A child of mock-node.test.ts: one test passes, two fail.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";

test("good", () => {});
test("bad", () => assert.unreachable("the reason of the first"));
test("worse", () => assert.unreachable("the reason of the second"));

test.run();
