// A board in a pool: takes channels while it has room, says how it is, leaves without losing a run.
// SPDX-License-Identifier: MIT
import { NpuError, TransportError } from "../../core-as/errors.ts";
import { chipByIdentity, type ChipIdentity } from "../../core-as/hw/chips.ts";
import type { Evidence } from "../../core-as/runtime/transport.ts";
import type { FrameChannel } from "../channel.ts";
import type { Bus, BusMessage, BusSubscription } from "./bus.ts";
import {
  agree,
  encodeHealth,
  encodeOpenAnswer,
  MAX_PATIENCE_MS,
  parseOpenRequest,
  type BoardHealth,
  type BoardState,
  type OpenAnswer,
  type OpenRequest,
  type RefusalReason,
} from "./messages.ts";
import { NatsChannel, type Terms } from "./nats-channel.ts";
import { newToken, QUEUE, type Subjects } from "./subjects.ts";
import { POOL_VERSION } from "./wire.ts";

/** The work of a board as its health reports it. */
export type BoardLoad = Pick<
  BoardHealth,
  "queued" | "running" | "completed" | "failed" | "lastError" | "latencyMs"
>;

/** What joins a pool: an agent with what is known about its device. */
export interface PoolBoard {
  readonly name: string;
  readonly chip: ChipIdentity;
  /** "sim" or the device's path. */
  readonly device: string;
  readonly evidence: Evidence;
  /** Tilewright's version, and that of the board protocol. */
  readonly version: string;
  readonly protocol: number;
  /** How long it may be silent because it computes, in milliseconds. */
  readonly patienceMs: number;
  load(): BoardLoad;
  /** Speaks the board protocol on a channel from now on. */
  accept(channel: FrameChannel, peer: string): void;
}

export interface MemberOptions {
  /** Channels at a time. */
  maxConnections: number;
  maxFrameBytes: number;
  /** Largest first frame of a client, before it is known. */
  maxFirstFrameBytes: number;
  /** Incomplete frames of all clients together. */
  maxHeldBytes: number;
  /** What this side can; each channel gets the smaller of both sides' values. */
  terms: Terms;
  log(line: string): void;
}

/** Answers to health requests in one second: whoever asks more often does not keep the board from its work. */
const HEALTH_PER_SECOND = 100;

/** A board in a pool. */
export class PoolMember {
  /** Random, new with each joining. */
  readonly id = newToken();
  /** Resolves with a sentence when the board is no longer in the pool. */
  readonly left: Promise<string>;
  private readonly channels = new Set<NatsChannel>();
  private readonly joined = Date.now();
  private subscriptions: BusSubscription[] = [];
  private leaving: Promise<void> | null = null;
  private whenEmpty: (() => void) | null = null;
  private lastState: BoardState = "ready";
  private healthSecond = 0;
  private healthAnswers = 0;
  private resolveLeft!: (reason: string) => void;

  private constructor(
    private readonly bus: Bus,
    private readonly subjects: Subjects,
    private readonly board: PoolBoard,
    private readonly options: MemberOptions,
  ) {
    this.left = new Promise((resolve) => (this.resolveLeft = resolve));
  }

  /**
   * Joins; the bus belongs to the member from then on.
   * @throws TransportError TW_IO_AUTH when the queue server does not permit the subjects; TW_IO_CONNECT when it is lost meanwhile
   */
  static async join(
    bus: Bus,
    subjects: Subjects,
    board: PoolBoard,
    options: MemberOptions,
  ): Promise<PoolMember> {
    const member = new PoolMember(bus, subjects, board, options);
    let refusal: Error | null = null;
    const refused = (error: Error): void => void (refusal ??= error);
    const on = (subject: string, handler: (message: BusMessage) => void, queue?: string): void =>
      void member.subscriptions.push(
        bus.subscribe(subject, handler, queue === undefined ? { refused } : { queue, refused }),
      );
    on(subjects.health, (message) => member.answerHealth(message));
    on(subjects.open(board.chip), (message) => member.answerOpen(message), QUEUE);
    on(subjects.openBoard(member.id), (message) => member.answerOpen(message));
    member.subscriptions.push(bus.onState((state, reason) => member.onBusState(state, reason)));
    try {
      await bus.flush();
    } catch {
      throw new TransportError("TW_IO_CONNECT", `${bus.address} was lost while joining the pool`);
    }
    if (refusal !== null)
      throw new TransportError(
        "TW_IO_AUTH",
        `${bus.address} does not let a board join: ${(refusal as Error).message}; permit the subjects of the pool (docs/pool.md)`,
      );
    member.tellNews();
    return member;
  }

  /** Channels of clients that stand. */
  get connections(): number {
    return this.channels.size;
  }

  /** How the board is now, as its answers to clients say. */
  health(): BoardHealth {
    const { name, chip, device, evidence, version, protocol, patienceMs } = this.board;
    const { model, revision, productId, ecoId, customerId } = chip;
    return {
      id: this.id,
      name,
      chip: { model, revision, productId, ecoId, customerId },
      chipName: chipByIdentity(chip)?.name ?? null,
      device,
      evidence,
      state: this.state,
      patienceMs: Math.min(patienceMs, MAX_PATIENCE_MS),
      uptimeMs: Date.now() - this.joined,
      connections: this.channels.size,
      maxConnections: this.options.maxConnections,
      ...this.board.load(),
      version,
      protocol,
      poolProtocol: POOL_VERSION,
    };
  }

  /**
   * Leaves: no new channels, clients are told and send no new runs, what was accepted is finished, at most for `graceMs`.
   * Channels that are left then are closed, and their clients send the runs to other boards. Idempotent.
   */
  leave(graceMs = 10_000): Promise<void> {
    this.leaving ??= this.doLeave(graceMs);
    return this.leaving;
  }

  /** Bytes that incomplete frames may still take. */
  private get room(): number {
    let held = 0;
    for (const { heldBytes } of this.channels) held += heldBytes;
    return this.options.maxHeldBytes - held;
  }

  private get state(): BoardState {
    if (this.leaving !== null) return "leaving";
    return this.channels.size >= this.options.maxConnections ? "full" : "ready";
  }

  private async doLeave(graceMs: number): Promise<void> {
    // After the first await, `leaving` is set and the news says so.
    await Promise.resolve();
    this.unsubscribe();
    this.tellNews();
    if (this.channels.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, graceMs);
        this.whenEmpty = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.whenEmpty = null;
    }
    for (const channel of [...this.channels])
      channel.close({ code: 1001, reason: "the board leaves the pool" });
    await this.bus.flush().catch(() => {});
    for (const channel of [...this.channels]) channel.destroy();
    await this.bus.close();
    this.resolveLeft("the board has left the pool");
  }

  private onBusState(state: "lost" | "back" | "closed", reason: string): void {
    this.options.log(reason);
    if (state === "back") this.tellNews();
    if (state !== "closed") return;
    this.unsubscribe();
    this.resolveLeft(reason);
  }

  private unsubscribe(): void {
    for (const subscription of this.subscriptions) subscription.unsubscribe();
    this.subscriptions = [];
  }

  private tellNews(): void {
    this.lastState = this.state;
    this.bus.publish(this.subjects.news, encodeHealth(this.health()));
  }

  private answerHealth({ reply }: BusMessage): void {
    if (reply === null) return;
    const second = Math.floor(Date.now() / 1000);
    if (second !== this.healthSecond) this.healthAnswers = 0;
    this.healthSecond = second;
    if (++this.healthAnswers > HEALTH_PER_SECOND) return;
    this.bus.publish(reply, encodeHealth(this.health()));
  }

  private answerOpen({ data, reply }: BusMessage): void {
    if (reply === null) return;
    let request: OpenRequest;
    try {
      request = parseOpenRequest(data);
    } catch (error) {
      if (!(error instanceof NpuError)) throw error;
      const reason = error.code === "TW_IO_VERSION" ? "version" : "malformed";
      this.refuse(reply, reason, error.message);
      return;
    }
    if (this.state === "leaving") this.refuse(reply, "leaving", "the board is leaving the pool");
    else if (this.state === "full")
      this.refuse(
        reply,
        "full",
        `the board has ${this.channels.size} connections, its limit is ${this.options.maxConnections}`,
      );
    else if (request.have.includes(this.id))
      this.refuse(reply, "duplicate", "the client has a channel to this board or avoids it");
    else this.open(request, reply);
  }

  private refuse(reply: string, reason: RefusalReason, text: string): void {
    this.answer(reply, { ok: false, reason, text: text.slice(0, 512), board: this.health() });
  }

  private answer(reply: string, answer: OpenAnswer): void {
    this.bus.publish(reply, encodeOpenAnswer(answer));
  }

  private open(request: OpenRequest, reply: string): void {
    const { channel: token, client } = request;
    const peer = `${client || "a client"} over ${this.bus.address}`;
    const channel: NatsChannel = new NatsChannel(this.bus, {
      receiveOn: this.subjects.toBoard(token),
      sendTo: this.subjects.toClient(token),
      peer,
      maxFrameBytes: this.options.maxFrameBytes,
      maxFirstFrameBytes: this.options.maxFirstFrameBytes,
      room: () => this.room,
      ended: () => this.onEnd(channel),
    });
    this.channels.add(channel);
    const terms = agree(this.options.terms, request);
    this.answer(reply, { ok: true, terms, board: this.health() });
    channel.start(terms);
    this.board.accept(channel, peer);
    if (this.state !== this.lastState) this.tellNews();
  }

  private onEnd(channel: NatsChannel): void {
    if (!this.channels.delete(channel)) return;
    if (this.channels.size === 0) this.whenEmpty?.();
    if (this.state !== this.lastState) this.tellNews();
  }
}
