// A socket of the `ws` package as a channel, and the opener that Node clients use.
// SPDX-License-Identifier: MIT
import { WebSocket, type RawData } from "ws";
import { TransportError } from "../../core-as/errors.ts";
import type { ChannelEnd, ChannelOpener, FrameChannel, FrameHandlers } from "../channel.ts";

/** How long a peer may take to answer a close. */
const CLOSE_MS = 2_000;

/** The same as an option of `ws`, whose types lag behind. */
export const CLOSE_OPTIONS = { closeTimeout: CLOSE_MS } as object;

const SEND_OPTIONS = { binary: true, compress: false } as const;

export class WsChannel implements FrameChannel {
  constructor(
    private readonly socket: WebSocket,
    readonly peer: string,
  ) {
    // Errors are followed by "close", which says all; without a listener they would end the process.
    socket.on("error", () => {});
  }

  get bufferedBytes(): number {
    return this.socket.bufferedAmount;
  }

  listen({ frame, closed }: FrameHandlers): void {
    const { socket } = this;
    socket.on("message", (data: RawData, isBinary: boolean) => {
      if (!isBinary) return this.close({ code: 1003, reason: "frames are binary" });
      // A plain view: methods of Buffer mean other things.
      const bytes = data as Buffer;
      frame(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    });
    const end = (code: number, reason: string): void => {
      socket.removeAllListeners("message");
      closed({ code, reason });
    };
    if (socket.readyState === WebSocket.CLOSED)
      queueMicrotask(() => end(1006, "the connection ended"));
    else socket.once("close", (code, reason) => end(code, reason.toString()));
  }

  send(frame: Uint8Array): void {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(frame, SEND_OPTIONS);
  }

  close({ code, reason }: ChannelEnd): void {
    this.socket.close(code, reason);
  }

  destroy(): void {
    this.socket.terminate();
  }
}

/** What the `ws` package may be told beside the address. */
export interface NodeChannelOptions {
  /** Certificates that are trusted instead of the system's, PEM: for boards with a certificate of their own. */
  ca?: string | Buffer;
  /** Longest time until the connection stands; default 10 s. */
  connectMs?: number;
}

/**
 * An opener for `connectBoard` in Node.
 * @throws RangeError for an empty `ca`: Node would take it for none, and trust the system's certificates
 */
export function createNodeOpener(options: NodeChannelOptions = {}): ChannelOpener {
  const { ca, connectMs = 10_000 } = options;
  if (ca?.length === 0) throw new RangeError("ca is empty; leave it out to trust the system's");
  return (url, { signal, maxFrameBytes } = {}) =>
    new Promise((resolve, reject) => {
      const { host } = new URL(url);
      const socket = new WebSocket(url, {
        perMessageDeflate: false,
        handshakeTimeout: connectMs,
        maxPayload: maxFrameBytes ?? 0,
        ...(ca === undefined ? {} : { ca }),
        ...CLOSE_OPTIONS,
      });
      const onAbort = (): void => socket.terminate();
      const settle = (action: () => void): void => {
        signal?.removeEventListener("abort", onAbort);
        socket.removeAllListeners();
        action();
      };
      const fail = (why: string, cause?: unknown): void =>
        settle(() => {
          socket.on("error", () => {});
          socket.terminate();
          reject(new TransportError("TW_IO_CONNECT", `${host} ${why}`, {}, cause));
        });
      socket.once("open", () => settle(() => resolve(new WsChannel(socket, host))));
      socket.once("unexpected-response", (_request, response) => {
        response.resume();
        fail(
          `answers ${response.statusCode} ${response.statusMessage} instead of opening a WebSocket`,
        );
      });
      socket.once("error", (error) => fail(`cannot be reached: ${error.message}`, error));
      if (signal?.aborted === true) onAbort();
      else signal?.addEventListener("abort", onAbort);
    });
}
