// Addresses, subjects, handshake and health texts: what fits, what is refused, and 20,000 damaged ones.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { NpuError } from "../../../core-as/errors.ts";
import { CHIPS, chipByName } from "../../../core-as/hw/chips.ts";
import { parsePoolAddress } from "../../../transport-ws/pool/address.ts";
import {
  agree,
  encodeHealth,
  encodeOpenAnswer,
  encodeOpenRequest,
  MAX_TEXT_BYTES,
  parseHealth,
  parseOpenAnswer,
  parseOpenRequest,
  type BoardHealth,
  type OpenRequest,
} from "../../../transport-ws/pool/messages.ts";
import { chipKey, isToken, newToken, subjectsOf } from "../../../transport-ws/pool/subjects.ts";
import { rng } from "../../helpers/prng.mjs";

const { model, revision, productId, ecoId, customerId } = chipByName("a311d")!;

const HEALTH: BoardHealth = {
  id: "0123456789abcdef0123456789abcdef",
  name: "kitchen",
  chip: { model, revision, productId, ecoId, customerId },
  chipName: "a311d",
  device: "sim",
  evidence: "simulated",
  state: "ready",
  patienceMs: 0,
  uptimeMs: 12,
  connections: 1,
  maxConnections: 16,
  queued: 2,
  running: 1,
  completed: 99,
  failed: 3,
  lastError: { code: "TW_IO_HANG", msAgo: 1234 },
  latencyMs: { p50: 1.5, p90: 2, p99: 40.25, runs: 99 },
  version: "0.1.0",
  protocol: 1,
  poolProtocol: 1,
};

const TERMS = { windowBytes: 1 << 20, maxPayload: 1 << 20, heartbeatMs: 2000 };
const REQUEST: OpenRequest = {
  channel: newToken(),
  client: "a test",
  have: [newToken()],
  ...TERMS,
};

function codeOf(body: () => unknown): string {
  try {
    body();
    return "none";
  } catch (error) {
    assert.instance(error, NpuError, String(error));
    return (error as NpuError).code;
  }
}

const text = (value: object): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

test("messages survive encoding; unknown fields are ignored", () => {
  assert.equal(parseHealth(encodeHealth(HEALTH)), HEALTH);
  const fresh = { ...HEALTH, lastError: null, latencyMs: null };
  assert.equal(parseHealth(text({ ...fresh, pool: 1, temperature: 50 })), fresh);
  assert.equal(parseOpenRequest(encodeOpenRequest(REQUEST)), REQUEST);
  const yes = { ok: true, terms: TERMS, board: HEALTH } as const;
  assert.equal(parseOpenAnswer(encodeOpenAnswer(yes)), yes);
  const no = { ok: false, reason: "full", text: "no room", board: HEALTH } as const;
  assert.equal(parseOpenAnswer(encodeOpenAnswer(no)), no);
  const smaller = { windowBytes: 1 << 16, maxPayload: 1 << 21, heartbeatMs: 50 };
  assert.equal(agree(TERMS, smaller), {
    windowBytes: 1 << 16,
    maxPayload: 1 << 20,
    heartbeatMs: 50,
  });
});

test("control characters in texts of others do not reach a terminal", () => {
  const health = parseHealth(encodeHealth({ ...HEALTH, name: "\u001b[31mred\u202e" }));
  assert.is(health.name, "?[31mred?");
});

test("every field is checked", () => {
  const wrong: [string, unknown][] = [
    ["id", "short"],
    ["id", HEALTH.id.toUpperCase()],
    ["name", 5],
    ["name", "n".repeat(65)],
    ["chip", null],
    ["chip", { ...HEALTH.chip, model: -1 }],
    ["chip", { ...HEALTH.chip, model: 1.5 }],
    ["chip", { ...HEALTH.chip, revision: 2 ** 32 }],
    ["device", "d".repeat(257)],
    ["evidence", "certain"],
    ["state", "asleep"],
    ["uptimeMs", -1],
    ["uptimeMs", 1e300],
    ["queued", "1"],
    ["lastError", []],
    ["lastError", { code: "TW_IO_HANG" }],
    ["latencyMs", { p50: 1, p90: 2, runs: 3 }],
    ["latencyMs", { p50: 1, p90: 2, p99: null, runs: 3 }],
    ["version", {}],
  ];
  for (const [field, value] of wrong)
    assert.is(
      codeOf(() => parseHealth(text({ ...HEALTH, pool: 1, [field]: value }))),
      "TW_IO_PROTOCOL",
      `${field} = ${JSON.stringify(value)}`,
    );
  for (const [field, value] of [
    ["channel", "a.b"],
    ["channel", ">"],
    ["windowBytes", 1],
    ["windowBytes", 2 ** 40],
    ["maxPayload", 100],
    ["heartbeatMs", 0],
    ["heartbeatMs", 1e9],
    ["client", null],
    ["have", "none"],
    ["have", ["x"]],
    ["have", Array<string>(257).fill(HEALTH.id)],
  ] as const)
    assert.is(
      codeOf(() => parseOpenRequest(text({ ...REQUEST, pool: 1, [field]: value }))),
      "TW_IO_PROTOCOL",
      field,
    );
});

test("another version says what both sides speak", () => {
  for (const parse of [parseHealth, parseOpenRequest, parseOpenAnswer])
    try {
      parse(text({ ...HEALTH, pool: 2 }));
      assert.unreachable();
    } catch (error) {
      assert.is((error as NpuError).code, "TW_IO_VERSION");
      assert.match((error as NpuError).message, "version 1, the other side 2");
    }
});

test("large texts are not parsed", () => {
  const bytes = text({ pool: 1, padding: "x".repeat(MAX_TEXT_BYTES) });
  assert.is(
    codeOf(() => parseHealth(bytes)),
    "TW_IO_PROTOCOL",
  );
});

test("20,000 damaged messages: an error with a code, or a message whose fields are in their ranges", () => {
  const random = rng("pool texts");
  const originals = [
    encodeHealth(HEALTH),
    encodeOpenRequest(REQUEST),
    encodeOpenAnswer({ ok: true, terms: TERMS, board: HEALTH }),
  ];
  let refused = 0;
  for (let i = 0; i < 20_000; i++) {
    const bytes = originals[i % 3]!.slice();
    const at = (random.byte() | (random.byte() << 8)) % bytes.length;
    const damaged = random.byte() % 4 === 0 ? bytes.subarray(0, at) : bytes;
    if (damaged === bytes) bytes[at] = random.byte();
    const parse = [parseHealth, parseOpenRequest, parseOpenAnswer][i % 3]!;
    const code = codeOf(() => {
      const message = parse(damaged);
      if ("id" in message) assert.ok(isToken(message.id) && message.name.length <= 64);
      if ("channel" in message) assert.ok(isToken(message.channel));
    });
    assert.ok(["none", "TW_IO_PROTOCOL", "TW_IO_VERSION"].includes(code), code);
    if (code !== "none") refused++;
  }
  assert.ok(refused > 10_000, `${refused} were refused`);
});

test("addresses: servers, pool and encryption", () => {
  assert.equal(parsePoolAddress("nats://queue"), {
    servers: ["queue:4222"],
    tls: false,
    group: "boards",
    text: "nats://queue:4222/boards",
  });
  assert.equal(parsePoolAddress("tls://a:1/kitchen, tls://[::1]:2"), {
    servers: ["a:1", "[::1]:2"],
    tls: true,
    group: "kitchen",
    text: "tls://a:1,[::1]:2/kitchen",
  });
  assert.is(parsePoolAddress("nats://a/one", "one").group, "one");
  assert.is(parsePoolAddress("nats://a", "one").group, "one");
  for (const bad of [
    "",
    "queue",
    "http://queue",
    "nats://",
    "nats://a/one,nats://b/two",
    "nats://a,tls://b",
    "nats://a/one/two",
    "nats://a/x.y",
    "nats://a/>",
    "nats://a?x=1",
    "nats://a/#x",
    `nats://a/${"n".repeat(65)}`,
    Array<string>(33).fill("nats://a").join(","),
  ])
    assert.is(
      codeOf(() => parsePoolAddress(bad)),
      "TW_USAGE",
      bad,
    );
  assert.is(
    codeOf(() => parsePoolAddress("nats://a/one", "two")),
    "TW_USAGE",
  );
});

test("credentials in an address are refused and not repeated", () => {
  for (const address of ["nats://user:s3cret@queue", "nats://s3cret@queue", "nats://s3cret@:x:/"])
    try {
      parsePoolAddress(address);
      assert.unreachable();
    } catch (error) {
      assert.is((error as NpuError).code, "TW_USAGE");
      assert.not.match((error as NpuError).message, "s3cret");
    }
});

test("subjects: one root per pool; chips that take the same executables share a subject", () => {
  const subjects = subjectsOf("kitchen");
  const chip = chipByName("a311d")!;
  const all = [
    subjects.health,
    subjects.news,
    subjects.open(chip),
    subjects.openBoard(newToken()),
    subjects.toBoard(newToken()),
    subjects.toClient(newToken()),
    subjects.inbox,
  ];
  assert.is(new Set(all).size, all.length);
  for (const subject of all) assert.match(subject, /^tilewright\.kitchen\.[a-z0-9.-]+$/);
  assert.is(chipKey(chip), chipKey({ ...chip, revision: chip.revision | 5 }));
  const keys = new Set(CHIPS.map(chipKey));
  assert.ok(keys.size > 5);
  assert.not.equal(chipKey(chip), chipKey(chipByName("imx8mp")!));
  assert.ok(isToken(newToken()) && newToken() !== newToken());
});

test.run();
