// The runs of a client: those that wait for a credit, those that were sent, and what becomes of them when a connection dies.
// SPDX-License-Identifier: MIT
import { NpuError, TransportError } from "../../core-as/errors.ts";
import { throwIfAborted } from "../../core-as/runtime/abort.ts";
import type { SubmitOptions, SubmitResult } from "../../core-as/runtime/transport.ts";
import type { Clock } from "../clock.ts";
import { addressRun, CANCEL, encodeFrame, encodeRun, protocolError } from "../protocol.ts";
import type { Link } from "./link.ts";
import type { BoardSession } from "./sessions.ts";

export interface ClientRun {
  /** On the wire; a run that is sent again gets a new one. */
  id: number;
  readonly session: BoardSession;
  readonly profile: boolean;
  /** The whole run frame; id and session are put in when it is sent. */
  frame: Uint8Array;
  /** Inputs and outputs: what counts against the board's credits. */
  readonly cost: number;
  /** The caller has its answer, e.g. after an abort; the board's is still to come. */
  settled: boolean;
  resolve(result: SubmitResult): void;
  reject(error: Error): void;
}

/** What a connection grants. */
interface Credits {
  runs: number;
  bytes: number;
}

export class Runs {
  /** In the order in which they will be sent. */
  private waiting = new Set<ClientRun>();
  private waitingBytes = 0;
  /** Sent on this connection, or uncertain since the last one died; by id, rising. */
  private readonly sent = new Map<number, ClientRun>();
  private sentBytes = 0;
  private nextId = 1;
  private link: Link | null = null;
  private credits: Credits = { runs: 0, bytes: 0 };

  constructor(
    private readonly clock: Clock,
    private readonly limits: { maxWaitingRuns: number; maxWaitingBytes: number },
  ) {}

  get counts(): { waiting: number; sent: number } {
    return { waiting: this.waiting.size, sent: this.sent.size };
  }

  /** Queues a run; it is sent at once if there is a credit. Inputs are copied and were checked before. */
  submit(
    session: BoardSession,
    inputs: readonly Uint8Array[],
    { signal, timeoutMs, profile = false }: SubmitOptions,
  ): Promise<SubmitResult> {
    return new Promise((resolve, reject) => {
      throwIfAborted(signal, "the inference");
      const frame = encodeRun(profile, inputs, session.inputBytes);
      const cost = session.inputBytes + session.outputBytes;
      const run: ClientRun = {
        id: 0,
        session,
        profile,
        frame,
        cost,
        settled: false,
        resolve,
        reject,
      };
      const now = this.waiting.size === 0 && this.hasCredit(cost);
      if (!now) this.checkRoom(frame.length);
      if (signal !== undefined || timeoutMs !== undefined) this.limit(run, signal, timeoutMs);
      session.unfinished++;
      if (now) return this.send(run);
      this.waiting.add(run);
      this.waitingBytes += frame.length;
    });
  }

  /** A connection stands and its sessions are loaded: sends what waits. */
  connected(link: Link, credits: Credits): void {
    this.link = link;
    this.credits = credits;
    this.pump();
  }

  /** The connection died: what was sent is uncertain from here on. */
  disconnected(): void {
    this.link = null;
    // Nobody waits for these any more.
    for (const run of [...this.sent.values()]) if (run.settled) this.forget(run);
  }

  /** Ids of the uncertain runs, rising. */
  uncertain(): number[] {
    return [...this.sent.keys()];
  }

  /** Puts uncertain runs that never started in front of those that wait, in their order. */
  sendAgain(ids: readonly number[]): void {
    const again: ClientRun[] = [];
    for (const id of ids) {
      const run = this.sent.get(id);
      if (run === undefined) continue;
      this.forget(run, run.settled);
      if (run.settled) continue;
      again.push(run);
      // The connection before may still hold the old bytes.
      run.frame = run.frame.slice();
      this.waitingBytes += run.frame.length;
    }
    this.waiting = new Set([...again, ...this.waiting]);
  }

  /** Reports uncertain runs lost. */
  lose(ids: readonly number[], why: string, cause?: unknown): void {
    for (const id of ids) {
      const run = this.sent.get(id);
      if (run === undefined) continue;
      this.forget(run);
      this.settle(run, lostRun(why, cause));
    }
  }

  /** Ends uncertain runs with an error: the caller gave them up. */
  drop(ids: readonly number[], error: NpuError): void {
    for (const id of ids) {
      const run = this.sent.get(id)!;
      this.forget(run);
      this.settle(run, error);
    }
  }

  /** Ends waiting runs with an error: all, or those of one session. */
  failWaiting(error: NpuError, session: BoardSession | null = null): void {
    for (const run of [...this.waiting])
      if (session === null || run.session === session) this.rejectWaiting(run, error);
  }

  /** Takes the answer of a run in. @throws TransportError TW_IO_PROTOCOL when no run waits for it */
  answered(id: number): ClientRun {
    const run = this.sent.get(id);
    if (run === undefined)
      throw protocolError(`an answer came to run ${id}, which waits for none`, 1);
    this.forget(run);
    return run;
  }

  /** Gives the caller its result or error, unless it has one. */
  settle(run: ClientRun, outcome: SubmitResult | Error): void {
    if (run.settled) return;
    run.settled = true;
    if (outcome instanceof Error) run.reject(outcome);
    else run.resolve(outcome);
  }

  /** Sends waiting runs as far as there are credits. */
  pump(): void {
    for (const run of this.waiting) {
      if (!this.hasCredit(run.cost)) return;
      this.waiting.delete(run);
      this.waitingBytes -= run.frame.length;
      this.send(run);
    }
  }

  private hasCredit(cost: number): boolean {
    const { sent, sentBytes, credits, link } = this;
    if (link === null || sent.size >= credits.runs) return false;
    return sent.size === 0 || sentBytes + cost <= credits.bytes;
  }

  private send(run: ClientRun): void {
    const { frame, session, cost } = run;
    const id = (run.id = this.nextId++);
    addressRun(frame, session.handle, id);
    this.sent.set(id, run);
    this.sentBytes += cost;
    this.link!.send(frame);
  }

  /** Takes a run off the list of those that were sent. */
  private forget(run: ClientRun, isFinished = true): void {
    this.sent.delete(run.id);
    this.sentBytes -= run.cost;
    if (isFinished) run.session.finished();
  }

  private rejectWaiting(run: ClientRun, error: Error): void {
    if (!this.waiting.delete(run)) return;
    this.waitingBytes -= run.frame.length;
    run.session.finished();
    this.settle(run, error);
  }

  private checkRoom(bytes: number): void {
    const { maxWaitingRuns, maxWaitingBytes } = this.limits;
    if (this.waiting.size < maxWaitingRuns && this.waitingBytes + bytes <= maxWaitingBytes) return;
    throw new TransportError(
      "TW_IO_LIMIT",
      `${this.waiting.size} runs with ${this.waitingBytes} bytes wait to be sent to the board, at most ` +
        `${maxWaitingRuns} and ${maxWaitingBytes} may; wait for answers before submitting more`,
    );
  }

  /** Ends the wait of a run early; the board is asked to take it back. */
  private limit(run: ClientRun, signal?: AbortSignal, timeoutMs?: number): void {
    const stop = (error: Error): void => {
      if (run.settled) return;
      if (this.waiting.has(run)) return this.rejectWaiting(run, error);
      this.settle(run, error);
      if (this.sent.has(run.id)) this.link?.send(encodeFrame(CANCEL, { run: run.id }));
    };
    let cancelTimer: (() => void) | null = null;
    const onAbort = (): void => {
      try {
        throwIfAborted(signal, "the inference");
      } catch (error) {
        stop(error as Error);
      }
    };
    if (timeoutMs !== undefined)
      cancelTimer = this.clock.after(timeoutMs, () =>
        stop(new TransportError("TW_IO_TIMEOUT", `the inference took longer than ${timeoutMs} ms`)),
      );
    signal?.addEventListener("abort", onAbort, { once: true });
    const { resolve, reject } = run;
    const done = (): void => {
      cancelTimer?.();
      signal?.removeEventListener("abort", onAbort);
    };
    run.resolve = (result) => (done(), resolve(result));
    run.reject = (error) => (done(), reject(error));
  }
}

const lostRun = (why: string, cause?: unknown): TransportError =>
  new TransportError("TW_IO_LOST", `${why}; whether the run took place is unknown`, {}, cause);
