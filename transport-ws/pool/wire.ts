// The messages of a virtual channel over NATS: one fixed header, then a piece of a frame (docs/pool.md, "On the wire").
// SPDX-License-Identifier: MIT
import { TransportError } from "../../core-as/errors.ts";

/** Version of header and handshake; both sides must have the same. */
export const POOL_VERSION = 1;

/** Bytes of the header in front of every message's payload. */
export const HEADER_BYTES = 16;

/** Smallest payload of a fragment that is not a frame's last: bounds the pieces of a frame. */
export const MIN_FRAGMENT = 1024;

/** Longest reason of a close message in UTF-8 bytes, as in WebSocket (RFC 6455, 5.5). */
export const MAX_REASON_BYTES = 123;

export const KIND = { data: 1, alive: 2, close: 3 } as const;
export type Kind = (typeof KIND)[keyof typeof KIND];

const FLAG_FIRST = 1;
const FLAG_LAST = 2;

// Header, little endian: u8 version, u8 kind, u8 flags, u8 zero, u32 sequence, u32 acknowledged, u32 argument.
const AT = { version: 0, kind: 1, flags: 2, zero: 3, sequence: 4, acknowledged: 8, argument: 12 };

/** One message of a channel. */
export interface Message {
  kind: Kind;
  /** data: the payload begins a frame. */
  first: boolean;
  /** data: the payload ends a frame. */
  last: boolean;
  /** Messages sent before in this direction, modulo 2^32: a gap ends the channel. */
  sequence: number;
  /** Bytes of data messages received from the other side, headers included, modulo 2^32. */
  acknowledged: number;
  /** data: bytes of the whole frame (first) or place of the payload in it; close: the close code; alive: 0. */
  argument: number;
  payload: Uint8Array;
}

/** The message's bytes; the payload is copied. */
export function encodeMessage(message: Message): Uint8Array {
  const { kind, first, last, sequence, acknowledged, argument, payload } = message;
  const bytes = new Uint8Array(HEADER_BYTES + payload.length);
  const view = new DataView(bytes.buffer);
  bytes[AT.version] = POOL_VERSION;
  bytes[AT.kind] = kind;
  bytes[AT.flags] = (first ? FLAG_FIRST : 0) | (last ? FLAG_LAST : 0);
  view.setUint32(AT.sequence, sequence, true);
  view.setUint32(AT.acknowledged, acknowledged, true);
  view.setUint32(AT.argument, argument, true);
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

export const protocolError = (text: string, byteOffset: number): TransportError =>
  new TransportError("TW_IO_PROTOCOL", `pool message: ${text} (at byte ${byteOffset})`, {
    byteOffset,
  });

/**
 * Reads a message; the payload is a view of `bytes`. What concerns the message alone is checked here, its place among the others
 * by FrameAssembler.
 * @throws TransportError TW_IO_PROTOCOL with the byte's offset; TW_IO_VERSION for another version
 */
export function decodeMessage(bytes: Uint8Array): Message {
  if (bytes.length < HEADER_BYTES)
    throw protocolError(`${bytes.length} bytes, a header has ${HEADER_BYTES}`, bytes.length);
  if (bytes[AT.version] !== POOL_VERSION)
    throw new TransportError(
      "TW_IO_VERSION",
      `pool message of version ${bytes[AT.version]}, this side speaks version ${POOL_VERSION}; use the same release on both sides`,
      { byteOffset: AT.version },
    );
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const flags = bytes[AT.flags]!;
  const message: Message = {
    kind: bytes[AT.kind] as Kind,
    first: (flags & FLAG_FIRST) !== 0,
    last: (flags & FLAG_LAST) !== 0,
    sequence: view.getUint32(AT.sequence, true),
    acknowledged: view.getUint32(AT.acknowledged, true),
    argument: view.getUint32(AT.argument, true),
    payload: bytes.subarray(HEADER_BYTES),
  };
  if (bytes[AT.zero] !== 0) throw protocolError("a reserved byte is not zero", AT.zero);
  if (flags > (FLAG_FIRST | FLAG_LAST)) throw protocolError(`unknown flags ${flags}`, AT.flags);
  if (message.kind !== KIND.data && flags !== 0)
    throw protocolError(`flags ${flags} on a message without data`, AT.flags);
  checkKind(message);
  return message;
}

function checkKind({ kind, argument, payload }: Message): void {
  switch (kind) {
    case KIND.data:
      if (payload.length === 0) throw protocolError("a data message without data", HEADER_BYTES);
      return;
    case KIND.alive:
      if (argument !== 0 || payload.length !== 0)
        throw protocolError("a message of life carries something", AT.argument);
      return;
    case KIND.close:
      if (argument < 1000 || argument > 4999)
        throw protocolError(`close code ${argument}, allowed are 1000 to 4999`, AT.argument);
      if (payload.length > MAX_REASON_BYTES)
        throw protocolError(
          `a reason of ${payload.length} bytes, allowed are ${MAX_REASON_BYTES}`,
          HEADER_BYTES,
        );
      return;
    default:
      throw protocolError(`unknown kind ${String(kind)}`, AT.kind);
  }
}

/** Puts frames together from data messages, in bounded memory: never more than what has arrived, never above the limit. */
export class FrameAssembler {
  private pieces: Uint8Array[] = [];
  private received = 0;
  private total = 0;

  /**
   * @param maxFrameBytes largest frame that is taken
   * @param maxBytes largest first frame
   */
  constructor(
    private readonly maxFrameBytes: number,
    private maxBytes = maxFrameBytes,
  ) {}

  /** Bytes held for a frame that is not complete. */
  get heldBytes(): number {
    return this.received;
  }

  /**
   * Takes the next data message.
   * @returns the frame when it is complete, in memory of its own; null before
   * @throws TransportError TW_IO_PROTOCOL; TW_IO_LIMIT for a frame above the limit, at its first message
   */
  take(message: Message): Uint8Array | null {
    const { first, last, argument, payload } = message;
    if (first !== (this.total === 0))
      throw protocolError(
        first ? "a frame begins inside another" : "a frame lacks its beginning",
        AT.flags,
      );
    if (first) this.begin(argument);
    else if (argument !== this.received)
      throw protocolError(
        `a piece for byte ${argument}, byte ${this.received} comes next`,
        AT.argument,
      );
    const rest = this.total - this.received;
    if (last ? payload.length !== rest : payload.length >= rest || payload.length < MIN_FRAGMENT)
      throw protocolError(
        `a ${last ? "last " : ""}piece of ${payload.length} bytes where ${rest} are missing`,
        HEADER_BYTES,
      );
    // Copied, because the view may belong to a larger buffer of the connection. Not with slice: a Buffer's does not copy.
    if (first && last) {
      this.drop();
      return new Uint8Array(payload);
    }
    this.pieces.push(payload);
    this.received += payload.length;
    return last ? this.finish() : null;
  }

  /** Forgets a frame that will not be completed. */
  drop(): void {
    this.pieces = [];
    this.received = 0;
    this.total = 0;
  }

  private begin(total: number): void {
    if (total === 0) throw protocolError("a frame of no bytes", AT.argument);
    if (total > this.maxBytes)
      throw new TransportError(
        "TW_IO_LIMIT",
        `a frame of ${total} bytes, this side takes up to ${this.maxBytes} now`,
        { byteOffset: AT.argument },
      );
    this.maxBytes = this.maxFrameBytes;
    this.total = total;
  }

  private finish(): Uint8Array {
    const frame = new Uint8Array(this.total);
    let at = 0;
    for (const piece of this.pieces) {
      frame.set(piece, at);
      at += piece.length;
    }
    this.drop();
    return frame;
  }
}
