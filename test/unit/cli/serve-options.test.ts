// Options of serve as values.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  limitsHelp,
  parseDevice,
  parseLimit,
  parseListen,
  parseCacheSize,
} from "../../../cli/serve-options.ts";
import { UsageError } from "../../../core-as/errors.ts";
import { DEFAULT_LIMITS } from "../../../transport-ws/agent/limits.ts";

function refuses(read: () => unknown, what: string): void {
  assert.throws(read, (error: unknown) => error instanceof UsageError, what);
}

test("addresses to listen on", () => {
  assert.equal(parseListen("127.0.0.1:80"), { host: "127.0.0.1", port: 80 });
  assert.equal(parseListen("board.example:0"), { host: "board.example", port: 0 });
  assert.equal(parseListen("[::1]:9370"), { host: "::1", port: 9370 });
  assert.equal(parseListen("65535"), { host: "127.0.0.1", port: 65535 });
  const wrong = ["", ":1", "::1:9370", "host", "host:", "host:x", "host:65536", "a b:1", "[x]:1"];
  for (const text of [...wrong, "host:-1", "host:1e3", "ws://host:1"])
    refuses(() => parseListen(text), text);
});

test("devices", () => {
  assert.equal(parseDevice("sim"), { kind: "sim" });
  assert.equal(parseDevice("drm"), { kind: "drm", path: undefined });
  for (const text of ["/dev/dri/renderD128", "drm:/dev/dri/renderD128"])
    assert.equal(parseDevice(text), { kind: "drm", path: "/dev/dri/renderD128" });
  for (const text of ["", "drm:", "renderD128", "replay:x", "ws://x"])
    refuses(() => parseDevice(text), text);
});

test("sizes", () => {
  assert.is(parseCacheSize("0"), 0);
  assert.is(parseCacheSize("12KiB"), 12 * 1024);
  assert.is(parseCacheSize("3 GiB"), 3 * 2 ** 30);
  for (const text of ["", "-1", "1.5MiB", "1MB", "0x10", "1e3", "9999999999999999"])
    assert.throws(() => parseCacheSize(text), /--cache-size: .* is no size/);
});

test("limits add up, and only those that exist are taken", () => {
  const limits = parseLimit("memory=1GiB", parseLimit("connections=8"));
  assert.equal(limits, { connections: 8, memory: 2 ** 30 });
  for (const text of ["", "connections", "connections=", "moon=1", "toString=1", "memory=much"])
    refuses(() => parseLimit(text), text);
  assert.throws(() => parseLimit("memory=much"), /--limit memory: "much" is no size/);
  for (const name of Object.keys(DEFAULT_LIMITS)) assert.match(limitsHelp(), `  ${name}=`);
});

test.run();
