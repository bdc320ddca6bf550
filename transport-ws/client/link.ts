// One connection to a board, from hello to its end. What the frames mean is the business of others.
// SPDX-License-Identifier: MIT
import { NpuError, TransportError } from "../../core-as/errors.ts";
import type { ChannelEnd, FrameChannel } from "../channel.ts";
import { ticker, type Clock } from "../clock.ts";
import {
  decodeFailure,
  decodeFrame,
  decodeStart,
  encodeFrame,
  FAILED,
  GOODBYE,
  HELLO,
  MAGIC,
  PING,
  PONG,
  protocolError,
  VERSION_FIELDS,
  VERSIONS,
  WELCOME,
  type FrameValues,
} from "../protocol.ts";
import type { ClientSettings } from "./options.ts";

export type Welcome = FrameValues<typeof WELCOME>;

/** Why a connection ended; `error` when one of the two sides said why. */
export interface LinkEnd {
  end: ChannelEnd;
  error: NpuError | null;
}

export interface LinkHandlers {
  /** A frame that is not about the connection itself; what it throws ends the connection. */
  frame(bytes: Uint8Array): void;
  /** Called once. */
  ended(end: LinkEnd): void;
}

/** A board that is silent for this many keep-alive times counts as dead. */
const DEAD_AFTER = 3;

export class Link {
  private handlers: LinkHandlers | null = null;
  /** What came before there were handlers. */
  private early: Uint8Array[] = [];
  private finished: LinkEnd | null = null;
  private error: NpuError | null = null;
  private silentMs = 0;
  private pinged = false;
  private lastStamp = 0;
  private readonly pings = new Map<
    number,
    { start: number; resolve(ms: number): void; reject(error: Error): void }
  >();
  private readonly stopTicks: () => void;

  private constructor(
    private readonly channel: FrameChannel,
    readonly welcome: Welcome,
    private readonly settings: ClientSettings,
    private readonly clock: Clock,
  ) {
    const quiet = Math.min(settings.keepAliveMs, welcome.idleMs / DEAD_AFTER);
    this.stopTicks = ticker(clock, Math.max(1, Math.min(1000, quiet / 4)), (ms) =>
      this.tick(ms, quiet),
    );
  }

  /**
   * Says hello and waits for the welcome.
   * @param client the 16 bytes that name this client
   * @throws TransportError TW_IO_AUTH, TW_IO_VERSION, TW_IO_LIMIT, TW_IO_CONNECT, TW_IO_PROTOCOL
   */
  static greet(
    channel: FrameChannel,
    client: Uint8Array,
    settings: ClientSettings,
    clock: Clock,
    signal: AbortSignal,
  ): Promise<Link> {
    return new Promise((resolve, reject) => {
      let link: Link | null = null;
      let refusal: NpuError | null = null;
      const fail = (error: Error): void => {
        signal.removeEventListener("abort", onAbort);
        // First: a channel may report its end while it is destroyed, which is not what went wrong.
        reject(error);
        channel.destroy();
      };
      const onAbort = (): void =>
        fail(
          new TransportError(
            "TW_IO_CONNECT",
            `${channel.peer} did not welcome this client in time`,
          ),
        );
      channel.listen({
        frame(bytes) {
          if (link !== null) return link.receive(bytes);
          if (refusal !== null) return;
          try {
            if (bytes[0] === FAILED.type) {
              refusal = decodeFailure(bytes).error;
              return fail(refusal);
            }
            link = new Link(channel, readWelcome(bytes), settings, clock);
            signal.removeEventListener("abort", onAbort);
            resolve(link);
          } catch (error) {
            fail(error as Error);
          }
        },
        closed(end) {
          if (link !== null) return link.finish(end);
          const why = end.reason === "" ? "" : `, ${end.reason}`;
          fail(new TransportError("TW_IO_CONNECT", `${channel.peer} hung up (${end.code}${why})`));
        },
      });
      if (signal.aborted) return onAbort();
      signal.addEventListener("abort", onAbort);
      channel.send(
        encodeFrame(HELLO, {
          magic: MAGIC,
          minVersion: VERSIONS.min,
          maxVersion: VERSIONS.max,
          client,
          frameBytes: settings.maxFrameBytes,
          software: settings.software,
          token: settings.token,
        }),
      );
    });
  }

  /** Installs the handlers, which are told everything since the welcome. */
  listen(handlers: LinkHandlers): void {
    this.handlers = handlers;
    for (const bytes of this.early.splice(0)) this.receive(bytes);
    const end = this.finished;
    if (end !== null) queueMicrotask(() => handlers.ended(end));
  }

  send(frame: Uint8Array): void {
    if (this.finished === null) this.channel.send(frame);
  }

  /** Milliseconds of a round trip through the board's event loop. */
  ping(): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.finished !== null) return reject(lostError(this.channel.peer));
      const stamp = (this.lastStamp = (this.lastStamp % 0xffffffff) + 1);
      this.pings.set(stamp, { start: this.clock.now(), resolve, reject });
      this.send(encodeFrame(PING, { stamp }));
    });
  }

  /** Ends the connection for good, telling the board. */
  goodbye(): void {
    this.send(encodeFrame(GOODBYE, {}));
    this.channel.close({ code: 1000, reason: "goodbye" });
  }

  /** Ends it at once, e.g. when it does not end by itself. */
  destroy(error: NpuError | null = null): void {
    this.error ??= error;
    this.channel.destroy();
  }

  private receive(bytes: Uint8Array): void {
    if (this.finished !== null) return;
    this.silentMs = 0;
    this.pinged = false;
    try {
      if (bytes[0] === PING.type)
        return this.send(encodeFrame(PONG, { ...decodeFrame(PING, bytes), runs: 0, sessions: 0 }));
      if (bytes[0] === PONG.type) return this.pong(decodeFrame(PONG, bytes).stamp);
      if (bytes[0] === FAILED.type) {
        const { about, error } = decodeFailure(bytes);
        if (about === "connection") return void (this.error = error);
      }
      if (this.handlers === null) this.early.push(bytes);
      else this.handlers.frame(bytes);
    } catch (error) {
      const known = error instanceof NpuError ? error : protocolError(String(error), 0);
      this.error = new TransportError(
        "TW_IO_PROTOCOL",
        `${this.channel.peer}: ${known.message}`,
        known.where,
        known,
      );
      this.channel.close({ code: 1002, reason: "protocol" });
      this.finish({ code: 1002, reason: known.message });
    }
  }

  private pong(stamp: number): void {
    const ping = this.pings.get(stamp);
    // 0 is the stamp of keep-alives, for which nobody waits.
    if (ping === undefined && stamp !== 0) throw protocolError(`no ping had the stamp ${stamp}`, 1);
    this.pings.delete(stamp);
    ping?.resolve(this.clock.now() - ping.start);
  }

  private tick(milliseconds: number, quietMs: number): void {
    this.silentMs += milliseconds;
    const { keepAliveMs } = this.settings;
    const dead = Math.max(quietMs, keepAliveMs) * DEAD_AFTER + this.welcome.patienceMs;
    if (this.silentMs > dead)
      return this.destroy(
        new TransportError("TW_IO_TIMEOUT", `${this.channel.peer} is silent for ${dead} ms`),
      );
    if (this.silentMs < quietMs || this.pinged) return;
    this.pinged = true;
    this.send(encodeFrame(PING, { stamp: 0 }));
  }

  private finish(end: ChannelEnd): void {
    if (this.finished !== null) return;
    this.finished = { end, error: this.error };
    this.stopTicks();
    for (const { reject } of this.pings.values()) reject(lostError(this.channel.peer));
    this.pings.clear();
    this.handlers?.ended(this.finished);
  }
}

const lostError = (peer: string): TransportError =>
  new TransportError("TW_IO_LOST", `the connection to ${peer} is gone`);

/** @throws TransportError TW_IO_PROTOCOL, TW_IO_VERSION */
function readWelcome(bytes: Uint8Array): Welcome {
  const { magic, minVersion, maxVersion } = decodeStart(WELCOME, VERSION_FIELDS, bytes);
  if (magic !== MAGIC) throw protocolError("the other side is no Tilewright agent", 1);
  if (minVersion > VERSIONS.max || maxVersion < VERSIONS.min)
    throw new TransportError(
      "TW_IO_VERSION",
      `the board speaks versions ${minVersion} to ${maxVersion} of the protocol, ` +
        `this client speaks ${VERSIONS.min} to ${VERSIONS.max}; bring the older of them up to date`,
    );
  const welcome = decodeFrame(WELCOME, bytes);
  if (welcome.version < VERSIONS.min || welcome.version > VERSIONS.max)
    throw protocolError(`the board chose version ${welcome.version}`, 9);
  for (const name of ["runs", "sessions", "chunkBytes", "uploadWindow", "idleMs"] as const)
    if (welcome[name] === 0) throw protocolError(`the board grants 0 ${name}`, 0);
  return welcome;
}
