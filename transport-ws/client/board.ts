// A board as a transport: one client over any number of connections, which it opens again by itself.
// SPDX-License-Identifier: MIT
import { CoreBugError, NpuError, TransportError } from "../../core-as/errors.ts";
import type { Executable } from "../../core-as/executable/executable.ts";
import { throwIfAborted, withLimits } from "../../core-as/runtime/abort.ts";
import { checkChip } from "../../core-as/runtime/check-chip.ts";
import { checkInputs } from "../../core-as/runtime/tensor-info.ts";
import type {
  DisconnectReason,
  LoadedExecutable,
  SubmitOptions,
  SubmitResult,
  Transport,
} from "../../core-as/runtime/transport.ts";
import type { ChannelOpener } from "../channel.ts";
import type { Clock } from "../clock.ts";
import {
  decodeFailure,
  decodeFrame,
  FAILED,
  MAX_RESUMED,
  PROFILED,
  protocolError,
  RESULT,
  RESUMED,
  SHUTDOWN,
} from "../protocol.ts";
import type { BoardClientStats, BoardTransport } from "./board-transport.ts";
import { readPlain, readProfiled } from "./answers.ts";
import { capabilitiesOf, type BoardCapabilities } from "./capabilities.ts";
import { Link, type LinkEnd } from "./link.ts";
import { Loads } from "./loads.ts";
import type { ClientSettings } from "./options.ts";
import { Backoff, isFinal } from "./reconnect.ts";
import { resume, type RunState } from "./resume.ts";
import { Runs } from "./runs.ts";
import { BoardSession, digestOf } from "./sessions.ts";

/** How long `close` waits for the board to answer. */
const CLOSE_MS = 2_000;

/** One connection with what belongs to it. */
export interface Connection {
  readonly link: Link;
  readonly loads: Loads;
  readonly since: number;
  /** Takes the answer to resume, while one is expected. */
  onResumed: ((states: RunState[]) => void) | null;
  /** Resolves when it has ended. */
  readonly gone: Promise<void>;
}

export class Board implements BoardTransport {
  readonly name = "ws";
  readonly disconnected: Promise<DisconnectReason>;
  capabilities!: BoardCapabilities;
  private settleDisconnected!: (reason: DisconnectReason) => void;
  private readonly client = crypto.getRandomValues(new Uint8Array(16));
  private readonly runs: Runs;
  private readonly sessions = new Set<BoardSession>();
  private current: Connection | null = null;
  /** While a connection is opened again: resolves when it stands, or when that was given up. */
  private reconnecting: Promise<void> | null = null;
  private reconnects = 0;
  private shuttingDown = false;
  /** Why nothing works any more. */
  private ending: NpuError | null = null;
  private closing: Promise<void> | null = null;
  private readonly stop = new AbortController();
  private readonly backoff: Backoff;

  constructor(
    readonly url: string,
    private readonly openChannel: ChannelOpener,
    private readonly settings: ClientSettings,
    private readonly clock: Clock,
  ) {
    this.runs = new Runs(clock, settings);
    this.backoff = new Backoff(settings.reconnect, clock);
    this.disconnected = new Promise((resolve) => (this.settleDisconnected = resolve));
  }

  get chip(): Transport["chip"] {
    return this.capabilities.chip;
  }

  stats(): BoardClientStats {
    return {
      ...this.runs.counts,
      sessions: this.sessions.size,
      connected: this.current !== null,
      reconnects: this.reconnects,
    };
  }

  /** The first connection; one attempt. @throws TransportError */
  async connect(signal: AbortSignal | null): Promise<void> {
    const { link } = this.use(await this.openLink(signal));
    this.capabilities = capabilitiesOf(link.welcome);
    this.start(link);
  }

  async ping(): Promise<number> {
    return (await this.connected()).link.ping();
  }

  async load(
    executable: Executable,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<LoadedExecutable> {
    throwIfAborted(signal, "loading");
    this.check();
    checkChip(executable, this.chip);
    return withLimits(this.loadNow(executable, signal ?? null), { signal }, "loading");
  }

  close(): Promise<void> {
    this.closing ??= this.closeNow();
    return this.closing;
  }

  private async loadNow(
    executable: Executable,
    signal: AbortSignal | null,
  ): Promise<LoadedExecutable> {
    const bytes = new BoardSession(executable, new Uint8Array(32), 0).bytes();
    const session = new BoardSession(executable, await digestOf(bytes), bytes.length);
    for (;;) {
      const { loads } = await this.connected();
      throwIfAborted(signal ?? undefined, "loading");
      this.refuseShutdown();
      try {
        await loads.load(session, signal);
        break;
      } catch (error) {
        // When the connection died under it: again on the next one.
        if (this.current?.loads === loads) throw error;
      }
    }
    this.sessions.add(session);
    if (signal?.aborted === true) {
      // The answer was on its way already; nobody else would ever close this session.
      await this.release(session);
      throwIfAborted(signal, "loading");
    }
    return {
      submit: (inputs, options = {}) => this.submit(session, inputs, options),
      release: () => this.release(session),
    };
  }

  private submit(
    session: BoardSession,
    inputs: readonly Uint8Array[],
    options: SubmitOptions,
  ): Promise<SubmitResult> {
    try {
      throwIfAborted(options.signal, "the inference");
      this.check();
      if (session.released) throw new TransportError("TW_IO_CLOSED", "the executable was released");
      if (session.failure !== null) throw session.failure;
      this.refuseShutdown();
      checkInputs(session.executable.graph, inputs);
    } catch (error) {
      return Promise.reject(error as Error);
    }
    return this.runs.submit(session, inputs, options);
  }

  private async release(session: BoardSession): Promise<void> {
    if (session.released) return;
    session.released = true;
    await session.idle();
    // Until then its handle may be that of a connection that is no more.
    await this.reconnecting;
    if (!this.sessions.delete(session) || session.failure !== null) return;
    await this.current?.loads.unload(session.handle);
  }

  /** The connection that stands, or the next one that will. */
  private async connected(): Promise<Connection> {
    while (this.current === null || this.reconnecting !== null) {
      this.check();
      await this.reconnecting;
    }
    this.check();
    return this.current;
  }

  private check(): void {
    if (this.ending !== null) throw this.ending;
  }

  private refuseShutdown(): void {
    if (this.shuttingDown)
      throw new TransportError("TW_IO_CLOSED", `the board at ${this.url} is shutting down`);
  }

  private async openLink(signal: AbortSignal | null): Promise<Link> {
    const { connectMs, maxFrameBytes } = this.settings;
    const attempt = new AbortController();
    const abort = (): void => attempt.abort();
    const cancel = this.clock.after(connectMs, abort);
    const others = [this.stop.signal, ...(signal === null ? [] : [signal])];
    for (const other of others) other.addEventListener("abort", abort);
    const options = { signal: attempt.signal, maxFrameBytes };
    try {
      const channel = await this.openChannel(this.url, options);
      return await Link.greet(channel, this.client, this.settings, this.clock, attempt.signal);
    } catch (error) {
      throwIfAborted(signal ?? undefined, "connecting");
      throw error;
    } finally {
      cancel();
      for (const other of others) other.removeEventListener("abort", abort);
    }
  }

  /** Handles what comes on a connection from here on. */
  private use(link: Link): Connection {
    let ended: () => void;
    const connection: Connection = {
      link,
      loads: new Loads(link, this.settings.onUploadProgress),
      since: this.clock.now(),
      onResumed: null,
      gone: new Promise((resolve) => (ended = resolve)),
    };
    this.current = connection;
    this.shuttingDown = false;
    link.listen({
      frame: (bytes) => this.frame(bytes, connection),
      ended: (end) => {
        this.ended(connection, end);
        ended();
      },
    });
    return connection;
  }

  private start(link: Link): void {
    const { runs, runBytes } = link.welcome;
    // Of no more runs could be asked after a reconnect.
    this.runs.connected(link, { runs: Math.min(runs, MAX_RESUMED), bytes: runBytes });
  }

  private frame(bytes: Uint8Array, connection: Connection): void {
    // What still comes on a connection that was given up is about nothing that is known any more.
    if (this.current !== connection || this.ending !== null) return;
    switch (bytes[0]) {
      case RESULT.type:
      case PROFILED.type: {
        this.backoff.reset();
        const read = bytes[0] === RESULT.type ? readPlain : readProfiled;
        const { id, resultFor } = read(bytes);
        const run = this.runs.answered(id);
        // Before a malformed answer ends the connection, its run has to be told.
        try {
          this.runs.settle(run, resultFor(run));
        } catch (error) {
          this.runs.settle(run, error as Error);
          throw error;
        }
        return this.runs.pump();
      }
      case FAILED.type:
        return this.failed(bytes, connection.loads);
      case RESUMED.type: {
        const states = decodeFrame(RESUMED, bytes).states.map(({ state }) => state);
        if (connection.onResumed === null) throw protocolError("nothing was to be resumed", 0);
        return connection.onResumed(states);
      }
      case SHUTDOWN.type: {
        decodeFrame(SHUTDOWN, bytes);
        this.shuttingDown = true;
        return this.runs.failWaiting(
          new TransportError(
            "TW_IO_CLOSED",
            `the board at ${this.url} is shutting down; the run was not sent`,
          ),
        );
      }
      default:
        if (!connection.loads.frame(bytes))
          throw protocolError(`an agent sends no frame of type ${bytes[0] ?? "none"}`, 0);
    }
  }

  private failed(bytes: Uint8Array, loads: Loads): void {
    const { about, id, error } = decodeFailure(bytes);
    if (about === "load") return loads.failed(id, error);
    this.runs.settle(this.runs.answered(id), error);
    this.runs.pump();
  }

  private ended(connection: Connection, { end, error }: LinkEnd): void {
    const why = error?.message ?? (end.reason === "" ? `code ${end.code}` : end.reason);
    const message = `the connection to ${this.url} ended: ${why}`;
    const lost = new TransportError("TW_IO_LOST", message, {}, error ?? undefined);
    connection.loads.end(lost);
    if (this.current !== connection) return;
    this.current = null;
    this.runs.disconnected();
    if (this.ending !== null) return;
    if (this.shuttingDown) this.runs.lose(this.runs.uncertain(), "the board was shut down", error);
    if (error !== null && isFinal(error)) return this.end(error, "lost");
    if (this.clock.now() - connection.since > this.settings.reconnect.maxMs) this.backoff.reset();
    this.reconnecting ??= this.reconnect(lost);
  }

  /** Opens connections until one stands with everything that was there before; never rejects. */
  private async reconnect(why: NpuError): Promise<void> {
    let connection = await this.reopen(why);
    while (connection !== null && this.current !== connection) connection = await this.reopen(why);
    // In one turn with that look: a connection that dies from here on begins another reconnect.
    this.reconnecting = null;
    if (connection === null) return;
    this.reconnects++;
    this.start(connection.link);
  }

  /** A connection with everything that was there before, or null when there will be none. */
  private async reopen(last: NpuError): Promise<Connection | null> {
    while (this.ending === null) {
      if (!(await this.backoff.wait(this.stop.signal))) {
        const message = `the board at ${this.url} cannot be reached: ${last.message}`;
        this.end(new TransportError("TW_IO_CONNECT", message, {}, last), "lost");
        break;
      }
      try {
        const connection = this.use(await this.openLink(null));
        const before = this.capabilities;
        this.capabilities = capabilitiesOf(connection.link.welcome);
        await resume({ connection, before, now: this.capabilities, url: this.url }, this.runs);
        await Promise.all([...this.sessions].map((session) => this.loadAgain(connection, session)));
        if (this.current === connection) return connection;
      } catch (error) {
        last = error instanceof NpuError ? error : new CoreBugError(String(error), error);
        this.giveUp();
        if (isFinal(last)) this.end(last, "lost");
      }
    }
    return null;
  }

  private async loadAgain(connection: Connection, session: BoardSession): Promise<void> {
    try {
      await connection.loads.load(session);
    } catch (error) {
      // Dead or about to end: the caller tries on the next connection. Otherwise only this session is unusable.
      const isOver = this.current !== connection || this.shuttingDown;
      if (isOver || !(error instanceof NpuError)) throw error;
      session.failure = error;
      this.sessions.delete(session);
      this.runs.failWaiting(error, session);
    }
  }

  /** Drops a connection on which not everything could be had again. */
  private giveUp(): void {
    const connection = this.current;
    this.current = null;
    connection?.link.destroy();
  }

  /** Ends this transport; nothing is accepted any more, and everything is answered. */
  private end(reason: NpuError, kind: DisconnectReason["kind"]): void {
    if (this.ending !== null) return;
    this.ending = reason;
    this.stop.abort();
    this.runs.disconnected();
    this.runs.failWaiting(reason);
    const uncertain = this.runs.uncertain();
    if (kind === "closed") this.runs.drop(uncertain, reason);
    else this.runs.lose(uncertain, reason.message, reason);
    this.settleDisconnected({ kind, message: reason.message });
  }

  private async closeNow(): Promise<void> {
    const connection = this.current;
    this.current = null;
    this.end(new TransportError("TW_IO_CLOSED", "the board's transport was closed"), "closed");
    this.sessions.clear();
    if (connection === null) return;
    connection.link.goodbye();
    const cancel = this.clock.after(CLOSE_MS, () => connection.link.destroy());
    await connection.gone;
    cancel();
  }
}
