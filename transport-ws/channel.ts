// A way to send whole frames to one peer: what the board protocol runs on (WebSocket, NATS, memory).
// SPDX-License-Identifier: MIT

/** Why a channel ended, as a WebSocket close code (RFC 6455, 7.4) and a short reason. */
export interface ChannelEnd {
  /** WebSocket close code. */
  code: number;
  /** Short text. */
  reason: string;
}

/** What a channel tells its user. */
export interface FrameHandlers {
  /** A whole frame arrived. The bytes belong to the receiver. */
  frame(bytes: Uint8Array): void;
  /** The channel ended, by either side or by a fault. Called exactly once; nothing follows. */
  closed(end: ChannelEnd): void;
}

/** A way to send whole frames to one peer. */
export interface FrameChannel {
  /** The other side in texts for people; never holds a secret. */
  readonly peer: string;
  /** Bytes given to `send` that the system has not taken yet. */
  readonly bufferedBytes: number;
  /** Installs the handlers; called once, before any frame is delivered. */
  listen(handlers: FrameHandlers): void;
  /** Queues a frame. The caller does not change the bytes afterwards. Does nothing after the end. */
  send(frame: Uint8Array): void;
  /** Ends the channel after what is queued; `closed` follows. Does nothing after the end. */
  close(end: ChannelEnd): void;
  /** Ends the channel at once, dropping what is queued, e.g. for a peer that does not read. */
  destroy(): void;
}

/**
 * Opens a channel to an address.
 * @throws TransportError TW_IO_CONNECT when the other side cannot be reached or refuses
 */
export type ChannelOpener = (
  url: string,
  options?: {
    /** Gives up when it fires. */
    signal?: AbortSignal;
    /** Largest frame that the caller takes; a larger one ends the channel. */
    maxFrameBytes?: number;
  },
) => Promise<FrameChannel>;
