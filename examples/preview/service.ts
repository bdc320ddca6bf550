// What the preview's worker does for its page: compiling, and one view function for each panel that needs bytes.
// SPDX-License-Identifier: MIT
import {
  buildReport,
  Core,
  parseExecutable,
  UsageError,
  type CompileReport,
  type Executable,
} from "../../core-as/index.ts";
import { CompilerService, type WorkerProgress } from "../../core-as/worker/index.ts";

/** What a view function works on. */
export interface Held {
  executable: Executable;
  /** Bytes of the TFLite file; undefined where a .twx was opened, which holds constants of CPU steps only. */
  model?: Uint8Array;
  report: CompileReport;
  core: Core;
  /** Fires when the page no longer wants the view (`cancelViews`). */
  signal: AbortSignal;
  /** For views that take long: what is being done, and the share of it that is done, 0..1. */
  onProgress: WorkerProgress;
}

/** Computes what a panel shows, as plain values that can be cloned. */
export type View = (held: Held, args: never) => unknown;

export type Views = Readonly<Record<string, View>>;

/** Most executables that are held; the page forgets what it no longer shows, so this only bounds what mistakes could cost. */
const MOST_HELD = 8;

interface Kept {
  executable: Executable;
  model?: Uint8Array;
  report?: CompileReport;
}

export class PreviewService extends CompilerService {
  readonly #held = new Map<string, Kept>();
  #viewCore: Promise<Core> | undefined;
  /** Views take turns: a core has one caller at a time. */
  #turn: Promise<unknown> = Promise.resolve();
  /** Views that run or wait, and their names. */
  readonly #views = new Map<AbortController, string>();

  /**
   * Keeps an executable for view functions; of more than eight the oldest is forgotten.
   * @param key name for `view`
   * @param twx bytes of the executable
   * @param model bytes of the TFLite file that it was compiled from
   * @throws ExecutableError TW_EXE_* when the bytes are damaged
   */
  async hold(key: string, twx: Uint8Array, model?: Uint8Array): Promise<void> {
    const executable = parseExecutable(twx);
    this.#held.delete(key);
    this.#held.set(key, { executable, ...(model ? { model } : {}) });
    for (const oldest of this.#held.keys())
      if (this.#held.size > MOST_HELD) this.#held.delete(oldest);
  }

  /** Forgets a held executable; an unknown key is no error. */
  forget(key: string): void {
    this.#held.delete(key);
  }

  /**
   * Computes what a panel shows.
   * @param name of a view function: views/, panels/views.ts, run/views.ts
   * @param args `key` names a held executable; everything else is the view's own
   * @param onProgress for views that take long; wrapped by `proxy`
   * @throws UsageError TW_USAGE for an unknown view or key
   * @throws TransportError TW_IO_ABORTED after `cancelViews`
   */
  async view(name: string, args: { key: string }, onProgress?: WorkerProgress): Promise<unknown> {
    const view = await findView(name);
    const kept = this.#held.get(args.key);
    if (kept === undefined)
      throw new UsageError(`no executable is held under ${JSON.stringify(args.key)}`, "key");
    this.#viewCore ??= Core.create();
    const core = await this.#viewCore;
    kept.report ??= buildReport(kept.executable);
    const running = new AbortController();
    this.#views.set(running, name);
    // Nobody waits for a listener, which may have gone with its panel.
    const report: WorkerProgress = (what, done) =>
      void (async () => onProgress?.(what, done))().catch(() => undefined);
    const { signal } = running;
    const held: Held = { ...kept, report: kept.report, core, signal, onProgress: report };
    const result = this.#turn.then(() => view(held, args as never));
    this.#turn = result.then(
      () => this.#views.delete(running),
      () => this.#views.delete(running),
    );
    return result;
  }

  /**
   * Stops views that listen to their signal, also those that still wait: they reject with TW_IO_ABORTED.
   * @param name of the view function: those that others ask for go on
   */
  cancelViews(name: string): void {
    for (const [running, of] of this.#views) if (of === name) running.abort();
  }
}

/** Views of the first screen are part of the worker; the others are loaded when a panel first asks. */
async function findView(name: string): Promise<View> {
  for (const load of [
    () => import("./views/views.ts"),
    () => import("./panels/views.ts"),
    () => import("./run/views.ts"),
  ]) {
    const views: Views = (await load()).VIEWS;
    const view = Object.hasOwn(views, name) ? views[name] : undefined;
    if (view) return view;
  }
  throw new UsageError(`there is no view ${JSON.stringify(name)}`, "view");
}
