// Reading and writing the bytes of a frame: every read is checked against what the frame still holds.
// SPDX-License-Identifier: MIT
import { TransportError } from "../../core-as/errors.ts";

/** The other side broke the protocol at a byte of a frame. */
export function protocolError(message: string, byteOffset: number): TransportError {
  return new TransportError("TW_IO_PROTOCOL", `${message} (at byte ${byteOffset})`, { byteOffset });
}

/** Walks through a frame from its first byte. */
export class FrameReader {
  at = 0;
  readonly view: DataView;

  /** @param frame its name in error texts */
  constructor(
    readonly bytes: Uint8Array,
    readonly frame: string,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.bytes.length - this.at;
  }

  /**
   * Moves over `count` bytes and returns where they begin.
   * @throws TransportError TW_IO_PROTOCOL when the frame ends before
   */
  take(count: number, field: string): number {
    const from = this.at;
    if (count > this.bytes.length - from)
      throw protocolError(
        `frame ${this.frame} ends inside ${field}: ${count} bytes needed, ${this.left} left`,
        from,
      );
    this.at = from + count;
    return from;
  }

  /** @throws TransportError TW_IO_PROTOCOL when bytes are left */
  end(): void {
    if (this.left > 0)
      throw protocolError(`frame ${this.frame} has ${this.left} bytes behind its end`, this.at);
  }
}

/** Fills a frame of a size that is known before. */
export class FrameWriter {
  at = 0;
  readonly bytes: Uint8Array;
  readonly view: DataView;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
    this.view = new DataView(this.bytes.buffer);
  }

  /** Reserves `count` bytes and returns where they begin. */
  take(count: number): number {
    const from = this.at;
    this.at = from + count;
    return from;
  }

  copy(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.take(bytes.length));
  }
}

/** Frames up to this size share a block of memory: a buffer of its own costs more than all the rest of a small frame. */
const SMALL_BYTES = 2048;
const BLOCK_BYTES = 64 * 1024;
let block = new Uint8Array(0);
let blockAt = 0;

/** Zeroed memory for a frame. Blocks are never used twice, so that nothing can be read in them that was there before. */
export function frameBytes(size: number): Uint8Array {
  if (size > SMALL_BYTES) return new Uint8Array(size);
  if (blockAt + size > block.length) {
    block = new Uint8Array(BLOCK_BYTES);
    blockAt = 0;
  }
  const bytes = block.subarray(blockAt, blockAt + size);
  blockAt += size;
  return bytes;
}
