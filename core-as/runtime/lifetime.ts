// Open until closed: what every transport does the same way.
// SPDX-License-Identifier: MIT
import { TransportError, type NpuError } from "../errors.ts";
import type { DisconnectReason } from "./transport.ts";

export class Lifetime {
  /** Resolves when the transport ends, with the reason. */
  readonly disconnected: Promise<DisconnectReason>;
  private disconnect!: (reason: DisconnectReason) => void;
  private closed = false;
  private lostBy: NpuError | null = null;

  /** @param what the transport in error texts, e.g. "the simulator" */
  constructor(private readonly what: string) {
    this.disconnected = new Promise((resolve) => (this.disconnect = resolve));
  }

  /** @throws TransportError TW_IO_CLOSED after `close`, and what `lose` was called with after that */
  check(): void {
    if (this.closed) throw new TransportError("TW_IO_CLOSED", `${this.what} is closed`);
    if (this.lostBy !== null) throw this.lostBy;
  }

  /** Ends it because what is behind it went away: every later `check` throws the error, until it is closed. */
  lose(error: NpuError): void {
    if (this.closed || this.lostBy !== null) return;
    this.lostBy = error;
    this.disconnect({ kind: "lost", message: error.message });
  }

  /** Ends it; further calls do nothing. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.disconnect({ kind: "closed", message: "the transport was closed" });
  }
}
