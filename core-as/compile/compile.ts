// The compiler as applications call it: bytes of a model in, an executable and a report out.
// SPDX-License-Identifier: MIT
import { Core } from "../core.ts";
import { UsageError } from "../errors.ts";
import type { Executable } from "../executable/executable.ts";
import { stripConstants } from "../executable/strip-constants.ts";
import { chipByIdentity, chipByName, CHIPS, parseIdentity, type Chip } from "../hw/chips.ts";
import { systemOf, type System } from "../hw/systems.ts";
import { buildReport, type CompileReport } from "../inspect/report.ts";
import type { Model } from "../ir/graph.ts";
import {
  ACCURACIES,
  type Accuracy,
  type CompileMode,
  type CompileSettings,
  type Optimisations,
} from "./options.ts";
import { CachedResult, digestWith, type CompileCache, type Wanted } from "./cache.ts";
import { Pace } from "./pace.ts";
import { compilePasses, type PassProgress, type PassTiming } from "./pipeline.ts";
import { finish } from "./steps.ts";

/** Target name of the chip when none is given. */
export const DEFAULT_TARGET = "a311d";
/** Mode when none is given. */
export const DEFAULT_MODE: CompileMode = "optimised";

/** How to compile; every member is optional. */
export interface CompileOptions {
  /** Target name or alias of a chip, or its ids as "8000:7120:45080009:0:88"; default "a311d". */
  target?: string;
  /** Default "optimised". */
  mode?: CompileMode;
  /** compatible mode: emit what the reference driver emits even where it computes wrong results. Default false. */
  allowQuirks?: boolean;
  /** optimised mode: leave operators on the CPU whose NPU form no capture of a driver shows. Default false. */
  capturedOnly?: boolean;
  /** optimised mode: let tensors that are not alive at the same time share memory. Default true. */
  memoryPlan?: boolean;
  /** Figures that predictions and, in optimised mode, choices follow; default: those of hw/systems.ts for the chip. */
  system?: System;
  /** optimised mode: transformations to leave out, e.g. { depthwiseGroups: false }; default: none. */
  optimisations?: Partial<Optimisations>;
  /**
   * optimised mode: compute a convolution that no single job rounds as TFLite does in several jobs, each for a range of output steps,
   * and a sum (docs/accuracy.md): for every accumulator the bytes are TFLite's, for three times the predicted time and more on
   * version 7 of the NN cores. Default false.
   */
  exactRounding?: boolean;
  /**
   * optimised mode: also mechanisms that no capture of any driver shows, on version 8 of the NN cores caches, tall tiles and zero runs
   * (docs/cost-model.md, Experimental). Operators and jobs that use one are labelled. Default false.
   */
  experimental?: boolean;
  /**
   * optimised mode: error budget of layers with a scale for each channel (docs/accuracy.md): exact = every output within one step of
   * TFLite's, balanced = 99 % of a layer's outputs within one step and none more than three off, fast = the fewest jobs. Default "balanced".
   */
  accuracy?: Accuracy;
  /**
   * Where results are kept: what was compiled before from the same bytes with the same options, by the same build of the compiler, is
   * loaded instead. Not asked with a core of another WASM module, nor where neither host nor cache has a digest.
   */
  cache?: CompileCache;
  /** Told what the cache threw; the result is then compiled, or not kept. */
  onCacheError?: (error: unknown) => void;
  /**
   * optimised mode, experimental: jobs of the NN cores and of the TP cores run at the same time where neither needs the other
   * (docs/cost-model.md). What makes them do so was never captured in this form; with `capturedOnly` none do. Default false.
   */
  overlap?: boolean;
  /** Instance to work in; default: a new one. Nothing stays allocated in it. */
  core?: Core;
  /**
   * Called with a stage's name and the share of work done (0..1, never less than before): at the start of each stage, about every 15 ms
   * in long ones, and once with 1 at the end.
   */
  onProgress?: (stage: string, done: number) => void;
  /**
   * Stops the compilation at its next pause. With a signal or onProgress the compiler lets events in at each stage and about every
   * 15 ms within long ones; without either it never pauses.
   */
  signal?: AbortSignal;
}

/** What a compilation gives. */
export interface CompileResult {
  /** The compiled model; serialiseExecutable makes a .twx file of it. */
  executable: Executable;
  /** The model as imported, with all constants (views of the bytes that were given). */
  model: Model;
  /** Placements, jobs, predictions and totals, as plain JSON values. */
  report: CompileReport;
  /** Time of each pass; of a cached result, of what loading it took. */
  timings: PassTiming[];
  /** True when the result came from the cache. */
  cached: boolean;
  /** Bytes of the .twx file, where a cache made them necessary; executable and cache may share them, so they must not change. */
  twx?: Uint8Array;
}

/**
 * Compiles a TFLite model, or finds what was compiled before in `options.cache`.
 * @param model bytes of the file; must not change while the result is in use
 * @throws TypeError when `model` is not a Uint8Array
 * @throws UsageError TW_USAGE for an unknown target, mode or accuracy
 * @throws UnsupportedError TW_UNSUP_QUIRK
 * @throws ModelFormatError, GraphError for a broken model; PlanError, EncodeError for one that does not fit
 * @throws TransportError TW_IO_ABORTED when the signal fires
 */
export async function compile(
  model: Uint8Array,
  options: CompileOptions = {},
): Promise<CompileResult> {
  if (!(model instanceof Uint8Array)) throw new TypeError("a model is a Uint8Array");
  const {
    mode = DEFAULT_MODE,
    allowQuirks = false,
    capturedOnly = false,
    memoryPlan = true,
    optimisations = {},
    exactRounding = false,
    experimental = false,
    accuracy = "balanced",
    overlap = false,
  } = options;
  if (mode !== "optimised" && mode !== "compatible")
    throw new UsageError(`mode ${String(mode)} is neither optimised nor compatible`, "mode");
  if (!ACCURACIES.includes(accuracy))
    throw new UsageError(
      `accuracy ${String(accuracy)} is not ${ACCURACIES.join(", ")}`,
      "accuracy",
    );
  const chip = targetChip(options.target ?? DEFAULT_TARGET);
  const pace = new Pace("the compilation", options);
  pace.check();
  const system = options.system ?? systemOf(chip.name);
  const settings: CompileSettings = {
    chip,
    mode,
    allowQuirks,
    capturedOnly,
    memoryPlan,
    exactRounding,
    experimental,
    overlap,
    accuracy,
    system,
    optimisations,
  };
  const digest = digestWith(options.cache, options.onCacheError);
  // Another thread may do it meanwhile.
  const modelSha256 = digest(model);
  modelSha256.catch(() => {});
  const core = options.core ?? (await Core.create());
  const kept =
    options.cache &&
    (await openResult(options, core, { modelSha256: await modelSha256, settings, digest }));
  let result: CompileResult | undefined = await kept?.load(model);
  if (result === undefined) {
    result = await compileNow(core, model, modelSha256, settings, pace);
    if (kept) result.twx = await kept.keep(result, model);
  }
  pace.check();
  options.onProgress?.("done", 1);
  return result;
}

/** Runs the compiler. */
async function compileNow(
  core: Core,
  model: Uint8Array,
  modelSha256: Promise<string>,
  settings: CompileSettings,
  pace: Pace,
): Promise<CompileResult> {
  const result = await runPasses(compilePasses(core, model, settings), pace);
  const { graph, steps } = result.executable;
  const executable = {
    ...result.executable,
    modelSha256: await modelSha256,
    graph: stripConstants(graph, steps),
  };
  const report = buildReport(executable, result.model, { system: settings.system });
  return { executable, model: result.model, report, timings: result.timings, cached: false };
}

/**
 * The chip that a target means: a name, an alias, or the five ids that a kernel reports (see parseIdentity).
 * @throws UsageError TW_USAGE listing all targets
 */
export function targetChip(name: string): Chip {
  const ids = parseIdentity(name);
  const chip = ids === undefined ? chipByName(name) : chipByIdentity(ids);
  if (chip === undefined)
    throw new UsageError(
      `there is no target ${JSON.stringify(name)}; targets are ${CHIPS.map((known) => known.name).join(", ")}`,
      "target",
    );
  return chip;
}

/** The place of a result in the cache; undefined when none can be used. */
async function openResult(
  { cache, onCacheError }: CompileOptions,
  core: Core,
  wanted: Wanted,
): Promise<CachedResult | undefined> {
  if (cache === undefined || wanted.modelSha256 === "" || !core.isBuiltIn) return undefined;
  return CachedResult.open(cache, core, wanted, onCacheError);
}

/** Runs all passes, with pauses when somebody watches. */
async function runPasses<T>(passes: Generator<PassProgress, T, void>, pace: Pace): Promise<T> {
  if (!pace.isWatched) return finish(passes);
  try {
    for (;;) {
      const { done, value } = passes.next();
      if (done === true) return value;
      await pace.step(value.pass, value.done);
    }
  } finally {
    pace.end();
  }
}
