// The page's state and everything that changes it: opening files, compiling in the worker, cancelling, settings.
// SPDX-License-Identifier: MIT
import type { CompileMode } from "../../../core-as/index.ts";
import { proxy, type Remote } from "../../../core-as/worker/index.ts";
import type { Compiled, Selection } from "../panel-types.ts";
import type { PreviewService } from "../service.ts";
import type { GraphView } from "../views/graph-data.ts";
import { failureOf, isAborted, type Failure } from "./failure.ts";
import { msText, plural } from "./format.ts";
import { choicesKey, readHash, writeHash, type CompileChoices, type Settings } from "./settings.ts";
import { readSource, type Source } from "./source.ts";

/** A compilation under way. */
export interface Work {
  mode: CompileMode;
  /** Pass that runs. */
  stage: string;
  /** Share of the passes that are done, 0..1. */
  done: number;
  cancelling: boolean;
}

export interface State {
  settings: Settings;
  source: Source | null;
  /** What the panels show; null before the first compilation and after a failed one. */
  shown: Compiled | null;
  /** Operators, tensors and layout of what is shown, once the worker has computed it. */
  graph: GraphView | null;
  /** Why there is no graph of it. */
  graphFailure: Failure | null;
  /** The same model in the other mode, for the comparison. */
  other: Compiled | null;
  otherFailure: Failure | null;
  work: Work | null;
  failure: Failure | null;
  /** True after a compilation was cancelled and nothing is there to show. */
  cancelled: boolean;
  selection: Selection;
  /** For screen readers, spoken when it changes. */
  announcement: string;
}

interface Kept {
  compiled: Compiled;
  choices: CompileChoices;
}

/** What belongs to a file, before there is any of it. */
const NOTHING = {
  shown: null,
  graph: null,
  graphFailure: null,
  other: null,
  otherFailure: null,
  selection: {},
};

/** Compilations that are kept for switching back and forth. */
const MOST_KEPT = 4;

const CANCELLED = "Compilation cancelled.";

export class Controller {
  state: State;
  readonly #listeners = new Set<() => void>();
  readonly #kept = new Map<string, Kept>();
  /** Rises with every file, so that keys of different files differ. */
  #file = 0;
  /** Rises whenever what should be shown changes; older answers are dropped. */
  #turn = 0;
  #busy: Promise<unknown> = Promise.resolve();

  constructor(readonly service: Remote<PreviewService>) {
    this.state = {
      settings: readHash(location.hash),
      source: null,
      work: null,
      failure: null,
      cancelled: false,
      announcement: "",
      ...NOTHING,
    };
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #set(patch: Partial<State>): void {
    this.state = { ...this.state, ...patch };
    for (const listener of this.#listeners) listener();
  }

  select = (selection: Selection): void => this.#set({ selection });

  announce(announcement: string): void {
    this.#set({ announcement });
  }

  /** Takes over settings, writes them into the address, and compiles again where they ask for it. */
  change(patch: Partial<Settings>): void {
    const before = this.state.settings;
    const settings = { ...before, ...patch };
    this.#set({ settings });
    const hash = writeHash(settings);
    if (hash !== location.hash.replace(/^#/, ""))
      history.replaceState(
        null,
        "",
        hash === "" ? location.pathname + location.search : `#${hash}`,
      );
    const { source } = this.state;
    if (source?.kind === "model" && choicesKey(settings) !== choicesKey(before))
      void this.compile();
  }

  /** Opens a file that was chosen, dropped or pasted. */
  async openFile(file: File): Promise<void> {
    await this.openFrom(() => readSource(file));
  }

  /** Opens what a function reads; a failure to read is shown like one to compile. */
  async openFrom(read: () => Promise<Source>): Promise<void> {
    const turn = ++this.#turn;
    try {
      const source = await read();
      if (turn === this.#turn) this.open(source);
    } catch (error) {
      this.#fail(error);
    }
  }

  open(source: Source): void {
    this.#file++;
    for (const { compiled } of this.#kept.values()) void this.service.forget(compiled.key);
    this.#kept.clear();
    this.#set({ source, ...NOTHING });
    if (source.kind === "twx") void this.#openExecutable(source);
    else void this.compile();
  }

  /** Back to the empty page. */
  close(): void {
    this.#turn++;
    this.cancel();
    this.#set({ source: null, failure: null, cancelled: false, ...NOTHING });
  }

  async #openExecutable({ name, bytes }: Source): Promise<void> {
    const turn = ++this.#turn;
    this.#set({ failure: null, cancelled: false });
    try {
      const report = await this.service.report(bytes);
      const key = `${this.#file} ${name}`;
      await this.service.hold(key, bytes);
      if (turn !== this.#turn) return;
      const { mode, target } = report;
      const chip = target.name;
      await this.#show(turn, {
        key,
        name,
        kind: "twx",
        chip,
        mode,
        twx: bytes,
        report,
        timings: [],
      });
    } catch (error) {
      if (turn === this.#turn) this.#fail(error);
    }
  }

  /** Compiles the model with the settings as they are. */
  async compile(): Promise<void> {
    const turn = ++this.#turn;
    this.#set({ failure: null, cancelled: false, otherFailure: null, other: null });
    try {
      const compiled = await this.#compiled(this.state.settings, turn);
      if (compiled && turn === this.#turn) await this.#show(turn, compiled);
    } catch (error) {
      if (turn === this.#turn) this.#compileFailed(error);
    }
  }

  /** Compiles the other mode for the comparison, unless that is there or under way. */
  async compileOther(): Promise<void> {
    const { source, shown, other, otherFailure, work, settings } = this.state;
    if (source?.kind !== "model" || !shown || other || otherFailure || work) return;
    const turn = this.#turn;
    const mode = shown.mode === "optimised" ? "compatible" : "optimised";
    try {
      // Wrong results of the reference are no reason not to compare its times.
      const compiled = await this.#compiled({ ...settings, mode, allowQuirks: true }, turn);
      if (compiled && turn === this.#turn)
        this.#set({ other: compiled, announcement: "Both modes are ready." });
    } catch (error) {
      if (turn !== this.#turn) return;
      // Any other failure is an alert, which is spoken by itself.
      const announcement = isAborted(error) ? CANCELLED : "";
      this.#set({ otherFailure: failureOf(error), announcement });
    }
  }

  /** The comparison compiles what it does not have, once nothing says that this failed. */
  compareAgain(): void {
    this.#set({ otherFailure: null });
  }

  /** Asks the running compilation to stop at its next pass. */
  cancel(): void {
    const { work } = this.state;
    if (work === null) return;
    this.#set({ work: { ...work, cancelling: true } });
    void this.service.cancel();
  }

  /** A compilation from the last few, or a new one; undefined when it is no longer wanted. */
  async #compiled(choices: CompileChoices, turn: number): Promise<Compiled | undefined> {
    const kept = this.#kept.get(choicesKey(choices));
    if (kept) this.#keep(kept);
    if (this.state.work) this.cancel();
    const before = this.#busy;
    const run = (async () => {
      await before.catch(() => undefined);
      if (turn !== this.#turn) return undefined;
      return kept?.compiled ?? this.#run(choices, turn);
    })();
    this.#busy = run;
    return run;
  }

  async #run(choices: CompileChoices, turn: number): Promise<Compiled> {
    const { name, bytes } = this.state.source!;
    const { chip, mode } = choices;
    this.#set({
      work: { mode, stage: "start", done: 0, cancelling: false },
      announcement: `Compiling ${name} for ${chip}, ${mode} mode.`,
    });
    const progress = proxy((stage: string, done: number): void => {
      const { work } = this.state;
      if (work && turn === this.#turn) this.#set({ work: { ...work, stage, done } });
    });
    try {
      const options = optionsOf(choices);
      const result = await this.service.compile(bytes, options, progress);
      const key = `${this.#file} ${choicesKey(choices)}`;
      const { executable: twx, report, timings } = result;
      await this.service.hold(key, twx, bytes);
      const compiled: Compiled = {
        key,
        name,
        kind: "model",
        chip,
        mode,
        twx,
        report,
        options,
        timings,
      };
      if (turn === this.#turn) this.#keep({ compiled, choices });
      else void this.service.forget(key);
      return compiled;
    } finally {
      this.#set({ work: null });
    }
  }

  /** The entry becomes the youngest, whether it is new or not: what is shown is never the one that is forgotten. */
  #keep(entry: Kept): void {
    const key = choicesKey(entry.choices);
    this.#kept.delete(key);
    this.#kept.set(key, entry);
    for (const [oldest, { compiled }] of this.#kept) {
      if (this.#kept.size <= MOST_KEPT) break;
      this.#kept.delete(oldest);
      void this.service.forget(compiled.key);
    }
  }

  async #show(turn: number, shown: Compiled): Promise<void> {
    const { totals, jobs } = shown.report;
    const hasTime = totals.predictedMs !== null && totals.jobs > 0;
    const time = hasTime ? ` Predicted ${msText(totals.predictedMs!)}.` : "";
    const { op, partition, job } = this.state.selection;
    // Other settings make other jobs: under the same numbers there may be a job of another operator.
    const isGone =
      job !== undefined &&
      jobs.find((each) => each.partition === partition && each.job === job)?.sourceOp !== op;
    this.#set({
      shown,
      graph: null,
      graphFailure: null,
      ...(isGone ? { selection: { op } } : {}),
      announcement:
        `${shown.name} is ready.${time} ` +
        `${totals.operatorsOnNpu} of ${plural(totals.operators, "operator")} on the NPU, ${plural(totals.jobs, "job")}.`,
    });
    try {
      const graph = (await this.service.view("graph", { key: shown.key })) as GraphView;
      if (turn === this.#turn) this.#set({ graph });
    } catch (error) {
      // All other panels can do without.
      if (turn === this.#turn) this.#set({ graphFailure: failureOf(error) });
    }
  }

  /** A cancelled compilation leaves what was shown before, with the settings that it was compiled with. */
  #compileFailed(error: unknown): void {
    if (!isAborted(error)) return this.#fail(error);
    const { shown, settings } = this.state;
    const announcement = CANCELLED;
    if (shown === null) return this.#set({ cancelled: true, announcement });
    const kept = [...this.#kept.values()].find(({ compiled }) => compiled.key === shown.key);
    if (kept) {
      const { chip, mode, exactRounding, capturedOnly, accuracy, allowQuirks } = kept.choices;
      const choices = { chip, mode, exactRounding, capturedOnly, accuracy, allowQuirks };
      this.#set({ settings: { ...settings, ...choices } });
      this.change({});
    }
    this.#set({ announcement });
  }

  #fail(error: unknown): void {
    const failure = failureOf(error);
    this.#set({ failure, ...NOTHING });
  }

  /** The worker itself died, e.g. for lack of memory. */
  workerFailed(message: string): void {
    this.#fail(new Error(`the worker stopped: ${message}`));
    this.#set({ work: null });
  }
}

function optionsOf(choices: CompileChoices) {
  const { chip, mode, exactRounding, capturedOnly, accuracy, allowQuirks } = choices;
  return mode === "optimised"
    ? { target: chip, mode, exactRounding, capturedOnly, accuracy }
    : { target: chip, mode, allowQuirks };
}
