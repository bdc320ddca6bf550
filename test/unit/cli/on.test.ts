// Words of --on.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { parseAddress, parsePlace } from "../../../cli/on.ts";
import { UsageError } from "../../../core-as/errors.ts";

test("every form is read", () => {
  assert.equal(parsePlace("sim"), { kind: "sim" });
  assert.equal(parsePlace("null"), { kind: "null" });
  assert.equal(parsePlace("drm"), { kind: "drm", path: undefined });
  assert.equal(parsePlace("drm:/dev/dri/renderD129"), {
    kind: "drm",
    path: "/dev/dri/renderD129",
  });
  assert.equal(parsePlace("replay:a:b c.twr"), { kind: "replay", file: "a:b c.twr" });
  for (const url of ["ws://board:9370", "wss://[::1]:443/npu"])
    assert.equal(parsePlace(url), { kind: "board", url });
  for (const url of ["nats://queue:4222/boards", "nats://a:1,nats://b:2", "tls://queue:4222"])
    assert.equal(parsePlace(url), { kind: "pool", url });
});

test("other words are refused, secrets in them are not repeated", () => {
  const wrong = ["", "SIM", "sim:", "drm:", "drm:dri", "replay:", "http://board", "ws:", "ws://"];
  const secrets = [
    "ws://:hunter2@board",
    "wss://board/?hunter2",
    "ws://board#hunter2",
    "nats://a,nats://hunter2@b",
    "ws://hunter2:x:y",
    "ftp://hunter2",
  ];
  for (const text of [...wrong, ...secrets])
    try {
      parsePlace(text);
      assert.unreachable(text);
    } catch (error) {
      assert.instance(error, UsageError, text);
      assert.not.match((error as Error).message, "hunter2");
    }
});

test("addresses are boards and pools only", () => {
  assert.equal(parseAddress("ws://board:1"), { kind: "board", url: "ws://board:1" });
  assert.equal(parseAddress("nats://queue"), { kind: "pool", url: "nats://queue" });
  for (const text of ["sim", "drm", "board:9370", "replay:x", "ws://u:p@board"])
    assert.throws(
      () => parseAddress(text),
      (error: unknown) => error instanceof UsageError,
    );
});

test.run();
