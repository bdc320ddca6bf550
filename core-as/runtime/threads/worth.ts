// Whether several threads are faster than one just now. They are not when other programs want the cores too, or when the system puts
// two threads on one core: then each waits for the other to get its turn.
// SPDX-License-Identifier: MIT

/** Runs together after which they are judged: a system takes some to give each thread a core. */
const TRIAL_RUNS = 12;
/** Of these, the last ones count. */
const JUDGED_RUNS = 6;
/** So many in a row that take too much more than one thread alone end a trial. */
const HOPELESS_RUNS = 6;
const HOPELESS = 2.5;
/** Share of the time of one thread that is worth the others. */
const WORTHWHILE = 0.95;
/** Runs alone after a trial that failed; twice as many after each further one. */
const REST_RUNS = 12;
const REST_RUNS_MAX = 384;

/** Chooses, run by run, from how long the ones before took. */
export class Worth {
  private aloneMs = Infinity;
  private trial: number[] = [];
  private resting = 0;
  private rest = REST_RUNS;
  private runs = 0;

  /** True when the next run is to be together. The first one decodes coefficients; the second one tells what one thread takes. */
  get together(): boolean {
    return this.runs !== 1 && this.resting === 0;
  }

  /** Notes how long the run took that `together` chose. */
  note(milliseconds: number): void {
    const { together } = this;
    if (this.runs++ === 0) return;
    if (!together) {
      this.aloneMs = Math.min(this.aloneMs * 1.1, milliseconds);
      if (this.resting > 0) this.resting--;
      return;
    }
    this.trial.push(milliseconds);
    const recent = this.trial.slice(-HOPELESS_RUNS);
    const isHopeless =
      recent.length === HOPELESS_RUNS && recent.every((ms) => ms > this.aloneMs * HOPELESS);
    if (this.trial.length < TRIAL_RUNS && !isHopeless) return;
    const judged = this.trial.slice(-JUDGED_RUNS).sort((a, b) => a - b);
    this.trial = [];
    if (judged[judged.length >> 1]! <= this.aloneMs * WORTHWHILE) {
      this.rest = REST_RUNS;
      return;
    }
    this.resting = this.rest;
    this.rest = Math.min(this.rest * 2, REST_RUNS_MAX);
  }
}
