// Whether the peer of a connection is still there and reads what it is sent.
// SPDX-License-Identifier: MIT
import type { FrameChannel } from "../channel.ts";
import type { AgentLimits } from "./limits.ts";

export class ConnectionHealth {
  /** Awake time since the connection began, and since its last frame. */
  private ageMs = 0;
  private silentMs = 0;
  private pinged = false;
  private sentBytes = 0;
  /** A stretch in which something always waited to be taken: its length, and what was taken before it. */
  private stretchMs = 0;
  private takenBefore = 0;

  constructor(
    private readonly limits: AgentLimits,
    private readonly channel: FrameChannel,
  ) {}

  heard(): void {
    this.silentMs = 0;
    this.pinged = false;
  }

  sent(bytes: number): void {
    this.sentBytes += bytes;
  }

  /** Counts time; returns why the peer has to be dropped, or null. */
  tick(milliseconds: number, isOpen: boolean): string | null {
    const { helloMs, idleMs } = this.limits;
    this.ageMs += milliseconds;
    this.silentMs += milliseconds;
    if (!isOpen && this.ageMs > helloMs) return `no hello within ${helloMs} ms`;
    if (this.silentMs > idleMs) return `silent for ${idleMs} ms`;
    return this.tickReader(milliseconds);
  }

  /** True once in a silence that has taken a third of the time that it may. */
  wantsPing(): boolean {
    if (this.pinged || this.silentMs < this.limits.idleMs / 3) return false;
    this.pinged = true;
    return true;
  }

  private tickReader(milliseconds: number): string | null {
    const { bufferedBytes } = this.channel;
    const taken = this.sentBytes - bufferedBytes;
    if (bufferedBytes === 0 || this.stretchMs === 0) {
      this.stretchMs = bufferedBytes === 0 ? 0 : milliseconds;
      this.takenBefore = taken;
      return null;
    }
    this.stretchMs += milliseconds;
    const { slowReaderMs, slowReaderBytes } = this.limits;
    if (this.stretchMs <= slowReaderMs) return null;
    if (taken - this.takenBefore < slowReaderBytes)
      return `it took ${taken - this.takenBefore} bytes in ${slowReaderMs} ms while ${bufferedBytes} wait`;
    this.stretchMs = 0;
    return null;
  }
}
