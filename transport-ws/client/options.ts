// What a caller may set when connecting to a board, with the defaults, and what addresses are taken.
// SPDX-License-Identifier: MIT
import { TransportError } from "../../core-as/errors.ts";
import type { ChannelOpener } from "../channel.ts";
import type { Clock } from "../clock.ts";

/** How a lost connection is opened again: waits double from `baseMs` to `maxMs`, each shortened by a random part of up to a half. */
export interface ReconnectOptions {
  /** Attempts in a row before giving up; 0 = never connect again. */
  attempts: number;
  /** First wait in milliseconds. */
  baseMs: number;
  /** Longest wait in milliseconds. */
  maxMs: number;
}

/** How a board is reached; every member is optional. */
export interface ConnectOptions {
  /** Sent in the first frame; never part of the address. */
  token?: string;
  /** Takes a token over an unencrypted connection to another machine. Default: refused. */
  allowPlaintextToken?: boolean;
  /** Gives up connecting. */
  signal?: AbortSignal;
  /** How a lost connection is opened again; default: 10 attempts, 250 ms to 10 s apart. */
  reconnect?: Partial<ReconnectOptions>;
  /** Longest time to connect and be welcomed; default 30 s. */
  connectMs?: number;
  /** A board that is silent for this long is pinged, for three times that it counts as dead; default 15 s. */
  keepAliveMs?: number;
  /** Called while an executable is uploaded; bytes that the board has taken. */
  onUploadProgress?: (sent: number, total: number) => void;
  /** Runs that wait here when the board's credits are used up; more are refused. Default 4096. */
  maxWaitingRuns?: number;
  /** Bytes of those runs; default 256 MiB. */
  maxWaitingBytes?: number;
  /** Largest frame that is taken from the board; default 64 MiB. */
  maxFrameBytes?: number;
  /** What carries the frames; default: the global WebSocket, in Node the `ws` package. */
  openChannel?: ChannelOpener;
  /** This software in the board's texts. */
  software?: string;
  /** Time source; default: the system's. For tests. */
  clock?: Clock;
}

export interface ClientSettings {
  token: string;
  reconnect: ReconnectOptions;
  connectMs: number;
  keepAliveMs: number;
  onUploadProgress: (sent: number, total: number) => void;
  maxWaitingRuns: number;
  maxWaitingBytes: number;
  maxFrameBytes: number;
  software: string;
}

const RECONNECT: ReconnectOptions = { attempts: 10, baseMs: 250, maxMs: 10_000 };

/** @throws RangeError when a number is out of its range */
export function settingsOf(options: ConnectOptions): ClientSettings {
  const settings = {
    token: options.token ?? "",
    reconnect: { ...RECONNECT, ...options.reconnect },
    connectMs: options.connectMs ?? 30_000,
    keepAliveMs: options.keepAliveMs ?? 15_000,
    onUploadProgress: options.onUploadProgress ?? ((): void => {}),
    maxWaitingRuns: options.maxWaitingRuns ?? 4096,
    maxWaitingBytes: options.maxWaitingBytes ?? 256 * 2 ** 20,
    maxFrameBytes: options.maxFrameBytes ?? 64 * 2 ** 20,
    software: options.software ?? "tilewright",
  };
  const { connectMs, keepAliveMs, maxFrameBytes, reconnect } = settings;
  atLeast({ connectMs, keepAliveMs, baseMs: reconnect.baseMs, maxMs: reconnect.maxMs }, 1);
  atLeast({ maxFrameBytes }, 8192);
  atLeast({ attempts: reconnect.attempts }, 0);
  return settings;
}

function atLeast(values: Record<string, number>, least: number): void {
  for (const [name, value] of Object.entries(values))
    if (!(value >= least))
      throw new RangeError(`${name} is ${value}, it must be at least ${least}`);
}

const LOOPBACK = /^(localhost|127(\.\d+){3}|::1|\[::1\])$/;

/** Whether a host name means this machine and nothing else; IPv6 with brackets or without. */
export const isLoopback = (hostname: string): boolean => LOOPBACK.test(hostname);

/**
 * Checks an address before anything is sent to it.
 * @throws TransportError TW_IO_CONNECT for what is no ws:// or wss:// address, TW_IO_AUTH for secrets that would be readable
 */
export function checkUrl(url: string, options: ConnectOptions): void {
  // The text itself may hold a secret and is not repeated.
  const parsed = URL.canParse(url) ? new URL(url) : null;
  const isWebSocket = parsed?.protocol === "ws:" || parsed?.protocol === "wss:";
  if (parsed === null || (!isWebSocket && options.openChannel === undefined))
    throw new TransportError(
      "TW_IO_CONNECT",
      "the board's address is no ws://host:port or wss://host:port",
    );
  if (!isWebSocket) return;
  if (parsed.username !== "" || parsed.password !== "" || parsed.searchParams.has("token"))
    throw new TransportError(
      "TW_IO_AUTH",
      "a token does not belong into an address, where logs and process lists show it; give it as the option `token`",
    );
  const isOpen = parsed.protocol === "ws:" && !isLoopback(parsed.hostname);
  if (isOpen && (options.token ?? "") !== "" && options.allowPlaintextToken !== true)
    throw new TransportError(
      "TW_IO_AUTH",
      `ws://${parsed.host} would carry the token readable through the network; use wss:// ` +
        "(the board's --tls-cert and --tls-key), or allow it with allowPlaintextToken",
    );
}
