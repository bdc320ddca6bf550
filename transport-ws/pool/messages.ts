// Handshake and health between clients and boards: small JSON texts, each checked field by field, because anybody on the queue server
// may have sent them. Unknown fields are ignored.
// SPDX-License-Identifier: MIT
import { TransportError } from "../../core-as/errors.ts";
import { chipByIdentity, type ChipIdentity } from "../../core-as/hw/chips.ts";
import type { Evidence } from "../../core-as/runtime/transport.ts";
import { printable, type Terms } from "./nats-channel.ts";
import { isToken } from "./subjects.ts";
import { POOL_VERSION } from "./wire.ts";

/** Largest text in bytes; longer ones are not parsed. */
export const MAX_TEXT_BYTES = 16 * 1024;
/** Boards that a client may say it has channels to. */
export const MAX_HAVE = 256;

/** Longest silence that a board may ask for. */
export const MAX_PATIENCE_MS = 3_600_000;

/** Smallest and largest values that are agreed on. */
export const BOUNDS = {
  windowBytes: [64 * 1024, 64 * 1024 * 1024],
  maxPayload: [4096, 64 * 1024 * 1024],
  heartbeatMs: [20, 60_000],
} as const;

/** ready: takes clients; full: has as many as it takes; leaving: finishes what it has. */
export type BoardState = "ready" | "full" | "leaving";

/** What a board says about itself. Times are durations, because clocks differ. */
export interface BoardHealth {
  /** Random, new whenever the board joins. */
  id: string;
  /** Chosen by whoever runs the board; not unique. */
  name: string;
  /** Ids of its NPU. */
  chip: ChipIdentity;
  /** Name in the chip table, null for an unknown one. */
  chipName: string | null;
  /** "sim", or the path of the device on the board. */
  device: string;
  /** What its results are worth. */
  evidence: Evidence;
  /** Whether it takes clients. */
  state: BoardState;
  /** How long it may be silent because it computes. */
  patienceMs: number;
  /** Since it joined. */
  uptimeMs: number;
  /** Channels of clients that stand. */
  connections: number;
  /** Channels of clients that it takes. */
  maxConnections: number;
  /** Runs that wait. */
  queued: number;
  /** Runs on the device. */
  running: number;
  /** Runs that ended well. */
  completed: number;
  /** Runs that ended with an error. */
  failed: number;
  /** The last error's code and its age; null when there was none. */
  lastError: { code: string; msAgo: number } | null;
  /** Time on the transport of its last runs; null before the first. */
  latencyMs: { p50: number; p90: number; p99: number; runs: number } | null;
  /** Tilewright's version on the board. */
  version: string;
  /** Version of the board protocol. */
  protocol: number;
  /** Version of the pool's protocol. */
  poolProtocol: number;
  /** Until the answer was here; only in listings. */
  roundTripMs?: number;
}

export interface OpenRequest extends Terms {
  channel: string;
  /** The client in texts for people. */
  client: string;
  /** Boards that the client has a channel to, which need not answer with another. */
  have: string[];
}

export type RefusalReason = "full" | "leaving" | "duplicate" | "version" | "malformed";

export type OpenAnswer =
  | { ok: true; terms: Terms; board: BoardHealth }
  | { ok: false; reason: RefusalReason; text: string; board: BoardHealth | null };

type Fields = Record<string, unknown>;

const bad = (text: string): TransportError =>
  new TransportError("TW_IO_PROTOCOL", `pool handshake: ${text}`);

/** @throws TransportError TW_IO_PROTOCOL when the bytes are no JSON object of a bearable size */
function parseFields(bytes: Uint8Array): Fields {
  if (bytes.length > MAX_TEXT_BYTES)
    throw bad(`${bytes.length} bytes, at most ${MAX_TEXT_BYTES} are read`);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw bad("not JSON");
  }
  return fieldsOf(value, "the message");
}

function fieldsOf(value: unknown, what: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw bad(`${what} is not an object`);
  return value as Fields;
}

function numberIn(fields: Fields, name: string, low: number, high: number): number {
  const value = fields[name];
  if (typeof value !== "number" || !(value >= low && value <= high))
    throw bad(`${name} is not a number from ${low} to ${high}`);
  return value;
}

function integerIn(fields: Fields, name: string, low: number, high: number): number {
  const value = numberIn(fields, name, low, high);
  if (!Number.isInteger(value)) throw bad(`${name} is not whole`);
  return value;
}

const count = (fields: Fields, name: string): number =>
  integerIn(fields, name, 0, Number.MAX_SAFE_INTEGER);

function textOf(fields: Fields, name: string, longest: number): string {
  const value = fields[name];
  if (typeof value !== "string" || value.length > longest)
    throw bad(`${name} is not a text of up to ${longest} characters`);
  return printable(value);
}

function oneOf<T extends string>(fields: Fields, name: string, values: readonly T[]): T {
  const value = fields[name];
  if (!values.includes(value as T)) throw bad(`${name} is not one of ${values.join(", ")}`);
  return value as T;
}

function tokenOf(fields: Fields, name: string): string {
  const value = fields[name];
  if (!isToken(value)) throw bad(`${name} is not 32 hexadecimal digits`);
  return value;
}

function termsOf(fields: Fields): Terms {
  const of = (name: keyof typeof BOUNDS): number =>
    integerIn(fields, name, BOUNDS[name][0], BOUNDS[name][1]);
  return {
    windowBytes: of("windowBytes"),
    maxPayload: of("maxPayload"),
    heartbeatMs: of("heartbeatMs"),
  };
}

/** What both sides can: the smaller of each. */
export function agree(a: Terms, b: Terms): Terms {
  return {
    windowBytes: Math.min(a.windowBytes, b.windowBytes),
    maxPayload: Math.min(a.maxPayload, b.maxPayload),
    heartbeatMs: Math.min(a.heartbeatMs, b.heartbeatMs),
  };
}

/** @throws TransportError TW_IO_VERSION with both versions */
function checkVersion(fields: Fields): void {
  if (fields["pool"] === POOL_VERSION) return;
  const theirs = typeof fields["pool"] === "number" ? fields["pool"] : "none";
  throw new TransportError(
    "TW_IO_VERSION",
    `pool protocol: this side speaks version ${POOL_VERSION}, the other side ${theirs}; use the same release on both sides`,
  );
}

const encode = (fields: object): Uint8Array =>
  new TextEncoder().encode(JSON.stringify({ pool: POOL_VERSION, ...fields }));

export const encodeOpenRequest = (request: OpenRequest): Uint8Array => encode(request);

/** @throws TransportError TW_IO_PROTOCOL, TW_IO_VERSION */
export function parseOpenRequest(bytes: Uint8Array): OpenRequest {
  const fields = parseFields(bytes);
  checkVersion(fields);
  const have = fields["have"];
  if (!Array.isArray(have) || have.length > MAX_HAVE || !have.every(isToken))
    throw bad(`have is not a list of up to ${MAX_HAVE} boards`);
  return {
    ...termsOf(fields),
    channel: tokenOf(fields, "channel"),
    client: textOf(fields, "client", 64),
    have,
  };
}

export const encodeOpenAnswer = (answer: OpenAnswer): Uint8Array => encode(answer);

/** @throws TransportError TW_IO_PROTOCOL, TW_IO_VERSION */
export function parseOpenAnswer(bytes: Uint8Array): OpenAnswer {
  const fields = parseFields(bytes);
  checkVersion(fields);
  const board = fields["board"] === null ? null : healthOf(fieldsOf(fields["board"], "board"));
  if (fields["ok"] === true) {
    if (board === null) throw bad("a board without identity");
    return { ok: true, terms: termsOf(fieldsOf(fields["terms"], "terms")), board };
  }
  if (fields["ok"] !== false) throw bad("ok is neither true nor false");
  const reason = oneOf(fields, "reason", ["full", "leaving", "duplicate", "version", "malformed"]);
  return { ok: false, reason, text: textOf(fields, "text", 512), board };
}

export const encodeHealth = (health: BoardHealth): Uint8Array => encode(health);

/** @throws TransportError TW_IO_PROTOCOL, TW_IO_VERSION */
export function parseHealth(bytes: Uint8Array): BoardHealth {
  const fields = parseFields(bytes);
  checkVersion(fields);
  return healthOf(fields);
}

function healthOf(fields: Fields): BoardHealth {
  const chip = chipOf(fieldsOf(fields["chip"], "chip"));
  return {
    id: tokenOf(fields, "id"),
    name: textOf(fields, "name", 64),
    chip,
    chipName: chipByIdentity(chip)?.name ?? null,
    device: textOf(fields, "device", 256),
    evidence: oneOf(fields, "evidence", ["simulated", "measured", "none"]),
    state: oneOf(fields, "state", ["ready", "full", "leaving"]),
    patienceMs: integerIn(fields, "patienceMs", 0, MAX_PATIENCE_MS),
    uptimeMs: count(fields, "uptimeMs"),
    connections: count(fields, "connections"),
    maxConnections: count(fields, "maxConnections"),
    queued: count(fields, "queued"),
    running: count(fields, "running"),
    completed: count(fields, "completed"),
    failed: count(fields, "failed"),
    lastError: lastErrorOf(fields["lastError"]),
    latencyMs: latencyOf(fields["latencyMs"]),
    version: textOf(fields, "version", 64),
    protocol: count(fields, "protocol"),
    poolProtocol: count(fields, "poolProtocol"),
  };
}

function chipOf(fields: Fields): ChipIdentity {
  const id = (name: keyof ChipIdentity): number => integerIn(fields, name, 0, 0xffffffff);
  return {
    model: id("model"),
    revision: id("revision"),
    productId: id("productId"),
    ecoId: id("ecoId"),
    customerId: id("customerId"),
  };
}

function lastErrorOf(value: unknown): BoardHealth["lastError"] {
  if (value === null) return null;
  const fields = fieldsOf(value, "lastError");
  return { code: textOf(fields, "code", 64), msAgo: count(fields, "msAgo") };
}

function latencyOf(value: unknown): BoardHealth["latencyMs"] {
  if (value === null) return null;
  const fields = fieldsOf(value, "latencyMs");
  const ms = (name: string): number => numberIn(fields, name, 0, Number.MAX_SAFE_INTEGER);
  return { p50: ms("p50"), p90: ms("p90"), p99: ms("p99"), runs: count(fields, "runs") };
}
