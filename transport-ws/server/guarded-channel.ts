// The board's end of a connection from the network: what `ws` alone would leave to the peer's good will.
// SPDX-License-Identifier: MIT
import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import { HELLO_BYTES, WELCOME } from "../protocol.ts";
import { WsChannel } from "./ws-channel.ts";

/** A hello with the headers of WebSocket, and control frames beside it. */
const BEFORE_WELCOME = 2 * HELLO_BYTES;

/** No pongs while more than this waits to be read. */
const PONG_BYTES = 64 * 1024;

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
    // `ws` would answer every ping by itself, also to a peer that never reads the answers.
    socket.on("ping", (data) => {
      if (socket.bufferedAmount < PONG_BYTES) socket.pong(data);
    });
    stream.prependListener("data", this.count);
  }

  override send(frame: Uint8Array): void {
    if (frame[0] === WELCOME.type) this.stream.off("data", this.count);
    super.send(frame);
  }
}
