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
import { labelExperiments } from "./experimental-placements.ts";
import { generateSteps } from "./generate.ts";
import type { Lowered } from "./jobs.ts";
import { lowerCompatible } from "./compatible/lower.ts";
import { explainFolds } from "./optimised/fold/explain.ts";
import { lowerOptimised } from "./optimised/lower.ts";
import { planMemory } from "./optimised/memory.ts";
import { overlapJobs } from "./optimised/overlap.ts";
import { isPerChannel } from "./optimised/per-channel/layer.ts";
import { observeValues, type Observations } from "./optimised/per-channel/observed.ts";
import { hasFewProducts } from "./optimised/per-channel/samples.ts";
import type { Looks } from "./optimised/per-channel/tally.ts";
import { Optimiser } from "./optimised/search/optimise.ts";
import type { CompileSettings } from "./options.ts";
import { eachInTurn, finish, type Steps } from "./steps.ts";

/** What the passes hand to each other. */
interface Compilation {
  readonly core: Core;
  readonly settings: CompileSettings;
  readonly bytes: Uint8Array;
  model?: Model;
  placements?: Placement[];
  groups?: OpGroup[];
  /** What tensors around layers with a scale for each channel look like; null where nothing is known before they are seen. */
  observed?: Observations | null;
  lowered?: Lowered[];
  /** Follows the cost model; none = the reference's choices. */
  optimiser?: Optimiser;
  executable?: Executable;
}

interface Pass {
  name: string;
  /** About how much of a compilation it is; only progress depends on it. */
  share: number;
  /** Long passes return steps. */
  run(compilation: Compilation): void | Steps<void>;
}

const PASSES: readonly Pass[] = [
  { name: "import", share: 2, run: importModel },
  { name: "place", share: 1, run: place },
  { name: "refine placement", share: 1, run: refine },
  { name: "group", share: 1, run: group },
  { name: "observe values", share: 10, run: observe },
  { name: "lower", share: 50, run: lower },
  { name: "refuse quirks", share: 1, run: refuseQuirks },
  { name: "fold jobs", share: 1, run: fold },
  { name: "optimise", share: 15, run: optimise },
  { name: "order jobs", share: 2, run: order },
  { name: "overlap jobs", share: 1, run: overlap },
  { name: "plan memory", share: 4, run: planTensors },
  { name: "generate", share: 25, run: generate },
];
const ALL_SHARES = PASSES.reduce((sum, { share }) => sum + share, 0);

/** Time of one pass of the compiler. */
export interface PassTiming {
  /** Name of the pass, as in the list of ARCHITECTURE.md. */
  name: string;
  /** Wall-clock time. */
  milliseconds: number;
}

export interface PipelineResult {
  model: Model;
  executable: Executable;
  lowered: Lowered[];
  timings: PassTiming[];
}

/** Where a compilation stands. */
export interface PassProgress {
  pass: string;
  /** Share of all passes that is done: 0..1, never less than before. */
  done: number;
}

/**
 * All passes, as a generator: yields before each pass and, in long ones, between operators or jobs. At each yield nothing is
 * allocated in the core, so others may use it meanwhile.
 * @param core instance to encode with; nothing stays allocated in it
 * @param bytes a TFLite file
 */
export function* compilePasses(
  core: Core,
  bytes: Uint8Array,
  settings: CompileSettings,
): Generator<PassProgress, PipelineResult, void> {
  const compilation: Compilation = { core, settings, bytes };
  const timings: PassTiming[] = [];
  let before = 0;
  for (const { name, share, run } of PASSES) {
    const at = (part: number): PassProgress => ({
      pass: name,
      done: (before + share * part) / ALL_SHARES,
    });
    yield at(0);
    // Pauses are not the pass's time.
    let milliseconds = 0;
    let start = performance.now();
    for (const part of run(compilation) ?? []) {
      milliseconds += performance.now() - start;
      yield at(part);
      start = performance.now();
    }
    milliseconds += performance.now() - start;
    timings.push({ name, milliseconds });
    before += share;
  }
  const { model, executable, lowered } = compilation;
  return { model: model!, executable: executable!, lowered: lowered!, timings };
}

/** Runs all passes at once; see compilePasses. */
export function runPipeline(
  core: Core,
  bytes: Uint8Array,
  settings: CompileSettings,
): PipelineResult {
  return finish(compilePasses(core, bytes, settings));
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

function* observe(compilation: Compilation): Steps<void> {
  if (compilation.settings.mode !== "optimised") return;
  const { graph } = compilation.model!;
  const layers = graph.ops.filter((op) => isPerChannel(graph, op));
  if (layers.length === 0) return;
  const wanted = new Map<number, Looks>();
  const want = (id: number, looks: Partial<Looks>): void => {
    wanted.set(id, { together: false, apart: false, ...wanted.get(id), ...looks });
  };
  for (const op of layers) {
    want(op.outputs[0]!, {});
    if (hasFewProducts(graph, op)) want(op.inputs[0]!, { apart: true });
    if (op.kind !== "DEPTHWISE_CONV_2D") want(op.inputs[0]!, { together: true });
  }
  compilation.observed = yield* observeValues(compilation.core, graph, wanted);
}

function* lower(compilation: Compilation): Steps<void> {
  const { core, settings } = compilation;
  const { graph } = compilation.model!;
  const { chip, mode } = settings;
  const { observed } = compilation;
  const partitions = compilation.groups!.filter(({ place }) => place === "npu");
  if (mode === "compatible") {
    compilation.lowered = partitions.map(({ ops }) => lowerCompatible(graph, ops, chip));
    return;
  }
  const optimiser = new Optimiser(core, settings);
  compilation.optimiser = optimiser;
  optimiser.startExchange(graph, compilation.groups!);
  compilation.lowered = yield* eachInTurn(
    partitions,
    ({ ops }) => ops.length,
    ({ ops }) => lowerOptimised(optimiser.simplify(graph, ops), ops, settings, optimiser, observed),
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
function* optimise(compilation: Compilation): Steps<void> {
  const { optimiser, lowered } = compilation;
  if (optimiser)
    compilation.lowered = yield* eachInTurn(lowered!, jobsOf, (work) => optimiser.optimise(work));
}

const jobsOf = ({ jobs }: Lowered): number => jobs.length;

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

function* generate(compilation: Compilation): Steps<void> {
  const { core, model, settings, groups, lowered, placements, optimiser } = compilation;
  const partitions = yield* eachInTurn(lowered!, jobsOf, (work) =>
    generateSteps(core, work, optimiser),
  );
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
    placements: labelExperiments(placements!, partitions, settings.chip),
    quirks: numbered(
      ({ quirks }) => quirks,
      ({ job, quirk }) => `${job}:${quirk}`,
    ),
    undefinedJobs: numbered(({ undefinedJobs }) => undefinedJobs, String),
    accuracies: lowered!.flatMap(({ accuracies }) => accuracies ?? []),
  };
}
