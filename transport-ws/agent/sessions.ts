// The executables of one connection: loads, uploads that they need, handles, and their release.
// SPDX-License-Identifier: MIT
import { NpuError, TransportError } from "../../core-as/errors.ts";
import { hexOf } from "../../core-as/executable/bytes.ts";
import type { Clock } from "../clock.ts";
import {
  encodeFailure,
  encodeFrame,
  LOADED,
  PROGRESS,
  protocolError,
  UNLOADED,
  WANTED,
} from "../protocol.ts";
import type { Library, SharedExecutable } from "./library.ts";
import { Budget, type AgentLimits, type Throttle } from "./limits.ts";
import { Upload } from "./upload.ts";

export interface AgentSession {
  readonly handle: number;
  readonly shared: SharedExecutable;
  /** Runs of it without an answer. */
  runs: number;
  /** No new runs; freed with the last one. */
  closing: boolean;
}

/** What sessions need of the agent and of their connection. */
export interface SessionsContext {
  readonly library: Library;
  readonly limits: AgentLimits;
  readonly clock: Clock;
  /** Memory of the whole board, which uploads take part in. */
  readonly memory: Budget;
  /** Rates to which uploads are held: the connection's and the board's. */
  readonly throttles: readonly Throttle[];
  /** Why no load is taken now, or null. */
  refusal(): NpuError | null;
  send(frame: Uint8Array): void;
  log(line: string): void;
}

interface Loading {
  upload: Upload | null;
  abandoned: boolean;
}

const abandonedError = (): TransportError =>
  new TransportError("TW_IO_ABORTED", "loading was given up");

export class Sessions {
  private readonly open = new Map<number, AgentSession>();
  private readonly loading = new Map<number, Loading>();
  private readonly memory: Budget;
  private lastRequest = -1;
  private lastHandle = 0;
  private ended = false;

  constructor(private readonly context: SessionsContext) {
    this.memory = new Budget(
      "bytes of memory to one connection",
      context.limits.memoryPerConnection,
    );
  }

  get size(): number {
    return this.open.size;
  }

  get uploads(): number {
    return [...this.loading.values()].filter(({ upload }) => upload !== null).length;
  }

  /** The session of a handle, if runs may still be added to it. */
  get(handle: number): AgentSession | null {
    const session = this.open.get(handle);
    return session === undefined || session.closing ? null : session;
  }

  /** Begins a load, whose answer follows later. */
  load(request: number, digest: Uint8Array, bytes: number): void {
    if (request <= this.lastRequest)
      throw protocolError(`load ${request} came after load ${this.lastRequest}`, 1);
    this.lastRequest = request;
    const loading: Loading = { upload: null, abandoned: false };
    this.loading.set(request, loading);
    this.prepare(request, loading, hexOf(digest), bytes).then(
      (session) => this.loaded(request, session),
      (error: unknown) => {
        this.loading.delete(request);
        if (!this.ended) this.context.send(encodeFailure("load", request, error));
      },
    );
  }

  /** @throws TransportError TW_IO_PROTOCOL, TW_IO_LIMIT */
  chunk(request: number, bytes: Uint8Array): void {
    if (request > this.lastRequest)
      throw protocolError(`a piece came for load ${request}, which was never asked for`, 1);
    // Pieces of an upload that has just failed may still be on their way.
    this.loading.get(request)?.upload?.add(bytes);
  }

  abandon(request: number): void {
    if (request > this.lastRequest)
      throw protocolError(`load ${request} was given up and never asked for`, 1);
    const loading = this.loading.get(request);
    if (loading === undefined) return;
    loading.abandoned = true;
    loading.upload?.stop(abandonedError());
  }

  /** @throws TransportError TW_IO_PROTOCOL for a handle that is not open */
  unload(handle: number): void {
    const session = this.get(handle);
    if (session === null) throw protocolError(`session ${handle} is not open`, 1);
    session.closing = true;
    this.freeIfDone(session);
  }

  /** A run of the session was answered. */
  runEnded(session: AgentSession): void {
    session.runs--;
    this.freeIfDone(session);
  }

  /** Counts time for uploads; the longest silence of one. */
  tick(milliseconds: number): number {
    let longest = 0;
    for (const { upload } of this.loading.values())
      longest = Math.max(longest, upload?.wait(milliseconds) ?? 0);
    return longest;
  }

  /** The connection ended: everything is freed, sessions with running work after it. */
  end(): void {
    this.ended = true;
    for (const request of this.loading.keys()) this.abandon(request);
    for (const session of this.open.values()) {
      session.closing = true;
      this.freeIfDone(session);
    }
  }

  private async prepare(
    request: number,
    loading: Loading,
    digest: string,
    bytes: number,
  ): Promise<AgentSession> {
    const { library, limits } = this.context;
    this.checkLoad(bytes);
    const shared =
      (await library.acquire(digest)) ?? (await this.upload(request, loading, digest, bytes));
    try {
      if (loading.abandoned) throw abandonedError();
      checkFrames(shared, limits.frameBytes);
      this.memory.take(shared.memoryBytes);
    } catch (error) {
      await library.release(shared);
      throw error;
    }
    const session = { handle: this.newHandle(), shared, runs: 0, closing: false };
    this.open.set(session.handle, session);
    return session;
  }

  private loaded(request: number, { handle, shared }: AgentSession): void {
    this.loading.delete(request);
    const sizes = (list: readonly number[]): { bytes: number }[] =>
      list.map((bytes) => ({ bytes }));
    const { inputs, outputs } = shared;
    this.context.send(
      encodeFrame(LOADED, {
        request,
        session: handle,
        inputs: sizes(inputs),
        outputs: sizes(outputs),
      }),
    );
  }

  private checkLoad(bytes: number): void {
    const { limits, refusal } = this.context;
    const refused = refusal();
    if (refused !== null) throw refused;
    // `loading` holds this load already.
    if (this.open.size + this.loading.size > limits.sessionsPerConnection)
      throw new TransportError(
        "TW_IO_LIMIT",
        `a connection holds ${limits.sessionsPerConnection} loaded executables at a time; close a session first`,
      );
    if (bytes > limits.executableBytes || bytes === 0)
      throw new TransportError(
        "TW_IO_LIMIT",
        `the executable has ${bytes} bytes, the board takes 1 to ${limits.executableBytes}`,
      );
  }

  private async upload(
    request: number,
    loading: Loading,
    digest: string,
    bytes: number,
  ): Promise<SharedExecutable> {
    const { library, memory, clock, throttles, send } = this.context;
    if (loading.abandoned) throw abandonedError();
    this.memory.take(bytes);
    try {
      memory.take(bytes);
      try {
        loading.upload = new Upload(bytes, clock, throttles, (received) =>
          send(encodeFrame(PROGRESS, { request, received })),
        );
        send(encodeFrame(WANTED, { request }));
        const content = await loading.upload.done;
        loading.upload.stop(abandonedError());
        loading.upload = null;
        return await library.install(digest, content);
      } finally {
        memory.give(bytes);
      }
    } finally {
      this.memory.give(bytes);
    }
  }

  private freeIfDone(session: AgentSession): void {
    const { handle, shared, runs, closing } = session;
    if (!closing || runs > 0 || !this.open.delete(handle)) return;
    const { library, log, send } = this.context;
    this.memory.give(shared.memoryBytes);
    library.release(shared).then(
      () => {
        if (!this.ended) send(encodeFrame(UNLOADED, { session: handle }));
      },
      (error: unknown) => {
        log(`release: ${String(error)}`);
        if (!this.ended) send(encodeFrame(UNLOADED, { session: handle }));
      },
    );
  }

  private newHandle(): number {
    do this.lastHandle = (this.lastHandle % 0xffff) + 1;
    while (this.open.has(this.lastHandle));
    return this.lastHandle;
  }
}

/** Room for the headers of run, result and profiled frames; the latter's lists are bounded by it as well. */
const HEADERS = 4096;

function checkFrames(shared: SharedExecutable, frameBytes: number): void {
  const largest = Math.max(shared.inputBytes, shared.outputBytes) + HEADERS;
  if (largest <= frameBytes) return;
  throw new TransportError(
    "TW_IO_LIMIT",
    `the inputs have ${shared.inputBytes} bytes and the outputs ${shared.outputBytes}, ` +
      `a frame of this connection takes ${frameBytes - HEADERS}`,
  );
}
