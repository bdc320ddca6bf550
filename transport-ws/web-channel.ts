// The WebSocket of browsers (and of runtimes that have it as a global) as a channel.
// SPDX-License-Identifier: MIT
import { TransportError } from "../core-as/errors.ts";
import type { ChannelEnd, ChannelOpener, FrameChannel, FrameHandlers } from "./channel.ts";

/** Scripts may close with 1000 and 3000 to 4999 only. */
const closeCode = (code: number): number => (code === 1000 ? code : 3000 + code);

class WebChannel implements FrameChannel {
  constructor(
    private readonly socket: WebSocket,
    readonly peer: string,
  ) {}

  get bufferedBytes(): number {
    return this.socket.bufferedAmount;
  }

  listen({ frame, closed }: FrameHandlers): void {
    const { socket } = this;
    socket.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (data instanceof ArrayBuffer) frame(new Uint8Array(data));
      else this.close({ code: 1003, reason: "frames are binary" });
    };
    const end = ({ code, reason }: ChannelEnd): void => {
      socket.onmessage = null;
      socket.onclose = null;
      closed({ code, reason });
    };
    // It may have ended between opening and listening.
    if (socket.readyState === WebSocket.CLOSED)
      queueMicrotask(() => end({ code: 1006, reason: "the connection ended" }));
    else socket.onclose = ({ code, reason }) => end({ code, reason });
  }

  send(frame: Uint8Array): void {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(frame as BufferSource);
  }

  close({ code, reason }: ChannelEnd): void {
    this.socket.close(closeCode(code), reason);
  }

  /** Browsers cannot drop a connection: it is closed, and nothing of it is delivered any more. */
  destroy(): void {
    const { onclose } = this.socket;
    this.socket.onmessage = null;
    this.socket.close();
    // A dead peer never answers the close.
    onclose?.call(this.socket, new CloseEvent("close", { code: 1006, reason: "dropped" }));
  }
}

/** Opens a channel with the global WebSocket. */
export const openWebChannel: ChannelOpener = (url, { signal } = {}) => {
  if (typeof WebSocket !== "function")
    return Promise.reject(
      new TransportError(
        "TW_IO_CONNECT",
        "there is no global WebSocket here; in Node import connectBoard from tilewright/ws/server, or give openChannel",
      ),
    );
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    const { host } = new URL(url);
    const settle = (action: () => void): void => {
      socket.onopen = socket.onclose = null;
      signal?.removeEventListener("abort", onAbort);
      action();
    };
    const fail = (message: string, cause?: unknown): void =>
      settle(() => reject(new TransportError("TW_IO_CONNECT", message, {}, cause)));
    const onAbort = (): void => {
      socket.close();
      fail(`connecting to ${host} was given up`, signal?.reason);
    };
    socket.onopen = () => settle(() => resolve(new WebChannel(socket, host)));
    // Browsers tell scripts no reason.
    socket.onclose = ({ code }) => fail(`${host} cannot be reached or refuses (${code})`);
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener("abort", onAbort);
  });
};
