// Spreads runs over links to boards: a bounded queue, the least busy board first, another board for runs whose board died, one
// answer for each run.
// SPDX-License-Identifier: MIT
import { NpuError, TransportError } from "../../core-as/errors.ts";
import type { Executable } from "../../core-as/executable/executable.ts";
import { throwIfAborted, withLimits } from "../../core-as/runtime/abort.ts";
import { checkInputs } from "../../core-as/runtime/tensor-info.ts";
import type { SubmitOptions, SubmitResult } from "../../core-as/runtime/transport.ts";
import { judge } from "./judge.ts";
import { LinkState, type Link, type Outcome } from "./link-state.ts";
import { Run, type Model } from "./run.ts";

/** A board whose limits do not allow an executable is asked for it again after this time in milliseconds. */
const REFUSED_FOR_MS = 30_000;

export interface DispatcherLimits {
  /** Runs that wait for a board; further ones are refused. */
  maxQueued: number;
  /** Bytes of the inputs of all runs that are not answered. */
  maxBytes: number;
  /** Boards that a run is sent to again after it was lost. */
  maxRedeliveries: number;
  /** A run waits so long without any board in milliseconds. */
  noBoardMs: number;
  /** Pause of a board that says it is full, in milliseconds. */
  fullPauseMs: number;
}

export interface DispatcherEvents {
  /** More links would help: each is busy, or none is left. Called often. */
  wanted(): void;
  /** A run was answered by a board, with a result or with the run's own error. */
  answered(board: string): void;
  /** A board lost a run or its device; the link is no longer used, and was not closed. */
  failed(link: Link, error: NpuError): void;
  /** The last run of a link that takes no new ones has ended; the link was not closed. */
  drained(link: Link): void;
  /** Whether there are boards that no link was opened to yet. */
  moreBoards(): boolean;
  /** Why there is no board, for the error of runs that waited too long. */
  noBoard(): NpuError;
}

export interface DispatcherStats {
  queued: number;
  running: number;
  bytes: number;
  completed: number;
  failed: number;
  redelivered: number;
  refused: number;
}

export class Dispatcher {
  private readonly links = new Map<string, LinkState>();
  private queue: Run[] = [];
  private bytes = 0;
  private counts = { completed: 0, failed: 0, redelivered: 0, refused: 0 };
  private waiters: { resolve: () => void; reject: (error: NpuError) => void }[] = [];
  private starving: ReturnType<typeof setTimeout> | undefined;
  private readonly pauses = new Set<ReturnType<typeof setTimeout>>();
  private closed: NpuError | null = null;

  constructor(
    private readonly limits: DispatcherLimits,
    private readonly events: DispatcherEvents,
  ) {}

  stats(): DispatcherStats {
    let running = 0;
    for (const link of this.links.values()) running += link.outstanding;
    return { queued: this.queue.length, running, bytes: this.bytes, ...this.counts };
  }

  /** Links in use, with what runs on each. */
  linkStates(): LinkState[] {
    return [...this.links.values()];
  }

  addLink(link: Link): void {
    if (this.closed !== null) return;
    this.links.set(link.board, new LinkState(link));
    clearTimeout(this.starving);
    this.starving = undefined;
    this.pump();
  }

  /** The board gets no new runs from here; `drained` follows when the last one has ended. */
  drainLink(board: string): void {
    const state = this.links.get(board);
    if (state === undefined) return;
    state.draining = true;
    this.finishDraining(state);
    this.pump();
  }

  /** Lets go of boards that have had no run for so many milliseconds, except the last one, so that others may use them. */
  drainIdle(idleMs: number): void {
    const used = [...this.links.values()].filter(({ leaving }) => !leaving);
    const idle = used.filter((link) => link.idleMs > idleMs).slice(0, used.length - 1);
    for (const { board } of idle) this.drainLink(board);
  }

  /** The known boards may have changed. */
  boardsChanged(): void {
    if (this.queue.length > 0) this.pump();
  }

  /** The link is dead: what runs on it is lost, and sent to another board. */
  removeLink(board: string, reason: string): void {
    const state = this.links.get(board);
    if (state === undefined) return;
    this.links.delete(board);
    const text = `${state.link.name} was lost: ${reason}`;
    state.end(new TransportError("TW_IO_LOST", text));
    this.pump();
  }

  /**
   * Makes a model known and loads it on one board, so that what no board can run is refused here.
   * @throws what `Transport.load` throws
   */
  async load(executable: Executable, signal?: AbortSignal): Promise<Model> {
    throwIfAborted(signal, "loading");
    this.check();
    this.checkRoom([]);
    const model: Model = { executable, released: false, refused: new Map() };
    try {
      await this.enqueue(new Run(model, null, signal === undefined ? {} : { signal }), "loading");
    } catch (cause) {
      await this.release(model);
      throw cause;
    }
    return model;
  }

  /** Frees a model on all boards. */
  async release(model: Model): Promise<void> {
    model.released = true;
    const error = new TransportError("TW_IO_CLOSED", "the executable was released");
    for (const run of this.queue.filter((queued) => queued.model === model)) this.fail(run, error);
    await Promise.all([...this.links.values()].map((link) => link.release(model)));
  }

  /**
   * One inference, on whichever board is free first.
   * @throws TransportError TW_IO_LIMIT when too much waits already; TW_IO_LOST when board after board died with it; TW_IO_CONNECT when no
   *   board appears in time; TW_IO_INPUT, TW_IO_ABORTED, TW_IO_TIMEOUT, TW_IO_CLOSED
   */
  async submit(
    model: Model,
    inputs: readonly Uint8Array[],
    options: SubmitOptions = {},
  ): Promise<SubmitResult> {
    throwIfAborted(options.signal, "the inference");
    this.check();
    if (model.released) throw new TransportError("TW_IO_CLOSED", "the executable was released");
    checkInputs(model.executable.graph, inputs);
    this.checkRoom(inputs);
    // Copies: a run may be sent again long after the caller has reused its buffers.
    const copies = inputs.map((bytes) => bytes.slice());
    const run = new Run(model, copies, options);
    return (await this.enqueue(run, "the inference")) as SubmitResult;
  }

  /** Resolves when a run would be taken: what a producer waits for. @throws TransportError TW_IO_CLOSED */
  async ready(): Promise<void> {
    this.check();
    if (this.queue.length < this.limits.maxQueued && this.bytes < this.limits.maxBytes) return;
    await new Promise<void>((resolve, reject) => this.waiters.push({ resolve, reject }));
  }

  /** Ends everything: what waits or runs is rejected with the error. Links are not closed. */
  close(error: NpuError): Link[] {
    if (this.closed !== null) return [];
    this.closed = error;
    clearTimeout(this.starving);
    for (const pause of this.pauses) clearTimeout(pause);
    for (const run of [...this.queue]) this.fail(run, error);
    for (const { reject } of this.waiters.splice(0)) reject(error);
    const states = [...this.links.values()];
    this.links.clear();
    for (const state of states) state.end(error);
    return states.map(({ link }) => link);
  }

  private check(): void {
    if (this.closed !== null) throw new TransportError("TW_IO_CLOSED", this.closed.message);
  }

  private checkRoom(inputs: readonly Uint8Array[]): void {
    const { maxQueued, maxBytes } = this.limits;
    const bytes = inputs.reduce((sum, { length }) => sum + length, 0);
    const full = this.queue.length >= maxQueued;
    if (!full && this.bytes + bytes <= maxBytes) return;
    this.counts.refused++;
    throw new TransportError(
      "TW_IO_LIMIT",
      full
        ? `${this.queue.length} runs wait for a board, at most ${maxQueued} may; wait for ready() or add boards`
        : `the inputs of unanswered runs hold ${this.bytes} bytes, with ${bytes} more they pass the limit of ${maxBytes}; wait for ready()`,
    );
  }

  private async enqueue(run: Run, what: string): Promise<SubmitResult | null> {
    this.bytes += run.bytes;
    this.queue.push(run);
    this.pump();
    try {
      return await withLimits(run.answer, run.options, what);
    } catch (cause) {
      // After an abort or a time-out: out of the queue, or cancelled on its board.
      this.fail(run, cause instanceof NpuError ? cause : new TransportError("TW_IO_ABORTED", what));
      throw cause;
    }
  }

  // --- what happens to a run ------------------------------------------------------------------------------------------------------

  /** Gives runs to links while both are there, in the order of submission. */
  private pump(): void {
    if (this.closed !== null) return;
    const waiting: Run[] = [];
    for (const [i, run] of this.queue.entries()) {
      if (run.settled) continue;
      const links = [...this.links.values()];
      const refusal = this.refusalOf(run);
      if (refusal !== null) this.settle(run, refusal);
      else if (run.model.refused.size === 0 && !links.some(({ free }) => free)) {
        waiting.push(...this.queue.slice(i));
        break;
      } else {
        const link = this.pick(run);
        if (link === null) waiting.push(run);
        else link.start(run, (outcome) => this.finish(run, link, outcome));
      }
    }
    this.queue = waiting;
    this.wakeProducers();
    this.askForLinks();
  }

  private askForLinks(): void {
    const links = [...this.links.values()].filter(({ leaving }) => !leaving);
    const busy = links.length > 0 && links.every(({ outstanding }) => outstanding > 0);
    if (this.queue.length > 0 || busy) this.events.wanted();
    if (this.queue.length > 0 && links.length === 0 && this.starving === undefined)
      this.starving = setTimeout(() => this.starve(), this.limits.noBoardMs);
  }

  /** Why no board can run it: each has refused its executable. */
  private refusalOf({ model }: Run): NpuError | null {
    if (model.refused.size === 0 || this.links.size === 0 || this.events.moreBoards()) return null;
    let last: NpuError | null = null;
    for (const board of this.links.keys()) {
      if (!hasRefused(model, board)) return null;
      last = model.refused.get(board)!.error;
    }
    return last;
  }

  /** The link with the smallest share of its credits in use. Boards that lost the run before are the last resort. */
  private pick(run: Run): LinkState | null {
    const usable = [...this.links.values()].filter(
      (link) => link.usable && !hasRefused(run.model, link.board),
    );
    const fresh = usable.filter(({ board }) => !run.lostOn.has(board));
    let best: LinkState | null = null;
    for (const link of fresh.length > 0 ? fresh : usable)
      if (link.free && (best === null || link.before(best))) best = link;
    return best;
  }

  private finish(run: Run, state: LinkState, outcome: Outcome): void {
    if (outcome.ok) {
      this.events.answered(state.board);
      this.settle(run, outcome.result);
    } else this.judge(run, state, outcome);
    this.finishDraining(state);
    this.pump();
  }

  private judge(run: Run, state: LinkState, outcome: Outcome & { ok: false }): void {
    const { error, loading } = outcome;
    if (this.closed !== null) return this.fail(run, this.closed);
    if (run.model.released)
      return this.fail(run, new TransportError("TW_IO_CLOSED", "the executable was released"));
    switch (judge(error, loading)) {
      case "board":
        if (this.links.get(state.board) === state) {
          this.links.delete(state.board);
          this.events.failed(state.link, error);
          state.end(
            new TransportError("TW_IO_LOST", `${state.link.name} failed: ${error.message}`),
          );
        }
        return this.redeliver(run, state, error);
      case "lost":
        // Mostly `removeLink` follows; nothing goes there until then.
        state.retired ??= error;
        return this.redeliver(run, state, error);
      case "closing":
        state.retired ??= error;
        return this.requeue(run);
      case "full":
        return this.pause(run, state);
      case "unsuitable": {
        const until = error.code === "TW_IO_LIMIT" ? Date.now() + REFUSED_FOR_MS : Infinity;
        run.model.refused.set(state.board, { error, until });
        return this.requeue(run);
      }
      case "answer":
        if (!run.settled) this.events.answered(state.board);
        return this.fail(run, error);
    }
  }

  private redeliver(run: Run, { board, link }: LinkState, error: NpuError): void {
    if (run.settled) return;
    run.lostOn.add(board);
    run.losses++;
    if (run.losses > this.limits.maxRedeliveries) {
      const text = `the run was lost ${run.losses} times, the last time on ${link.name} (${error.message})`;
      this.fail(run, new TransportError("TW_IO_LOST", text, {}, error));
      return;
    }
    this.counts.redelivered++;
    this.requeue(run);
  }

  /** Back to its old place in the queue. */
  private requeue(run: Run): void {
    if (run.settled) return;
    const behind = this.queue.findIndex(({ order }) => order > run.order);
    this.queue.splice(behind < 0 ? this.queue.length : behind, 0, run);
  }

  private pause(run: Run, state: LinkState): void {
    this.requeue(run);
    if (state.paused) return;
    state.paused = true;
    const timer = setTimeout(() => {
      this.pauses.delete(timer);
      state.paused = false;
      this.pump();
    }, this.limits.fullPauseMs);
    this.pauses.add(timer);
  }

  private fail(run: Run, error: NpuError): void {
    if (run.settled) return;
    this.settle(run, error);
    run.cancel(error);
    this.queue = this.queue.filter((queued) => queued !== run);
  }

  /** The one place where a run is answered; the second time nothing happens. */
  private settle(run: Run, answer: SubmitResult | null | NpuError): void {
    if (run.settled) return;
    this.bytes -= run.bytes;
    const failed = answer instanceof NpuError;
    if (run.inputs !== null) this.counts[failed ? "failed" : "completed"]++;
    if (failed) run.reject(answer);
    else run.resolve(answer);
    this.wakeProducers();
  }

  private wakeProducers(): void {
    if (this.queue.length >= this.limits.maxQueued || this.bytes >= this.limits.maxBytes) return;
    for (const { resolve } of this.waiters.splice(0)) resolve();
  }

  private finishDraining(state: LinkState): void {
    if (!state.leaving || state.outstanding > 0) return;
    if (this.links.get(state.board) !== state) return;
    this.links.delete(state.board);
    if (state.draining || state.retired === null) this.events.drained(state.link);
    else this.events.failed(state.link, state.retired);
  }

  private starve(): void {
    this.starving = undefined;
    if ([...this.links.values()].some(({ leaving }) => !leaving)) return;
    const error = this.events.noBoard();
    for (const run of [...this.queue]) this.fail(run, error);
  }
}

function hasRefused({ refused }: Model, board: string): boolean {
  const refusal = refused.get(board);
  if (refusal === undefined) return false;
  if (refusal.until > Date.now()) return true;
  refused.delete(board);
  return false;
}
