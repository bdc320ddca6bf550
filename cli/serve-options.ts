// Options of tilewright serve as values.
// SPDX-License-Identifier: MIT
import { UsageError } from "../core-as/errors.ts";
import { DEFAULT_LIMITS, type AgentLimits } from "../transport-ws/agent/limits.ts";
import type { Place } from "./on.ts";

export interface ListenAddress {
  /** Without brackets. */
  host: string;
  /** 0 = any free one. */
  port: number;
}

/** Port of an agent that is not told another one. */
const DEFAULT_PORT = 9370;
export const DEFAULT_LISTEN: ListenAddress = { host: "127.0.0.1", port: DEFAULT_PORT };

/**
 * Reads HOST:PORT, [IPv6]:PORT or a port of this machine alone.
 * @throws UsageError for anything else
 */
export function parseListen(text: string): ListenAddress {
  const [, bracketed, plain, digits = ""] =
    /^(?:(?:\[([\da-fA-F:.]+)\]|([^:[\]/\s]+)):)?(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === "" || port > 65535)
    throw new UsageError(
      `--listen ${JSON.stringify(text)} is not like 127.0.0.1:${DEFAULT_PORT}, [::1]:${DEFAULT_PORT} or ${DEFAULT_PORT}; ` +
        "port 0 takes any free one",
      "listen",
    );
  return { host: bracketed ?? plain ?? DEFAULT_LISTEN.host, port };
}

export function listenText({ host, port }: ListenAddress): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** What an agent serves. */
export type ServedDevice = Extract<Place, { kind: "sim" | "null" | "drm" }>;

/** @throws UsageError naming what can be served */
export function parseDevice(text: string): ServedDevice {
  if (text === "sim" || text === "null") return { kind: text };
  if (text === "drm") return { kind: "drm", path: undefined };
  const path = text.replace(/^drm:/, "");
  if (path.startsWith("/")) return { kind: "drm", path };
  throw new UsageError(
    `--device ${JSON.stringify(text)} is none of sim, drm, /dev/dri/renderD128 and null`,
    "device",
  );
}

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
};

/**
 * Bytes: a whole number, perhaps with KiB, MiB or GiB behind it.
 * @param option with its dashes, and perhaps the name of a limit
 * @throws UsageError naming the option
 */
function sizeOf(text: string, option: string): number {
  const [, digits = "", unit = ""] = /^(\d{1,15}) ?([KMG]iB)?$/.exec(text) ?? [];
  if (digits !== "") return Number(digits) * UNITS[unit]!;
  throw new UsageError(
    `${option}: ${JSON.stringify(text)} is no size; sizes are like 4096, 512KiB, 64MiB`,
    option.replace(/^--(\S+).*/, "$1"),
  );
}

export const parseCacheSize = (text: string): number => sizeOf(text, "--cache-size");

/**
 * Adds NAME=VALUE to limits that were given before.
 * @throws UsageError naming all limits
 */
export function parseLimit(text: string, before: Partial<AgentLimits> = {}): Partial<AgentLimits> {
  const [, name = "", value = ""] = /^(\w+)=(.+)$/.exec(text) ?? [];
  if (!Object.hasOwn(DEFAULT_LIMITS, name))
    throw new UsageError(
      `--limit ${JSON.stringify(text)} is not like connections=8; limits are ${Object.keys(DEFAULT_LIMITS).join(", ")}`,
      "limit",
    );
  return { ...before, [name]: sizeOf(value, `--limit ${name}`) };
}

/** Every limit with its default, for --help. */
export function limitsHelp(): string {
  const lines = Object.entries(DEFAULT_LIMITS).map(
    ([name, value]) => `  ${name}=${sizeText(value)}`,
  );
  return [
    "",
    "Limits and their defaults (bytes, or milliseconds where the name ends in Ms):",
    ...lines,
  ].join("\n");
}

function sizeText(value: number): string {
  for (const unit of ["GiB", "MiB", "KiB"])
    if (value >= UNITS[unit]! && value % UNITS[unit]! === 0)
      return `${value / UNITS[unit]!}${unit}`;
  return String(value);
}
