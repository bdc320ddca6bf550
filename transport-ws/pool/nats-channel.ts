// A frame channel over two NATS subjects: fragments, order, flow control, and an end when the other side is gone.
// SPDX-License-Identifier: MIT
import { NpuError, TransportError } from "../../core-as/errors.ts";
import type { ChannelEnd, FrameChannel, FrameHandlers } from "../channel.ts";
import type { Bus, BusMessage, BusSubscription } from "./bus.ts";
import {
  decodeMessage,
  encodeMessage,
  FrameAssembler,
  HEADER_BYTES,
  KIND,
  MAX_REASON_BYTES,
  protocolError,
  type Kind,
} from "./wire.ts";

export interface NatsChannelOptions {
  /** Subject that the other side publishes on. */
  receiveOn: string;
  /** Subject that the other side listens on. */
  sendTo: string;
  /** The other side in texts. */
  peer: string;
  /** Largest frame that is taken from the other side. */
  maxFrameBytes: number;
  /** Largest first frame, which comes before anybody is known. Default: as the others. */
  maxFirstFrameBytes?: number;
  /** Bytes that incomplete frames of this channel may take now; default: no bound but the largest frame. */
  room?: () => number;
  /** Called when the channel has ended. */
  ended?: () => void;
}

/** What both sides of a channel have agreed on. */
export interface Terms {
  /** Bytes on their way that the other side has not acknowledged, per direction. */
  windowBytes: number;
  /** Largest message either side may publish. */
  maxPayload: number;
  /** Interval of signs of life in milliseconds. */
  heartbeatMs: number;
}

/** Signs of life that may be missed before the other side counts as gone. */
const SILENT_BEATS = 10;
/** Largest frame that a length field holds without a doubt about its sign. */
const FRAME_MAX = 2 ** 31 - 1;
/** Beats that queued frames get to leave after `close`. */
const CLOSING_BEATS = 5;

const u32 = (value: number): number => value >>> 0;

export class NatsChannel implements FrameChannel {
  readonly peer: string;
  private readonly subscriptions: BusSubscription[];
  private readonly assembler: FrameAssembler;
  private terms: Terms | null = null;
  private fragmentBytes = 0;
  private beat: ReturnType<typeof setInterval> | undefined;
  private handlers: FrameHandlers | null = null;
  /** Frames that came before `listen`. */
  private early: Uint8Array[] = [];
  private queue: Uint8Array[] = [];
  /** Bytes of queue[0] that were sent. */
  private sentOfFirst = 0;
  private queuedBytes = 0;
  private nextOut = 0;
  private nextIn = 0;
  /** Bytes of data messages, headers included, modulo 2^32. */
  private sentBytes = 0;
  private acknowledgedBytes = 0;
  private receivedBytes = 0;
  private reportedBytes = 0;
  private silentBeats = 0;
  private silentLimit = SILENT_BEATS;
  private closingBeats = 0;
  private sentSinceBeat = false;
  private closing: ChannelEnd | null = null;
  private ended: ChannelEnd | null = null;

  /** Listens at once, so that nothing of the other side is missed; sends nothing before `start`. */
  constructor(
    private readonly bus: Bus,
    private readonly options: NatsChannelOptions,
  ) {
    this.peer = options.peer;
    const { maxFrameBytes, maxFirstFrameBytes = maxFrameBytes } = options;
    this.assembler = new FrameAssembler(maxFrameBytes, maxFirstFrameBytes);
    this.subscriptions = [
      bus.subscribe(options.receiveOn, (message) => this.receive(message), {
        refused: ({ message }) => this.end({ code: 1008, reason: message }),
      }),
      bus.onState((state, reason) => {
        // Messages may be missing on either side, and runs are redelivered anyway: a new channel is the honest way on.
        if (state !== "back") this.end({ code: 1006, reason });
      }),
    ];
  }

  /**
   * The other side listens, on these terms. Called once.
   * @param patienceMs time for which the other side may be silent beyond missed signs of life, because it computes
   */
  start(terms: Terms, patienceMs = 0): void {
    if (this.ended !== null) return;
    this.terms = terms;
    this.silentLimit = SILENT_BEATS + Math.ceil(patienceMs / terms.heartbeatMs);
    this.fragmentBytes = Math.min(terms.maxPayload, this.bus.maxPayload) - HEADER_BYTES;
    this.beat = setInterval(() => this.onBeat(), terms.heartbeatMs);
    this.pump();
  }

  /** Ends a channel that the other side does not know, without a message. */
  abandon(): void {
    this.end({ code: 1006, reason: "never opened" });
  }

  private get windowBytes(): number {
    return this.terms?.windowBytes ?? 0;
  }

  get bufferedBytes(): number {
    return this.queuedBytes;
  }

  /** Bytes of an incomplete frame and of frames that nobody took yet. */
  get heldBytes(): number {
    return this.early.reduce((sum, { length }) => sum + length, this.assembler.heldBytes);
  }

  listen(handlers: FrameHandlers): void {
    const ended = this.ended;
    this.handlers = handlers;
    // What came before an end of the other side is delivered; an end of this side by a handler stops it.
    for (const frame of this.early.splice(0)) if (this.ended === ended) handlers.frame(frame);
    if (ended !== null) this.tellEnd(handlers, ended);
  }

  send(frame: Uint8Array): void {
    if (this.ended !== null || this.closing !== null) return;
    if (frame.length === 0 || frame.length > FRAME_MAX) {
      const limit = `frames have 1 to ${FRAME_MAX} bytes`;
      this.fail({ code: 1009, reason: `a frame of ${frame.length} bytes; ${limit}` });
      return;
    }
    this.queue.push(frame);
    this.queuedBytes += frame.length;
    this.pump();
  }

  close(end: ChannelEnd): void {
    if (this.ended !== null || this.closing !== null) return;
    this.closing = end;
    this.pump();
  }

  destroy(): void {
    this.fail({ code: 1006, reason: "given up by this side" }, "given up by the other side");
  }

  /** Ends the channel and tells the other side, without waiting for what is queued. */
  private fail(end: ChannelEnd, told = end.reason): void {
    if (this.ended !== null) return;
    this.publishClose({ code: end.code, reason: told });
    this.end(end);
  }

  private end(end: ChannelEnd): void {
    if (this.ended !== null) return;
    this.ended = end;
    clearInterval(this.beat);
    for (const subscription of this.subscriptions) subscription.unsubscribe();
    this.queue = [];
    this.queuedBytes = 0;
    this.assembler.drop();
    if (this.handlers !== null) this.tellEnd(this.handlers, end);
    this.options.ended?.();
  }

  /** Never inside a call of the user, who may be in the middle of something when destroying a channel. */
  private tellEnd(handlers: FrameHandlers, end: ChannelEnd): void {
    queueMicrotask(() => handlers.closed(end));
  }

  // --- sending -------------------------------------------------------------------------------------------------------------------

  /** Sends as much as the window allows; never more than one fragment above it. */
  private pump(): void {
    if (this.terms === null) return;
    while (this.queue.length > 0 && this.inFlight < this.windowBytes) this.sendFragment();
    if (this.queue.length === 0 && this.closing !== null && this.ended === null) {
      this.publishClose(this.closing);
      this.end(this.closing);
    }
  }

  private get inFlight(): number {
    return u32(this.sentBytes - this.acknowledgedBytes);
  }

  private sendFragment(): void {
    const frame = this.queue[0]!;
    const from = this.sentOfFirst;
    const to = Math.min(frame.length, from + this.fragmentBytes);
    const last = to === frame.length;
    const payload = frame.subarray(from, to);
    // State first: publishing may fail the channel.
    this.queuedBytes -= payload.length;
    this.sentBytes = u32(this.sentBytes + payload.length + HEADER_BYTES);
    this.sentOfFirst = last ? 0 : to;
    if (last) this.queue.shift();
    this.publish(KIND.data, payload, from === 0 ? frame.length : from, from === 0, last);
  }

  private publishClose({ code, reason }: ChannelEnd): void {
    const bytes = new TextEncoder().encode(reason).subarray(0, MAX_REASON_BYTES);
    const allowed = Number.isInteger(code) && code >= 1000 && code <= 4999;
    this.publish(KIND.close, bytes, allowed ? code : 1011);
  }

  private publish(
    kind: Kind,
    payload: Uint8Array,
    argument = 0,
    first = false,
    last = false,
  ): void {
    this.reportedBytes = this.receivedBytes;
    this.sentSinceBeat = true;
    const acknowledged = this.receivedBytes;
    const sequence = this.nextOut;
    this.nextOut = u32(sequence + 1);
    const message = { kind, first, last, sequence, acknowledged, argument, payload };
    // With a reply subject the server says at once when nobody listens any more.
    this.bus.publish(this.options.sendTo, encodeMessage(message), this.options.receiveOn);
  }

  // --- receiving -----------------------------------------------------------------------------------------------------------------

  private receive({ data, nobody }: BusMessage): void {
    if (this.ended !== null) return;
    if (nobody) {
      this.end({ code: 1006, reason: `${this.peer} is gone: nobody listens on its side` });
      return;
    }
    let frame: Uint8Array | null;
    try {
      frame = this.accept(data);
    } catch (cause) {
      if (!(cause instanceof NpuError)) throw cause;
      const code = cause.code === "TW_IO_LIMIT" ? 1009 : 1002;
      this.fail({ code, reason: cause.message });
      return;
    }
    if (frame === null) return;
    if (this.handlers !== null) this.handlers.frame(frame);
    else if (this.heldBytes + frame.length <= this.options.maxFrameBytes) this.early.push(frame);
    else this.fail({ code: 1009, reason: "more frames than one before anybody reads" });
  }

  private accept(data: Uint8Array): Uint8Array | null {
    const message = decodeMessage(data);
    if (message.sequence !== this.nextIn)
      throw protocolError(`message ${message.sequence}, number ${this.nextIn} comes next`, 4);
    this.nextIn = u32(this.nextIn + 1);
    this.silentBeats = 0;
    this.acknowledge(message.acknowledged);
    // The acknowledgement may have let the last of a closing channel's frames go.
    if (this.ended !== null) return null;
    if (message.kind === KIND.close) {
      const reason = new TextDecoder().decode(message.payload);
      this.end({ code: message.argument, reason: printable(reason) });
      return null;
    }
    if (message.kind === KIND.alive) return null;
    const frame = this.assembler.take(message);
    const { room } = this.options;
    if (room !== undefined && this.assembler.heldBytes > 0 && room() < 0)
      throw new TransportError("TW_IO_LIMIT", "no memory is left for incomplete frames");
    this.receivedBytes = u32(this.receivedBytes + data.length);
    const owed = u32(this.receivedBytes - this.reportedBytes);
    if (this.terms !== null && owed >= this.windowBytes / 4) this.publish(KIND.alive, NOTHING);
    return frame;
  }

  private acknowledge(acknowledged: number): void {
    if (u32(acknowledged - this.acknowledgedBytes) > this.inFlight)
      throw protocolError(`${acknowledged} bytes acknowledged that were not sent`, 8);
    this.acknowledgedBytes = acknowledged;
    this.pump();
  }

  /** Counts beats, not time, so that a process that was busy for long does not blame the other side. */
  private onBeat(): void {
    if (this.closing !== null && ++this.closingBeats > CLOSING_BEATS) {
      this.fail({ code: 1006, reason: `${this.peer} did not take what was queued before the end` });
      return;
    }
    if (++this.silentBeats > this.silentLimit) {
      const silent = this.silentLimit * (this.terms?.heartbeatMs ?? 0);
      this.fail({ code: 1006, reason: `no sign of life of ${this.peer} for ${silent} ms` });
      return;
    }
    if (!this.sentSinceBeat || this.receivedBytes !== this.reportedBytes)
      this.publish(KIND.alive, NOTHING);
    this.sentSinceBeat = false;
  }
}

const NOTHING = new Uint8Array(0);

/** Texts of the other side may end in a terminal or a log. */
export const printable = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\ufffd]/gu, "?");
