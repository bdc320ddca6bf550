// The compiler as applications call it: bytes of a model in, an executable and a report out.
// SPDX-License-Identifier: MIT
import { Core } from "../core.ts";
import { TransportError, UsageError } from "../errors.ts";
import type { Executable } from "../executable/executable.ts";
import { stripConstants } from "../executable/strip-constants.ts";
import { chipByIdentity, chipByName, CHIPS, parseIdentity, type Chip } from "../hw/chips.ts";
import { systemOf, type System } from "../hw/systems.ts";
import { sha256Hex } from "../inspect/canonical.ts";
import { buildReport, type CompileReport } from "../inspect/report.ts";
import type { Model } from "../ir/graph.ts";
import type { CompileMode, Optimisations } from "./options.ts";
import { runPipeline, type PassTiming } from "./pipeline.ts";

export const DEFAULT_TARGET = "a311d";
export const DEFAULT_MODE: CompileMode = "optimised";

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
   * optimised mode, experimental: jobs of the NN cores and of the TP cores run at the same time where neither needs the other
   * (docs/cost-model.md). What makes them do so was never captured in this form; with `capturedOnly` none do. Default false.
   */
  overlap?: boolean;
  /** Instance to work in; default: a new one. Nothing stays allocated in it. */
  core?: Core;
  /** Called before each stage with its name and the share of work done (0..1), and once with 1 at the end. */
  onProgress?: (stage: string, done: number) => void;
  /** Checked between stages. */
  signal?: AbortSignal;
}

export interface CompileResult {
  executable: Executable;
  /** The model as imported, with all constants (views of the bytes that were given). */
  model: Model;
  report: CompileReport;
  /** Time of each pass. */
  timings: PassTiming[];
}

/**
 * Compiles a TFLite model.
 * @param model bytes of the file; must not change while the result is in use
 * @throws TypeError when `model` is not a Uint8Array
 * @throws UsageError TW_USAGE for an unknown target or mode
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
    overlap = false,
    signal,
    onProgress,
  } = options;
  if (mode !== "optimised" && mode !== "compatible")
    throw new UsageError(`mode ${String(mode)} is neither optimised nor compatible`, "mode");
  const chip = targetChip(options.target ?? DEFAULT_TARGET);
  const step = (stage: string, done: number): void => {
    checkSignal(signal);
    onProgress?.(stage, done);
  };
  checkSignal(signal);
  const system = options.system ?? systemOf(chip.name);
  const core = options.core ?? (await Core.create());
  const modelSha256 = await modelDigest(model);
  const result = runPipeline(
    core,
    model,
    {
      chip,
      mode,
      allowQuirks,
      capturedOnly,
      memoryPlan,
      exactRounding,
      overlap,
      system,
      optimisations,
    },
    step,
  );
  const { graph, steps } = result.executable;
  const executable = { ...result.executable, modelSha256, graph: stripConstants(graph, steps) };
  const report = buildReport(executable, result.model, { system });
  step("done", 1);
  return { executable, model: result.model, report, timings: result.timings };
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

function checkSignal(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true)
    throw new TransportError("TW_IO_ABORTED", "the compilation was aborted", {}, signal.reason);
}

/** SHA-256 of the model; empty where the host has no Web Cryptography (pages that are not a secure context). */
async function modelDigest(model: Uint8Array): Promise<string> {
  return globalThis.crypto?.subtle === undefined ? "" : sha256Hex(model);
}
