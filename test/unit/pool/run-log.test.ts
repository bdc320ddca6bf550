// What an agent tells of its last runs.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { RunLog } from "../../../transport-ws/agent/run-log.ts";

test("percentiles are of the last 512 runs", () => {
  const log = new RunLog();
  assert.is(log.latency(), null);
  log.finished(7);
  assert.equal(log.latency(), { p50: 7, p90: 7, p99: 7, runs: 1 });
  for (let i = 100; i >= 1; i--) log.finished(i);
  for (let i = 0; i < 512; i++) log.finished(1000 + i);
  assert.equal(log.latency(), { p50: 1255, p90: 1460, p99: 1506, runs: 512 });
});

test("the last error has an age", () => {
  const log = new RunLog();
  assert.is(log.lastError(5), null);
  log.failed("TW_IO_HANG", 100);
  log.failed("TW_SIM_LIMIT", 150.4);
  assert.equal(log.lastError(200), { code: "TW_SIM_LIMIT", msAgo: 50 });
  assert.is(log.lastError(150)!.msAgo, 0);
});

test.run();
