// Which run is next: one lane a connection, served in turns, so that a busy client cannot keep the others waiting.
// SPDX-License-Identifier: MIT
import type { SubmitOptions, SubmitResult } from "../../core-as/runtime/transport.ts";
import type { Clock } from "../clock.ts";
import type { AgentSession } from "./sessions.ts";

export interface WaitingRun {
  readonly id: number;
  readonly session: AgentSession;
  readonly profile: boolean;
  readonly inputs: readonly Uint8Array[];
}

export type RunOutcome = { result: SubmitResult; milliseconds: number } | { error: unknown };

/** Where the runs of one connection wait, and who is told of their end. */
export class Lane {
  readonly waiting = new Map<number, WaitingRun>();
  readonly running = new Map<number, AbortController>();

  constructor(readonly ended: (run: WaitingRun, outcome: RunOutcome) => void) {}

  get size(): number {
    return this.waiting.size + this.running.size;
  }
}

/** After a run that took longer than this, frames that came meanwhile are read first. */
const LONG_RUN_MS = 5;

export class Scheduler {
  /** Lanes in which something waits; the first is next. */
  private readonly ring: Lane[] = [];
  private running = 0;
  private waiting = 0;
  private whenIdle: (() => void)[] = [];
  /** Controllers of runs that ended without an abort. A signal costs more than the rest of a short run's way. */
  private readonly spare: AbortController[] = [];

  /** @param concurrent runs that the transport is given at a time */
  constructor(
    private readonly clock: Clock,
    private readonly concurrent: number,
  ) {}

  /** Runs that wait, and runs that the transport has. */
  get load(): { waiting: number; running: number } {
    return { waiting: this.waiting, running: this.running };
  }

  add(lane: Lane, run: WaitingRun): void {
    if (this.running < this.concurrent && this.ring.length === 0) return this.start(lane, run);
    if (lane.waiting.size === 0) this.ring.push(lane);
    lane.waiting.set(run.id, run);
    this.waiting++;
  }

  /** Takes a waiting run out again; null when it is not waiting any more. */
  remove(lane: Lane, id: number): WaitingRun | null {
    const run = lane.waiting.get(id);
    if (run === undefined) return null;
    lane.waiting.delete(id);
    this.waiting--;
    if (lane.waiting.size === 0) this.ring.splice(this.ring.indexOf(lane), 1);
    this.checkIdle();
    return run;
  }

  /** Empties a lane whose connection ended: waiting runs never start, running ones are asked to stop. */
  abandon(lane: Lane): WaitingRun[] {
    const dropped = [...lane.waiting.values()];
    for (const { id } of dropped) this.remove(lane, id);
    for (const controller of lane.running.values()) controller.abort();
    return dropped;
  }

  /** Resolves when nothing waits and nothing runs. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      this.whenIdle.push(resolve);
      this.checkIdle();
    });
  }

  private next(): void {
    while (this.running < this.concurrent) {
      const lane = this.ring.shift();
      if (lane === undefined) return;
      const [run] = lane.waiting.values();
      lane.waiting.delete(run!.id);
      this.waiting--;
      if (lane.waiting.size > 0) this.ring.push(lane);
      this.start(lane, run!);
    }
  }

  private start(lane: Lane, run: WaitingRun): void {
    const controller = this.spare.pop() ?? new AbortController();
    lane.running.set(run.id, controller);
    this.running++;
    const { inputs, profile, session } = run;
    const start = this.clock.now();
    submit(session, inputs, { signal: controller.signal, profile }).then(
      (result) => {
        const milliseconds = this.clock.now() - start;
        this.end(lane, run, { result, milliseconds }, milliseconds);
      },
      (error: unknown) => this.end(lane, run, { error }, this.clock.now() - start),
    );
  }

  private end(lane: Lane, run: WaitingRun, outcome: RunOutcome, milliseconds: number): void {
    const controller = lane.running.get(run.id)!;
    lane.running.delete(run.id);
    this.running--;
    // By the contract of submit nobody listens to it any more.
    if (!controller.signal.aborted) this.spare.push(controller);
    lane.ended(run, outcome);
    if (milliseconds > LONG_RUN_MS) this.clock.soon(() => this.next());
    else this.next();
    this.checkIdle();
  }

  private checkIdle(): void {
    if (this.running > 0 || this.waiting > 0) return;
    for (const resolve of this.whenIdle.splice(0)) resolve();
  }
}

/** A transport should reject; one that throws must not take the queue with it. */
function submit(
  { shared }: AgentSession,
  inputs: readonly Uint8Array[],
  options: SubmitOptions,
): Promise<SubmitResult> {
  try {
    return shared.loaded.submit(inputs, options);
  } catch (error) {
    return Promise.reject(error as Error);
  }
}
