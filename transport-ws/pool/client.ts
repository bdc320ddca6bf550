// A pool of boards as one transport: finds boards, spreads runs over them, and goes on when some of them die.
// SPDX-License-Identifier: MIT
import { NpuError, TransportError, UsageError } from "../../core-as/errors.ts";
import type { Executable } from "../../core-as/executable/executable.ts";
import { CHIPS, chipByIdentity, chipByName, type ChipIdentity } from "../../core-as/hw/chips.ts";
import { throwIfAborted } from "../../core-as/runtime/abort.ts";
import { checkChip } from "../../core-as/runtime/check-chip.ts";
import type {
  DisconnectReason,
  LoadedExecutable,
  Transport,
} from "../../core-as/runtime/transport.ts";
import type { FrameChannel } from "../channel.ts";
import { connectBoard } from "../client.ts";
import { parsePoolAddress, type PoolAddress } from "./address.ts";
import { BoardBook } from "./board-book.ts";
import type { Bus } from "./bus.ts";
import { Dispatcher, type DispatcherStats } from "./dispatcher.ts";
import { Links, type LiveLink } from "./links.ts";
import { collectHealth } from "./listing.ts";
import type { BoardHealth } from "./messages.ts";
import { connectNats, type ConnectOptions } from "./nats.ts";
import { poolSettings, type PoolSettings, type PoolTuning } from "./settings.ts";
import { chipKey, subjectsOf, type Subjects } from "./subjects.ts";

export interface PoolOptions extends ConnectOptions, Partial<PoolTuning> {
  /** Name of the pool, when the address has none. Default "boards". */
  group?: string;
  /** Chip of the boards: a name of the chip table or an identity; default: that of all boards, which must be the same. */
  chip?: string | ChipIdentity;
  /** The boards' token, checked by each board. */
  token?: string;
  /** Gives up opening. */
  signal?: AbortSignal;
  /** Called while an executable is uploaded to a board; bytes that it has taken. */
  onUploadProgress?: (sent: number, total: number) => void;
}

/** What a client knows of one board that it uses. */
export interface BoardUse {
  /** The board's random id. */
  id: string;
  /** Name chosen by whoever runs the board. */
  name: string;
  /** Runs that it has now. */
  outstanding: number;
  /** Runs that it has answered. */
  answered: number;
  /** Times that it died or lost its device, as far as this client has seen. */
  failures: number;
}

/** What a client of a pool has under way, and counts since it was opened. */
export interface PoolStats extends DispatcherStats {
  /** Boards that the client has channels to. */
  boards: BoardUse[];
  /** Open subscriptions on the queue server; for leak checks. */
  subscriptions: number;
}

export interface PoolTransport extends Transport {
  /** Address of the pool, without credentials. */
  readonly url: string;
  /** Asks all boards of the pool, of other chips too, how they are. @param timeoutMs for their answers; default 500 */
  boards(timeoutMs?: number): Promise<BoardHealth[]>;
  /** Resolves when the next run would be taken: what a producer waits for. @throws TransportError TW_IO_CLOSED */
  ready(): Promise<void>;
  /** What is under way now. */
  stats(): PoolStats;
}

/**
 * Opens a pool. Runs are executed at least once and answered exactly once: a run whose board died is sent to another board, which is safe
 * because a run has no side effects.
 * @param url nats://host:4222/pool or tls://…, several servers separated by commas
 * @throws UsageError for a wrong address or an unknown chip
 * @throws TransportError TW_IO_CONNECT when the queue server or a board with the chip does not answer in time; TW_IO_AUTH, TW_IO_VERSION,
 *   TW_IO_LIMIT when all boards are full, TW_IO_ABORTED
 */
export async function openPool(url: string, options: PoolOptions = {}): Promise<PoolTransport> {
  const { signal } = options;
  throwIfAborted(signal, "opening the pool");
  const address = parsePoolAddress(url, options.group);
  const settings = poolSettings(options);
  const wanted = options.chip === undefined ? null : chipOf(options.chip);
  const bus = await connectNats(address, options);
  let pool: Pool | null = null;
  try {
    const subjects = subjectsOf(address.group);
    const chip = wanted ?? (await commonChip(bus, subjects, settings, signal));
    throwIfAborted(signal, "opening the pool");
    pool = new Pool(address, bus, subjects, chip, settings, options);
    await pool.connect(signal);
    return pool;
  } catch (error) {
    await (pool === null ? bus.close() : pool.close());
    throw error;
  }
}

/**
 * Lists the boards of a pool, by name.
 * @param options.timeoutMs for the boards' answers; default 500
 * @throws UsageError, TransportError TW_IO_CONNECT, TW_IO_AUTH
 */
export async function listPoolBoards(
  url: string,
  options: ConnectOptions & { group?: string; timeoutMs?: number } = {},
): Promise<BoardHealth[]> {
  const address = parsePoolAddress(url, options.group);
  const bus = await connectNats(address, options);
  try {
    return await collectHealth(bus, subjectsOf(address.group), options.timeoutMs ?? HEALTH_MS);
  } finally {
    await bus.close();
  }
}

const HEALTH_MS = 500;

function chipOf(chip: string | ChipIdentity): ChipIdentity {
  if (typeof chip !== "string") return chip;
  const known = chipByName(chip);
  if (known !== undefined) return known;
  const names = CHIPS.map(({ name }) => name).join(", ");
  throw new UsageError(`no chip is called ${JSON.stringify(chip)}; known are ${names}`, "chip");
}

/** The chip of all boards. @throws UsageError when there are several; TransportError TW_IO_CONNECT when no board answers */
async function commonChip(
  bus: Bus,
  subjects: Subjects,
  { boardMs, healthMs }: PoolSettings,
  signal: AbortSignal | undefined,
): Promise<ChipIdentity> {
  const deadline = Date.now() + boardMs;
  for (;;) {
    throwIfAborted(signal, "opening the pool");
    const left = deadline - Date.now();
    const asked = performance.now();
    const boards = await collectHealth(bus, subjects, Math.max(1, Math.min(healthMs, left)));
    const chips = new Map(boards.map(({ chip }) => [chipKey(chip), chip]));
    const [first] = chips.values();
    if (chips.size > 1)
      throw new UsageError(
        `the pool ${bus.address} has boards with ${[...chips.values()].map(nameOf).join(" and ")}; say which chip is wanted`,
        "chip",
      );
    if (first !== undefined) return first;
    if (left <= healthMs)
      throw new TransportError(
        "TW_IO_CONNECT",
        `no board answers in the pool ${bus.address}; start one with: tilewright serve --pool ${bus.address}`,
      );
    // The server says at once that nobody listens; then a pause.
    const pause = healthMs - (performance.now() - asked);
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, pause)));
  }
}

const nameOf = (chip: ChipIdentity): string => chipByIdentity(chip)?.name ?? "an unknown chip";

class Pool implements PoolTransport {
  readonly name = "pool";
  readonly url: string;
  readonly disconnected: Promise<DisconnectReason>;
  private readonly book: BoardBook;
  private readonly dispatcher: Dispatcher;
  private readonly links: Links;
  private settleDisconnected!: (reason: DisconnectReason) => void;
  private closing: Promise<void> | null = null;
  private readonly idleTimer: ReturnType<typeof setInterval>;

  constructor(
    private readonly address: PoolAddress,
    private readonly bus: Bus,
    private readonly subjects: Subjects,
    readonly chip: ChipIdentity,
    private readonly settings: PoolSettings,
    private readonly options: PoolOptions,
  ) {
    this.url = address.text;
    this.disconnected = new Promise((resolve) => (this.settleDisconnected = resolve));
    this.book = new BoardBook(chip, settings.backOff);
    this.dispatcher = new Dispatcher(settings.dispatch, {
      wanted: () => this.links.want(),
      answered: (board) => this.book.answered(board),
      failed: (link) => this.links.drop(link),
      drained: (link) => this.links.release(link),
      moreBoards: () => this.links.more,
      noBoard: () => this.links.explain(),
    });
    this.links = new Links({
      ...settings.links,
      bus,
      subjects,
      chip,
      book: this.book,
      client: (options.clientName ?? "tilewright").slice(0, 64),
      connect: (channel, board) => this.greet(channel, board),
      added: (link) => this.dispatcher.addLink(link),
      removed: (board, reason) => this.dispatcher.removeLink(board, reason),
      leaving: (board) => this.dispatcher.drainLink(board),
      failed: () => this.dispatcher.boardsChanged(),
    });
    bus.onState((state, reason) => {
      if (state === "closed") this.lost(reason);
    });
    this.idleTimer = setInterval(
      () => this.dispatcher.drainIdle(settings.idleMs),
      settings.idleMs / 4,
    );
  }

  async connect(signal: AbortSignal | undefined): Promise<void> {
    await this.links.first(this.settings.boardMs, signal);
    throwIfAborted(signal, "opening the pool");
  }

  async load(
    executable: Executable,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<LoadedExecutable> {
    throwIfAborted(signal, "loading");
    checkChip(executable, this.chip);
    const model = await this.dispatcher.load(executable, signal);
    return {
      submit: (inputs, options = {}) => this.dispatcher.submit(model, inputs, options),
      release: () => this.dispatcher.release(model),
    };
  }

  ready(): Promise<void> {
    return this.dispatcher.ready();
  }

  boards(timeoutMs = HEALTH_MS): Promise<BoardHealth[]> {
    return collectHealth(this.bus, this.subjects, timeoutMs);
  }

  stats(): PoolStats {
    const boards = this.dispatcher.linkStates().map(({ link, outstanding, answered }) => ({
      id: link.board,
      name: link.name,
      outstanding,
      answered,
      failures: this.book.get(link.board)?.failuresEver ?? 0,
    }));
    return { ...this.dispatcher.stats(), boards, subscriptions: this.bus.subscriptions };
  }

  close(): Promise<void> {
    this.closing ??= this.doClose();
    return this.closing;
  }

  private async doClose(): Promise<void> {
    clearInterval(this.idleTimer);
    this.links.close();
    const error = new TransportError("TW_IO_CLOSED", "the pool's transport was closed");
    await Promise.all(this.dispatcher.close(error).map((link) => link.close()));
    await this.bus.flush().catch(() => {});
    this.settleDisconnected({ kind: "closed", message: "the transport was closed" });
    await this.bus.close();
  }

  private lost(reason: string): void {
    this.settleDisconnected({ kind: "lost", message: reason });
    clearInterval(this.idleTimer);
    this.links.close();
    const error: NpuError = new TransportError("TW_IO_CONNECT", reason);
    for (const link of this.dispatcher.close(error)) void link.close();
  }

  private async greet(channel: FrameChannel, board: BoardHealth): Promise<LiveLink> {
    const { token, onUploadProgress, clientName } = this.options;
    const { links, connectMs, runsPerBoard } = this.settings;
    // For texts only: the channel is there already.
    const url = `nats://${this.address.servers[0]}/${this.address.group}/${board.id.slice(0, 8)}`;
    const transport = await connectBoard(url, {
      connectMs,
      // The channel has its own signs of life, and a run that was lost goes to another board.
      keepAliveMs: links.terms.heartbeatMs * 30,
      reconnect: { attempts: 0 },
      maxFrameBytes: links.maxFrameBytes,
      openChannel: () => Promise.resolve(channel),
      ...(token === undefined ? {} : { token }),
      ...(onUploadProgress === undefined ? {} : { onUploadProgress }),
      ...(clientName === undefined ? {} : { software: clientName }),
    });
    if (chipKey(transport.chip) !== chipKey(this.chip)) {
      await transport.close();
      throw new TransportError(
        "TW_IO_PROTOCOL",
        `board ${board.name} announced ${nameOf(board.chip)} and has ${nameOf(transport.chip)}`,
      );
    }
    return {
      board: board.id,
      name: `board ${board.name} (${board.id.slice(0, 8)})`,
      credits: Math.max(1, Math.min(runsPerBoard, transport.capabilities.limits.runs)),
      disconnected: transport.disconnected,
      load: (executable, options) => transport.load(executable, options),
      close: () => transport.close(),
    };
  }
}
