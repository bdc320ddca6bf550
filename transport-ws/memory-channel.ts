// Two ends of a channel inside one process: an agent and its client without a network, e.g. in one page, and in tests.
// SPDX-License-Identifier: MIT
import type { ChannelEnd, FrameChannel, FrameHandlers } from "./channel.ts";

const GONE: ChannelEnd = { code: 1006, reason: "the channel was destroyed" };

type Delivery = { frame: Uint8Array } | { end: ChannelEnd };

class MemoryEnd implements FrameChannel {
  other!: MemoryEnd;
  private handlers: FrameHandlers | null = null;
  private inbox: Delivery[] = [];
  private scheduled = false;
  private ended = false;
  private waiting = 0;

  constructor(readonly peer: string) {}

  get bufferedBytes(): number {
    return this.other.waiting;
  }

  listen(handlers: FrameHandlers): void {
    this.handlers = handlers;
    this.wake();
  }

  send(frame: Uint8Array): void {
    if (!this.ended) this.other.receive({ frame });
  }

  close(end: ChannelEnd): void {
    if (this.ended) return;
    this.other.receive({ end });
    this.finish(end);
  }

  destroy(): void {
    if (this.ended) return;
    this.other.drop();
    this.other.receive({ end: GONE });
    this.finish(GONE);
  }

  private receive(delivery: Delivery): void {
    if (this.ended) return;
    this.inbox.push(delivery);
    if ("frame" in delivery) this.waiting += delivery.frame.length;
    this.wake();
  }

  private drop(): void {
    this.inbox = [];
    this.waiting = 0;
  }

  private wake(): void {
    if (this.handlers === null || this.scheduled || this.inbox.length === 0) return;
    this.scheduled = true;
    queueMicrotask(() => {
      this.scheduled = false;
      const delivery = this.inbox.shift();
      if (delivery === undefined || this.ended) return;
      if ("end" in delivery) return this.finish(delivery.end);
      this.waiting -= delivery.frame.length;
      this.handlers!.frame(delivery.frame);
      this.wake();
    });
  }

  /** The own `closed` follows like everything else: not before the caller is done. */
  private finish(end: ChannelEnd): void {
    this.ended = true;
    this.drop();
    queueMicrotask(() => this.handlers?.closed(end));
  }
}

/** Both ends of a new channel; what one sends the other receives, in order, not before the sender is done. */
export function createMemoryChannel(
  names: [string, string] = ["agent", "client"],
): [FrameChannel, FrameChannel] {
  const ends = [new MemoryEnd(names[0]), new MemoryEnd(names[1])] as const;
  ends[0].other = ends[1];
  ends[1].other = ends[0];
  return [ends[0], ends[1]];
}
