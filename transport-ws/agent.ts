// The agent: serves one transport to any number of connections, whatever carries their frames. Browser-safe, does no I/O.
// SPDX-License-Identifier: MIT
import { TransportError, type NpuError } from "../core-as/errors.ts";
import type { Evidence, Transport } from "../core-as/runtime/transport.ts";
import { createMemoryCache, type ExecutableCache } from "./agent/cache.ts";
import { ClientRecords } from "./agent/clients.ts";
import { CLOSE, shortReason } from "./agent/close-codes.ts";
import { Connection } from "./agent/connection.ts";
import type { AgentContext, BoardDescription, RunCounts } from "./agent/context.ts";
import { Library } from "./agent/library.ts";
import { Budget, Throttle, withDefaults, type AgentLimits } from "./agent/limits.ts";
import { Prover } from "./agent/prover.ts";
import { RunLog, type Latency } from "./agent/run-log.ts";
import { Scheduler } from "./agent/scheduler.ts";
import type { FrameChannel } from "./channel.ts";
import { systemClock, ticker, type Clock } from "./clock.ts";
import { encodeFailure } from "./protocol.ts";

/** How an agent serves; every member is optional. */
export interface AgentOptions {
  /** What the board is called in hello; default: the transport's `path`, or its name. */
  device?: string;
  /** What results are worth; default: "simulated" for the simulator, "none" otherwise. Each answer carries its own. */
  evidence?: Evidence;
  /** Version of the software in hello. */
  software?: string;
  /** What it gives to one connection and to all; default: DEFAULT_LIMITS. */
  limits?: Partial<AgentLimits>;
  /** Default: in memory. */
  cache?: ExecutableCache;
  /** Prove what is uploaded before the transport loads it, whatever the transport checks itself; default: true. */
  check?: boolean;
  /** Let executables pass that check whose NN and TP jobs overlap (experimental); default: false. */
  overlap?: boolean;
  /** Says whether a token may use the board; default: everyone may. Compare in constant time. */
  authenticate?: (token: string, peer: string) => boolean | Promise<boolean>;
  /** Runs that the transport is given at a time, so that a late turn of the event loop does not leave it idle; default 4. */
  concurrentRuns?: number;
  /** How long the agent may be silent because its transport computes in the event loop; default: 10 minutes for the simulator. */
  patienceMs?: number;
  /** Takes a line for people about each event; never holds a secret. */
  log?: (line: string) => void;
  /** Time source; default: the system's. For tests. */
  clock?: Clock;
}

/** What an agent has under way, and counts since its start. */
export interface AgentStats extends RunCounts {
  /** Connections that stand. */
  connections: number;
  /** Sessions of all connections. */
  sessions: number;
  /** Different executables that are loaded. */
  executables: number;
  /** Uploads that are under way. */
  uploads: number;
  /** Runs that wait for the transport. */
  waiting: number;
  /** Runs that the transport has. */
  running: number;
  /** Bytes of loaded executables with their buffers, and of uploads. */
  memory: number;
  /** Clients that are remembered. */
  clients: number;
  /** Milliseconds that the last runs took on the transport; null before the first. */
  latencyMs: Latency | null;
  /** The last error of a run; null when there was none. */
  lastError: { code: string; msAgo: number } | null;
}

const SIM_PATIENCE_MS = 600_000;
/** How often a shutdown looks whether the last answers have left. */
const DRAIN_MS = 10;
/** Fraction of the shortest time limit after which limits are looked at. */
const TICKS_PER_LIMIT = 4;

/** Serves one transport to any number of connections. */
export class Agent {
  private readonly connections = new Set<Connection>();
  private readonly context: AgentContext;
  private readonly stopTicks: () => void;
  private creditsLeft: number;
  private end: NpuError | null = null;
  private closing: Promise<void> | null = null;

  /**
   * @param transport stays the caller's, who closes it after the agent
   * @throws RangeError when a limit or concurrentRuns is out of its range
   */
  constructor(
    readonly transport: Transport,
    options: AgentOptions = {},
  ) {
    const limits = withDefaults(options.limits);
    const { concurrentRuns = 4 } = options;
    if (!Number.isInteger(concurrentRuns) || concurrentRuns < 1)
      throw new RangeError(`concurrentRuns is ${concurrentRuns}, it must be at least 1`);
    const clock = options.clock ?? systemClock;
    const log = options.log ?? ((): void => {});
    const memory = new Budget("bytes of memory to all connections", limits.memory);
    const cache = options.cache ?? createMemoryCache();
    const prover =
      options.check === false ? null : new Prover(transport.chip, options.overlap === true);
    this.creditsLeft = limits.runs;
    this.context = {
      transport,
      board: describe(transport, options),
      boot: crypto.getRandomValues(new Uint8Array(16)),
      limits,
      clock,
      scheduler: new Scheduler(clock, concurrentRuns),
      library: new Library(transport, cache, memory, limits.executables, log, prover),
      records: new ClientRecords(limits.clients, limits.clientMs),
      memory,
      throttle: new Throttle(limits.uploadBytesPerSecond),
      counts: { accepted: 0, finished: 0, failed: 0, dropped: 0 },
      runLog: new RunLog(),
      authenticate: options.authenticate ?? null,
      refusal: () => this.end,
      grantRuns: () => this.grantRuns(),
      returnRuns: (runs) => (this.creditsLeft += runs),
      load: () => this.load(),
      ended: (connection) => this.connections.delete(connection),
      log,
    };
    const shortest = Math.min(
      limits.helloMs,
      limits.idleMs,
      limits.uploadStallMs,
      limits.slowReaderMs,
    );
    this.stopTicks = ticker(clock, Math.max(1, Math.min(1000, shortest / TICKS_PER_LIMIT)), (ms) =>
      this.tick(ms),
    );
    void transport.disconnected.then(({ kind, message }) => this.transportEnded(kind, message));
  }

  /** What the agent says of its board. */
  get board(): BoardDescription {
    return this.context.board;
  }

  /** What it gives to one connection and to all. */
  get limits(): AgentLimits {
    return this.context.limits;
  }

  /**
   * Serves a channel, which belongs to the agent from here on. Its end is noticed; refusals are told to the peer.
   * @param peer the other side in logs and for `authenticate`; default: the channel's
   */
  accept(channel: FrameChannel, peer = channel.peer): void {
    const { connections: most } = this.context.limits;
    const refusal =
      this.end ??
      (this.connections.size < most
        ? null
        : new TransportError("TW_IO_LIMIT", `the board takes ${most} connections at a time`));
    if (refusal !== null) {
      channel.listen({ frame: () => {}, closed: () => {} });
      channel.send(encodeFailure("connection", 0, refusal));
      const code = this.end === null ? CLOSE.tryLater : CLOSE.goingAway;
      channel.close({ code, reason: shortReason(refusal) });
      return;
    }
    this.connections.add(new Connection(this.context, channel, peer));
  }

  /** What is under way, and counts since the start. */
  stats(): AgentStats {
    const { scheduler, library, memory, records, counts, runLog, clock } = this.context;
    let uploads = 0;
    for (const { stats } of this.connections) uploads += stats.uploads;
    return {
      ...counts,
      ...scheduler.load,
      connections: this.connections.size,
      sessions: this.load().sessions,
      uploads,
      executables: library.size,
      memory: memory.used,
      clients: records.size,
      latencyMs: runLog.latency(),
      lastError: runLog.lastError(clock.now()),
    };
  }

  /**
   * Ends in order: refuses what is new, answers the runs that it has, then closes every connection. After `graceMs` runs
   * that still wait are answered with TW_IO_CLOSED, running ones are asked to stop. The transport stays open. Idempotent.
   */
  close(graceMs = 10_000): Promise<void> {
    this.closing ??= this.shutDown(graceMs);
    return this.closing;
  }

  private async shutDown(graceMs: number): Promise<void> {
    const { clock, scheduler } = this.context;
    this.end ??= new TransportError(
      "TW_IO_CLOSED",
      "the board is shutting down; nothing new is taken",
    );
    for (const connection of this.connections) connection.announceEnd(graceMs);
    let late = false;
    const grace = new Promise<void>((resolve) => {
      const cancel = clock.after(graceMs, () => {
        late = true;
        resolve();
      });
      void scheduler.idle().then(async () => {
        while (!late && this.unsent > 0)
          await new Promise<void>((next) => clock.after(DRAIN_MS, next));
        cancel();
        resolve();
      });
    });
    await grace;
    const error = new TransportError(
      "TW_IO_CLOSED",
      "the board was shut down before the run could start",
    );
    for (const connection of [...this.connections]) {
      connection.refuseRuns(error);
      connection.close({ code: CLOSE.goingAway, reason: "the board was shut down" });
    }
    this.stopTicks();
  }

  /** Bytes that were given to channels and not taken yet: answers on their way. */
  private get unsent(): number {
    let bytes = 0;
    for (const { stats } of this.connections) bytes += stats.unsent;
    return bytes;
  }

  private load(): { runs: number; sessions: number } {
    const { waiting, running } = this.context.scheduler.load;
    let sessions = 0;
    for (const { stats } of this.connections) sessions += stats.sessions;
    return { runs: waiting + running, sessions };
  }

  /** What is lost with its device cannot serve any more. */
  private transportEnded(kind: "closed" | "lost", message: string): void {
    this.end ??= new TransportError(
      kind === "lost" ? "TW_IO_DEVICE_LOST" : "TW_IO_CLOSED",
      `the board's device is gone: ${message}`,
    );
    void this.close(0);
  }

  private tick(milliseconds: number): void {
    const { records, clock } = this.context;
    for (const connection of [...this.connections]) connection.tick(milliseconds);
    records.expire(clock.now());
  }

  /** Half of what is left, once every connection that may still come has one. */
  private grantRuns(): number {
    const { runsPerConnection, connections } = this.context.limits;
    if (this.creditsLeft === 0)
      throw new TransportError(
        "TW_IO_LIMIT",
        "other connections hold all runs that the board queues",
      );
    const spare = this.creditsLeft - (connections - this.connections.size);
    const runs = Math.max(1, Math.min(runsPerConnection, Math.floor(spare / 2)));
    this.creditsLeft -= runs;
    return runs;
  }
}

function describe(transport: Transport, options: AgentOptions): BoardDescription {
  const isSim = transport.name === "sim";
  const path = (transport as { path?: unknown }).path;
  return {
    device: options.device ?? (typeof path === "string" ? path : transport.name),
    evidence: options.evidence ?? (isSim ? "simulated" : "none"),
    software: options.software ?? "unknown",
    patienceMs: options.patienceMs ?? (isSim ? SIM_PATIENCE_MS : 0),
  };
}
