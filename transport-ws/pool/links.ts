// The client's connections to boards: finds boards, opens channels while they are wanted, notices when boards leave or die.
// SPDX-License-Identifier: MIT
import { TransportError, type NpuError } from "../../core-as/errors.ts";
import { chipByIdentity, type ChipIdentity } from "../../core-as/hw/chips.ts";
import type { DisconnectReason } from "../../core-as/runtime/transport.ts";
import type { FrameChannel } from "../channel.ts";
import type { BoardBook } from "./board-book.ts";
import type { Bus, BusSubscription } from "./bus.ts";
import { openChannel, type Opened } from "./handshake.ts";
import { asNpuError, type Link } from "./link-state.ts";
import { collectHealth } from "./listing.ts";
import { parseHealth, type BoardHealth } from "./messages.ts";
import type { Terms } from "./nats-channel.ts";
import type { Subjects } from "./subjects.ts";

export type LiveLink = Link & { readonly disconnected: Promise<DisconnectReason> };

export interface LinksOptions {
  bus: Bus;
  subjects: Subjects;
  chip: ChipIdentity;
  book: BoardBook;
  terms: Terms;
  client: string;
  maxFrameBytes: number;
  /** Links at a time. */
  maxLinks: number;
  /** Time for a board to answer, in milliseconds. */
  answerMs: number;
  /** Time for boards to report, in milliseconds. */
  healthMs: number;
  /** Pause between attempts that found no board, at first and at most, in milliseconds. */
  retryMs: readonly [first: number, most: number];
  /** Speaks the board protocol over a channel: hello, token, capabilities. */
  connect(channel: FrameChannel, board: BoardHealth): Promise<LiveLink>;
  added(link: LiveLink): void;
  removed(board: string, reason: string): void;
  /** The board asks for no new runs. */
  leaving(board: string): void;
  /** An attempt found no board. */
  failed(): void;
}

/** Boards that are asked one by one in an attempt before the queue group is. */
const ASKED_AT_ONCE = 4;

export class Links {
  private readonly links = new Map<string, LiveLink>();
  private readonly subscriptions: BusSubscription[];
  private attempting = false;
  private wanted = false;
  private failures = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** What went wrong in the attempt that is under way, and in the one before. */
  private problem: NpuError | null = null;
  private lastProblem: NpuError | null = null;
  private others: BoardHealth[] = [];
  private closed = false;
  private waiters: (() => void)[] = [];

  constructor(private readonly options: LinksOptions) {
    const { bus, subjects } = options;
    this.subscriptions = [
      bus.subscribe(subjects.news, ({ data }) => this.onNews(data)),
      bus.onState((state) => {
        if (state === "back") this.soon();
      }),
    ];
  }

  get size(): number {
    return this.links.size;
  }

  /** One more link would help. Cheap, may be called often: attempts follow each other with a growing pause. */
  want(): void {
    this.wanted = true;
    if (this.timer === undefined) void this.attempt();
  }

  /** Whether there are boards without a link that may be asked now. */
  get more(): boolean {
    if (this.links.size >= this.options.maxLinks) return false;
    return this.options.book.candidates(new Set(this.links.keys())).length > 0;
  }

  /** Waits for the first link. @throws NpuError why there is none after `timeoutMs` */
  async first(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (this.links.size === 0 && !this.closed && signal?.aborted !== true) {
      const left = deadline - Date.now();
      if (left <= 0 || this.problem?.code === "TW_IO_AUTH") throw this.explain();
      this.want();
      await new Promise<void>((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          signal?.removeEventListener("abort", done);
          resolve();
        };
        const timer = setTimeout(done, left);
        signal?.addEventListener("abort", done);
        this.waiters.push(done);
      });
    }
  }

  /** The dispatcher does not use the link any more because its board fails. */
  drop(link: Link): void {
    this.options.book.failed(link.board);
    this.links.delete(link.board);
    void link.close();
  }

  /** The board was drained, because it leaves or because it is not needed. */
  release(link: Link): void {
    this.links.delete(link.board);
    void link.close();
  }

  /** Why there is no board. */
  explain(): NpuError {
    const problem = this.problem ?? this.lastProblem;
    if (problem !== null) return problem;
    const { bus, chip } = this.options;
    const wanted = chipByIdentity(chip)?.name ?? "the wanted chip";
    if (!bus.connected)
      return new TransportError("TW_IO_CONNECT", `the connection to ${bus.address} is lost`);
    const others = [...new Set(this.others.map(({ chipName }) => chipName ?? "an unknown chip"))];
    const there = others.length > 0 ? `, only boards with ${others.join(", ")}` : "";
    return new TransportError(
      "TW_IO_CONNECT",
      `no board with ${wanted} answers in the pool ${bus.address}${there}; list them with: tilewright boards --pool ${bus.address}`,
    );
  }

  /** Ends all attempts; links are not closed. */
  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    for (const subscription of this.subscriptions) subscription.unsubscribe();
    this.wake();
  }

  private onNews(data: Uint8Array): void {
    let health: BoardHealth;
    try {
      health = parseHealth(data);
    } catch {
      // Anybody may publish there; what is no news is none.
      return;
    }
    this.options.book.saw(health);
    if (health.state === "leaving" && this.links.has(health.id)) this.options.leaving(health.id);
    else if (health.state === "ready" && !this.links.has(health.id)) this.soon();
  }

  /** A board may have come: the pause ends. */
  private soon(): void {
    if (this.closed) return;
    this.failures = 0;
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.wanted) void this.attempt();
  }

  private async attempt(): Promise<void> {
    if (this.attempting || this.closed || this.links.size >= this.options.maxLinks) return;
    this.attempting = true;
    this.wanted = false;
    const found = await this.findBoard();
    this.attempting = false;
    this.wake();
    if (this.closed) return;
    // From here on only what this attempt has found counts.
    this.lastProblem = null;
    this.failures = found ? 0 : this.failures + 1;
    if (found) {
      if (this.wanted) void this.attempt();
      return;
    }
    this.options.failed();
    const [first, most] = this.options.retryMs;
    this.timer = setTimeout(
      () => {
        this.timer = undefined;
        if (this.wanted) void this.attempt();
      },
      Math.min(most, first * 2 ** Math.min(this.failures - 1, 20)),
    );
  }

  private wake(): void {
    for (const waiter of this.waiters.splice(0)) waiter();
  }

  /** The first board comes from the queue group; more of them by name, where the group might answer with one we have. */
  private async findBoard(): Promise<boolean> {
    const { chip, bus } = this.options;
    if (!bus.connected) return false;
    this.lastProblem = this.problem;
    this.problem = null;
    if (this.links.size === 0 && (await this.open({ chip }))) return true;
    if (await this.openKnown()) return true;
    if (this.closed) return false;
    await this.askAll();
    if (await this.openKnown()) return true;
    return this.links.size > 0 && this.open({ chip });
  }

  private async openKnown(): Promise<boolean> {
    const boards = this.options.book.candidates(new Set(this.links.keys()));
    for (const board of boards.slice(0, ASKED_AT_ONCE))
      if (this.closed || (await this.open({ board }))) return true;
    return false;
  }

  /** Asks all boards how they are; resolves when one of them could be opened, or when all have had their time. */
  private askAll(): Promise<void> {
    const { bus, subjects, healthMs, book } = this.options;
    this.others = [];
    return new Promise((resolve) => {
      const saw = (board: BoardHealth): void => {
        book.saw(board);
        this.others.push(board);
        if (this.more) resolve();
      };
      // The rest of the answers is still noted when an attempt goes on.
      void collectHealth(bus, subjects, healthMs, saw).then(() => resolve());
    });
  }

  private async open(target: { chip: ChipIdentity } | { board: string }): Promise<boolean> {
    if (this.closed) return false;
    const { bus, subjects, book, terms, client, maxFrameBytes, answerMs } = this.options;
    const have = [...this.links.keys(), ...book.paused()];
    const timeoutMs = answerMs;
    const limits = { terms, client, maxFrameBytes, timeoutMs };
    const opened = await openChannel({ bus, subjects, target, have, ...limits });
    if (opened.kind === "open") return this.connect(opened);
    if (opened.kind === "broken") this.problem = opened.error;
    if ("board" in target) {
      if (opened.kind === "nobody") book.gone(target.board);
      else if (opened.kind === "silent" || opened.kind === "broken") book.failed(target.board);
    }
    if (opened.kind === "refused") this.noteRefusal(opened);
    return false;
  }

  private noteRefusal({ answer }: Opened & { kind: "refused" }): void {
    const { reason, text, board } = answer;
    const { book, retryMs } = this.options;
    if (board !== null) book.saw(board);
    if (reason === "full") {
      if (board !== null) book.busy(board.id, retryMs[1]);
      this.problem = new TransportError(
        "TW_IO_LIMIT",
        `the boards of ${this.options.bus.address} are full: ${text}`,
      );
    } else if (reason === "version" || reason === "malformed") {
      if (board !== null) book.failed(board.id);
      const code = reason === "version" ? "TW_IO_VERSION" : "TW_IO_PROTOCOL";
      this.problem = new TransportError(code, `board ${board?.name ?? ""} says: ${text}`);
    }
  }

  private async connect({ channel, board }: Opened & { kind: "open" }): Promise<boolean> {
    const { book, connect } = this.options;
    book.saw(board);
    let link: LiveLink;
    try {
      link = await connect(channel, board);
    } catch (error) {
      channel.destroy();
      book.failed(board.id);
      this.problem = asNpuError(error);
      return false;
    }
    if (this.closed || this.links.has(board.id)) {
      await link.close();
      return false;
    }
    this.links.set(board.id, link);
    void link.disconnected.then(({ message }) => this.onDisconnect(link, message));
    this.options.added(link);
    return true;
  }

  private onDisconnect(link: LiveLink, reason: string): void {
    if (this.links.get(link.board) !== link) return;
    this.options.book.failed(link.board);
    this.links.delete(link.board);
    this.options.removed(link.board, reason);
  }
}
