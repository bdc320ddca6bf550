// One link of the dispatcher: what runs on it, what is loaded there, and whether it takes more.
// SPDX-License-Identifier: MIT
import { CoreBugError, NpuError } from "../../core-as/errors.ts";
import type { LoadedExecutable, SubmitResult, Transport } from "../../core-as/runtime/transport.ts";
import type { Model, Run } from "./run.ts";

/** A connection to one board. */
export type Link = Pick<Transport, "load" | "close"> & {
  /** Id of the board; there is one link to a board at most. */
  readonly board: string;
  /** The board in texts. */
  readonly name: string;
  /** Runs that it takes at a time. */
  readonly credits: number;
};

export type Outcome =
  { ok: true; result: SubmitResult | null } | { ok: false; error: NpuError; loading: boolean };

let clock = 0;

export class LinkState {
  readonly board: string;
  /** The board says that it is full. */
  paused = false;
  /** It takes no new runs. */
  draining = false;
  /** It is dead or its board is closing, as a run has told: what is there may end, nothing new goes there. */
  retired: NpuError | null = null;
  /** Runs answered here. */
  answered = 0;
  private lastUse = 0;
  private idleSince = Date.now();
  private readonly running = new Map<Run, (outcome: Outcome) => void>();
  private readonly loaded = new Map<Model, Promise<LoadedExecutable>>();

  constructor(readonly link: Link) {
    this.board = link.board;
  }

  get outstanding(): number {
    return this.running.size;
  }

  /** Milliseconds since the last run ended; 0 while there are some. */
  get idleMs(): number {
    return this.outstanding > 0 ? 0 : Date.now() - this.idleSince;
  }

  /** No run will be given to it any more. */
  get leaving(): boolean {
    return this.draining || this.retired !== null;
  }

  get usable(): boolean {
    return !this.leaving && !this.paused;
  }

  get free(): boolean {
    return this.usable && this.outstanding < this.link.credits;
  }

  /** Whether a run should rather go here: a smaller share of the credits in use, then the one that has rested longer. */
  before(other: LinkState): boolean {
    const mine = this.outstanding / this.link.credits;
    const others = other.outstanding / other.link.credits;
    return mine < others || (mine === others && this.lastUse < other.lastUse);
  }

  /** Runs it here; `done` is called once, later. */
  start(run: Run, done: (outcome: Outcome) => void): void {
    this.lastUse = ++clock;
    this.running.set(run, (outcome) => {
      if (!this.running.delete(run)) return;
      if (outcome.ok) this.answered++;
      this.idleSince = Date.now();
      done(outcome);
    });
    void this.execute(run).then((outcome) => this.running.get(run)?.(outcome));
  }

  /** The link is dead: everything on it ends with the error. */
  end(error: NpuError): void {
    this.loaded.clear();
    for (const finish of [...this.running.values()]) finish({ ok: false, error, loading: false });
  }

  /** Frees a model here; errors do not matter, since the link may be dead. */
  async release(model: Model): Promise<void> {
    const loading = this.loaded.get(model);
    this.loaded.delete(model);
    await loading?.then((loaded) => loaded.release()).catch(() => {});
  }

  private async execute(run: Run): Promise<Outcome> {
    let loading = true;
    try {
      const loaded = await this.load(run.model);
      loading = false;
      if (run.inputs === null) return { ok: true, result: null };
      return { ok: true, result: await loaded.submit(run.inputs, run.boardOptions()) };
    } catch (cause) {
      return { ok: false, error: asNpuError(cause), loading };
    }
  }

  /** Once for each model; what fails may be tried again. */
  private load(model: Model): Promise<LoadedExecutable> {
    const known = this.loaded.get(model);
    if (known !== undefined) return known;
    const loading = this.link.load(model.executable);
    this.loaded.set(model, loading);
    loading.catch(() => {
      if (this.loaded.get(model) === loading) this.loaded.delete(model);
    });
    return loading;
  }
}

/** Anything that was thrown as one of Tilewright's errors. */
export const asNpuError = (cause: unknown): NpuError =>
  cause instanceof NpuError
    ? cause
    : new CoreBugError(`a board's transport threw ${String(cause)}`, cause);
