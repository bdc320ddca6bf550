// The compiler as one object whose methods take and return plain data, so that it can live in a worker.
// SPDX-License-Identifier: MIT
import { releaseProxy, transfer } from "comlink";
import type { CompileCache } from "../compile/cache.ts";
import { compile, targetChip, type CompileOptions } from "../compile/compile.ts";
import type { PassTiming } from "../compile/pipeline.ts";
import { Core } from "../core.ts";
import { sameBytes } from "../executable/bytes.ts";
import { parseExecutable, serialiseExecutable } from "../executable/container.ts";
import { buildReport, type CompileReport } from "../inspect/report.ts";
import { createSession, type Session } from "../runtime/session.ts";
import { createSimTransport } from "../runtime/sim-transport.ts";
import type { SimThreads } from "../runtime/threads/team.ts";
import type { SubmitResult } from "../runtime/transport.ts";

/** What can be chosen about a compilation and crosses to a worker. */
export type WorkerCompileOptions = Omit<
  CompileOptions,
  "cache" | "core" | "onCacheError" | "onProgress" | "signal"
>;

/** What a worker's compiler is made from. */
export interface CompilerServiceOptions {
  /** Where results are kept, e.g. `createCacheStorageCache()`; default: nowhere. */
  cache?: CompileCache;
  /** Threads that simulate together, e.g. `webSimThreads(2)`; default: one thread. */
  threads?: SimThreads;
}

/**
 * What a compilation in a worker gives: bytes and plain values, nothing that cannot cross
 * threads.
 */
export interface WorkerCompileResult {
  /** Bytes of the .twx file. */
  executable: Uint8Array;
  report: CompileReport;
  /** Time of each pass. */
  timings: PassTiming[];
  /** True when it was loaded instead of compiled. */
  cached: boolean;
}

/** Stage or step, and the share of work done (0..1, never less than before). From another thread: wrapped by `proxy`. */
export type WorkerProgress = (stage: string, done: number) => void;

/** The executable that was simulated last, ready to run. */
interface Loaded {
  twx: Uint8Array;
  session: Session;
  close(): Promise<void>;
}

/**
 * Compiles, reports and simulates, one call after the other. `cancel` stops what runs and what waits. Nothing of it knows threads:
 * `exposeCompiler` and `wrapCompiler` carry it across.
 */
export class CompilerService {
  private core: Promise<Core> | undefined;
  private turn: Promise<unknown> = Promise.resolve();
  private readonly running = new Set<AbortController>();
  private loaded: Loaded | undefined;

  constructor(private readonly options: CompilerServiceOptions = {}) {}

  /**
   * Compiles a TFLite model; see `compile` of the package for options and errors.
   * @param model bytes of the file
   * @throws TransportError TW_IO_ABORTED after `cancel`
   */
  compile(
    model: Uint8Array,
    options: WorkerCompileOptions = {},
    onProgress?: WorkerProgress,
  ): Promise<WorkerCompileResult> {
    return this.inTurn(onProgress, async (signal, progress) => {
      this.core ??= Core.create();
      const result = await compile(model, {
        ...options,
        cache: this.options.cache,
        core: await this.core,
        signal,
        onProgress: progress,
      });
      const { report, timings, cached, twx } = result;
      // The cache may hold the same bytes, so they are not ours to give away.
      const executable = twx?.slice() ?? serialiseExecutable(result.executable);
      return transfer({ executable, report, timings, cached }, [executable.buffer]);
    });
  }

  /** Stops the running call and those that wait: they reject with TW_IO_ABORTED at their next pause. */
  cancel(): void {
    for (const controller of this.running) controller.abort();
  }

  /**
   * Describes an executable.
   * @param twx bytes of a .twx file
   * @throws ExecutableError TW_EXE_*
   */
  async report(twx: Uint8Array): Promise<CompileReport> {
    return buildReport(parseExecutable(twx));
  }

  /**
   * One inference in the simulator of the executable's chip. The last executable stays loaded, so that running it again costs the run only.
   * @param twx bytes of a .twx file
   * @param inputs bytes of every graph input, in the graph's order
   * @param onProgress called between steps; jobs of one NPU step run without a pause
   * @throws ExecutableError TW_EXE_*; SimFault; TransportError TW_IO_INPUT, TW_IO_ABORTED after `cancel`
   */
  simulate(
    twx: Uint8Array,
    inputs: Uint8Array[],
    onProgress?: WorkerProgress,
  ): Promise<SubmitResult> {
    return this.inTurn(onProgress, async (signal, progress) => {
      progress("load", 0);
      const session = await this.load(twx, signal);
      progress("run", 0);
      const result = await session.run(inputs, {
        signal,
        onStep: (done) => progress("run", done),
      });
      progress("done", 1);
      return transfer(
        result,
        result.outputs.map(({ buffer }) => buffer),
      );
    });
  }

  /** The session of an executable: the held one when the bytes are the same. */
  private async load(twx: Uint8Array, signal: AbortSignal): Promise<Session> {
    if (this.loaded && sameBytes(this.loaded.twx, twx)) return this.loaded.session;
    await this.loaded?.close();
    this.loaded = undefined;
    const executable = parseExecutable(twx);
    const transport = createSimTransport(targetChip(executable.chip.name), {
      threads: this.options.threads,
    });
    const session = await createSession(executable, transport, { signal });
    const close = async (): Promise<void> => {
      await session.close();
      await transport.close();
    };
    this.loaded = { twx, session, close };
    return session;
  }

  /** Runs one call after those before it have settled. */
  private inTurn<T>(
    onProgress: WorkerProgress | undefined,
    work: (signal: AbortSignal, progress: WorkerProgress) => Promise<T>,
  ): Promise<T> {
    const controller = new AbortController();
    this.running.add(controller);
    let heard: Promise<void> = Promise.resolve();
    const progress: WorkerProgress = (stage, done) =>
      void (heard = report(onProgress, stage, done));
    // A result never arrives before the progress that led to it.
    const result = this.turn.then(async () => {
      const answer = await work(controller.signal, progress);
      if (onProgress) await atMost(LISTENER_MS, heard);
      return answer;
    });
    const settled = (): void => {
      this.running.delete(controller);
      release(onProgress);
    };
    this.turn = result.then(settled, settled);
    return result;
  }
}

/** Waits for something, but not for longer; leaves no timer behind. */
async function atMost(ms: number, something: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  await Promise.race([something, new Promise((end) => (timer = setTimeout(end, ms)))]);
  clearTimeout(timer);
}

/** A listener that has gone away does not hold up a result for longer. */
const LISTENER_MS = 500;

/** Resolves when the listener has heard; one that has gone away or throws changes nothing: it may live in another thread. */
function report(
  onProgress: WorkerProgress | undefined,
  stage: string,
  done: number,
): Promise<void> {
  return (async () => void (await onProgress?.(stage, done)))().catch(() => {});
}

/** A listener in another thread holds a port open until it is released. */
function release(listener: WorkerProgress | undefined): void {
  (listener as { [releaseProxy]?: () => void } | undefined)?.[releaseProxy]?.();
}
