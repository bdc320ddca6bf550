// One upload: pieces in order into memory that was granted before, with a window that a rate may hold back.
// SPDX-License-Identifier: MIT
import { TransportError } from "../../core-as/errors.ts";
import type { Clock } from "../clock.ts";
import { protocolError } from "../protocol.ts";
import type { Throttle } from "./limits.ts";

/** Largest piece, and bytes that a client may be ahead. */
export const CHUNK_BYTES = 64 * 1024;
export const UPLOAD_WINDOW = 8 * CHUNK_BYTES;

export class Upload {
  private readonly bytes: Uint8Array;
  private received = 0;
  private granted = 0;
  private silentMs = 0;
  private readonly timers = new Set<() => void>();
  private resolve!: (bytes: Uint8Array) => void;
  private reject!: (error: Error) => void;
  readonly done: Promise<Uint8Array>;

  /** @param progress tells the client up to where its bytes were taken */
  constructor(
    size: number,
    private readonly clock: Clock,
    private readonly throttles: readonly Throttle[],
    private readonly progress: (received: number) => void,
  ) {
    this.bytes = new Uint8Array(size);
    this.done = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  /** @throws TransportError TW_IO_PROTOCOL, TW_IO_LIMIT when the piece is none that may come now */
  add(chunk: Uint8Array): void {
    const { bytes, received } = this;
    if (chunk.length === 0 || chunk.length > CHUNK_BYTES)
      throw protocolError(
        `a piece of ${chunk.length} bytes was uploaded, 1 to ${CHUNK_BYTES} are allowed`,
        0,
      );
    if (chunk.length > bytes.length - received)
      throw protocolError(
        `${received + chunk.length} bytes were uploaded, ${bytes.length} announced`,
        0,
      );
    if (received + chunk.length > this.granted + UPLOAD_WINDOW)
      throw new TransportError(
        "TW_IO_LIMIT",
        `an upload is ${received + chunk.length - this.granted} bytes ahead, at most ${UPLOAD_WINDOW} are allowed`,
      );
    bytes.set(chunk, received);
    this.received += chunk.length;
    this.silentMs = 0;
    this.grantLater(this.received, chunk.length);
    if (this.received === bytes.length) this.resolve(bytes);
  }

  /** Counts the time in which nothing came though it could have. */
  wait(milliseconds: number): number {
    if (this.received === this.granted) this.silentMs += milliseconds;
    return this.silentMs;
  }

  stop(error: Error): void {
    for (const cancel of this.timers) cancel();
    this.timers.clear();
    this.reject(error);
  }

  private grantLater(upTo: number, bytes: number): void {
    const now = this.clock.now();
    const delay = Math.max(...this.throttles.map((throttle) => throttle.delay(bytes, now)));
    const grant = (): void => {
      this.granted = upTo;
      this.progress(upTo);
    };
    if (delay <= 0) return grant();
    const cancel = this.clock.after(delay, () => {
      this.timers.delete(cancel);
      grant();
    });
    this.timers.add(cancel);
  }
}
