// The compiler: every pass on one screen, in order. Each result is checked before the next pass runs.
// SPDX-License-Identifier: MIT
import type { Core } from "../core.ts";
import { UnsupportedError } from "../errors.ts";
import type { Executable, Placement, Step } from "../executable/executable.ts";
import type { Model } from "../ir/graph.ts";
import { verifyGraph } from "../ir/verify.ts";
import { refinePlacements } from "../legalise/neighbours.ts";
import { groupOperators, placeOperators, type OpGroup } from "../legalise/partition.ts";
import { readModel } from "../model/read.ts";
import { generatePartition } from "./generate.ts";
import type { Lowered } from "./jobs.ts";
import { lowerCompatible } from "./compatible/lower.ts";
import { explainFolds } from "./optimised/fold/explain.ts";
import { lowerOptimised } from "./optimised/lower.ts";
import { planMemory } from "./optimised/memory.ts";
import { overlapJobs } from "./optimised/overlap.ts";
import { Optimiser } from "./optimised/search/optimise.ts";
import type { CompileSettings } from "./options.ts";

/** What the passes hand to each other. */
interface Compilation {
  readonly core: Core;
  readonly settings: CompileSettings;
  readonly bytes: Uint8Array;
  model?: Model;
  placements?: Placement[];
  groups?: OpGroup[];
  lowered?: Lowered[];
  /** Follows the cost model; none = the reference's choices. */
  optimiser?: Optimiser;
  executable?: Executable;
}

interface Pass {
  name: string;
  run(compilation: Compilation): void;
}

const PASSES: readonly Pass[] = [
  { name: "import", run: importModel },
  { name: "place", run: place },
  { name: "refine placement", run: refine },
  { name: "group", run: group },
  { name: "lower", run: lower },
  { name: "refuse quirks", run: refuseQuirks },
  { name: "fold jobs", run: fold },
  { name: "optimise", run: optimise },
  { name: "order jobs", run: order },
  { name: "overlap jobs", run: overlap },
  { name: "plan memory", run: planTensors },
  { name: "generate", run: generate },
];

export interface PassTiming {
  name: string;
  milliseconds: number;
}

export interface PipelineResult {
  model: Model;
  executable: Executable;
  lowered: Lowered[];
  timings: PassTiming[];
}

/**
 * Runs all passes.
 * @param core instance to encode with; nothing stays allocated in it
 * @param bytes a TFLite file
 * @param onPass called before each pass with its name and the share of work done (0..1)
 */
export function runPipeline(
  core: Core,
  bytes: Uint8Array,
  settings: CompileSettings,
  onPass?: (name: string, done: number) => void,
): PipelineResult {
  const compilation: Compilation = { core, settings, bytes };
  const timings: PassTiming[] = [];
  for (const [index, { name, run }] of PASSES.entries()) {
    onPass?.(name, index / PASSES.length);
    const start = performance.now();
    run(compilation);
    timings.push({ name, milliseconds: performance.now() - start });
  }
  const { model, executable, lowered } = compilation;
  return { model: model!, executable: executable!, lowered: lowered!, timings };
}

function importModel(compilation: Compilation): void {
  const model = readModel(compilation.bytes);
  // The reference compiles malformed additions, so reproducing it must let them in.
  verifyGraph(model.graph, "import", {
    allowMalformedAdd:
      compilation.settings.mode === "compatible" && compilation.settings.allowQuirks,
  });
  compilation.model = model;
}

function place(compilation: Compilation): void {
  compilation.placements = placeOperators(compilation.model!.graph, compilation.settings);
}

/** The reference driver places every operator on its own. */
function refine(compilation: Compilation): void {
  if (compilation.settings.mode === "compatible") return;
  compilation.placements = refinePlacements(compilation.model!.graph, compilation.placements!);
}

function group(compilation: Compilation): void {
  compilation.groups = groupOperators(compilation.model!.graph, compilation.placements!);
}

function lower(compilation: Compilation): void {
  const { core, settings } = compilation;
  const { graph } = compilation.model!;
  const { chip, mode } = settings;
  const partitions = compilation.groups!.filter(({ place }) => place === "npu");
  if (mode === "compatible") {
    compilation.lowered = partitions.map(({ ops }) => lowerCompatible(graph, ops, chip));
    return;
  }
  const optimiser = new Optimiser(core, settings);
  compilation.optimiser = optimiser;
  compilation.lowered = partitions.map(({ ops }) =>
    lowerOptimised(graph, ops, settings, optimiser),
  );
}

function refuseQuirks({ lowered, settings }: Compilation): void {
  if (settings.allowQuirks) return;
  for (const [partition, { quirks }] of lowered!.entries()) {
    const first = quirks[0];
    if (first)
      throw new UnsupportedError(
        "TW_UNSUP_QUIRK",
        `the reference driver computes wrong results here: ${first.quirk} in job ${partition}.${first.job}, ${first.why}` +
          (quirks.length > 1 ? ` (and ${quirks.length - 1} more)` : "") +
          "; allow quirks to get its bytes all the same, or compile in optimised mode",
        { job: first.job },
      );
  }
}

function fold(compilation: Compilation): void {
  const { optimiser, lowered } = compilation;
  if (!optimiser) return;
  compilation.lowered = lowered!.map((work) => optimiser.fold(work));
  const folds = compilation.lowered.flatMap((work) => work.folds ?? []);
  compilation.placements = explainFolds(compilation.model!.graph, compilation.placements!, folds);
}

/** The reference's jobs stay as they are. */
function optimise(compilation: Compilation): void {
  const { optimiser, lowered } = compilation;
  if (optimiser) compilation.lowered = lowered!.map((work) => optimiser.optimise(work));
}

function order(compilation: Compilation): void {
  const { optimiser, lowered } = compilation;
  if (optimiser) compilation.lowered = lowered!.map((work) => optimiser.order(work));
}

function overlap(compilation: Compilation): void {
  const { mode, capturedOnly, overlap: wanted } = compilation.settings;
  if (mode === "optimised" && wanted && !capturedOnly)
    compilation.lowered = compilation.lowered!.map(overlapJobs);
}

function planTensors(compilation: Compilation): void {
  const { mode, memoryPlan } = compilation.settings;
  if (mode === "optimised" && memoryPlan)
    compilation.lowered = compilation.lowered!.map(planMemory);
}

function generate(compilation: Compilation): void {
  const { core, model, settings, groups, lowered, placements, optimiser } = compilation;
  const partitions = lowered!.map((work) => generatePartition(core, work, optimiser?.plans));
  let next = 0;
  const steps = groups!.map(({ place, ops }): Step =>
    place === "npu"
      ? { kind: "npu", partition: next++ }
      : { kind: "cpu", ops: ops.map((op) => op.id) },
  );
  const { name, model: chipModel, revision, productId, ecoId, customerId } = settings.chip;
  const numbered = <T>(list: (work: Lowered) => T[], text: (item: T) => string): string[] =>
    lowered!.flatMap((work, partition) => list(work).map((item) => `${partition}.${text(item)}`));
  compilation.executable = {
    producer: "tilewright",
    chip: { name, model: chipModel, revision, productId, ecoId, customerId },
    mode: settings.mode,
    modelSha256: "",
    graph: model!.graph,
    partitions,
    steps,
    placements: placements!,
    quirks: numbered(
      ({ quirks }) => quirks,
      ({ job, quirk }) => `${job}:${quirk}`,
    ),
    undefinedJobs: numbered(({ undefinedJobs }) => undefinedJobs, String),
  };
}
