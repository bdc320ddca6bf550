// The compiler as a worker offers it to its page.
// SPDX-License-Identifier: MIT
import {
  buildReport,
  compile,
  Core,
  parseExecutable,
  serialiseExecutable,
  type CompileOptions,
  type CompileReport,
  type PassTiming,
} from "../../core-as/index.ts";

export type WorkerCompileOptions = Omit<CompileOptions, "core" | "onProgress" | "signal">;

export interface WorkerCompileResult {
  executable: Uint8Array;
  report: CompileReport;
  timings: PassTiming[];
  cached: boolean;
}

export class CompilerService {
  #core: Promise<Core> | undefined;
  #running: AbortController | undefined;

  /** One instance for everything; nothing stays allocated in it. */
  protected core(): Promise<Core> {
    this.#core ??= Core.create();
    return this.#core;
  }

  async compile(
    model: Uint8Array,
    options: WorkerCompileOptions,
    onProgress?: (stage: string, done: number) => void,
  ): Promise<WorkerCompileResult> {
    const running = new AbortController();
    this.#running = running;
    const core = await this.core();
    const { signal } = running;
    const { executable, report, timings } = await compile(model, {
      ...options,
      core,
      signal,
      onProgress,
    });
    return { executable: serialiseExecutable(executable), report, timings, cached: false };
  }

  cancel(): void {
    this.#running?.abort();
  }

  async report(twx: Uint8Array): Promise<CompileReport> {
    return buildReport(parseExecutable(twx));
  }
}
