// Until a client is welcomed it may send a hello and nothing more: whoever has no token cannot fill the board's memory.
// SPDX-License-Identifier: MIT
import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import { HELLO_BYTES, WELCOME } from "../protocol.ts";
import { WsChannel } from "./ws-channel.ts";

/** A hello with the headers of WebSocket, and control frames beside it. */
const BEFORE_WELCOME = 2 * HELLO_BYTES;

/** The agent's end of a connection from the network. `ws` alone would collect a whole large frame before anybody sees it. */
export class GuardedChannel extends WsChannel {
  private received = 0;
  private readonly count = (chunk: Buffer): void => {
    this.received += chunk.length;
    if (this.received > BEFORE_WELCOME) this.destroy();
  };

  /** @param stream what the socket reads from */
  constructor(
    socket: WebSocket,
    private readonly stream: Duplex,
    peer: string,
  ) {
    super(socket, peer);
    stream.prependListener("data", this.count);
  }

  override send(frame: Uint8Array): void {
    if (frame[0] === WELCOME.type) this.stream.off("data", this.count);
    super.send(frame);
  }
}
