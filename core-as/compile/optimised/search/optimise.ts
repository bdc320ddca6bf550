// What the cost model changes about jobs: a list of transformations, each in a file and with a switch of its own.
// None of them changes a result.
// SPDX-License-Identifier: MIT
import type { Core } from "../../../core.ts";
import type { ErrorLocation } from "../../../errors.ts";
import { generationOf } from "../../../hw/chips.ts";
import { systemOf, type System } from "../../../hw/systems.ts";
import type { Graph, Op, Tensor } from "../../../ir/graph.ts";
import type { ConvGeometry } from "../../../legalise/conv-geometry.ts";
import type { GenerationChoices } from "../../generate.ts";
import type { Lowered, NnWork, Work } from "../../jobs.ts";
import type { OpGroup } from "../../../legalise/partition.ts";
import { ALL_OPTIMISATIONS, type CompileSettings, type Optimisations } from "../../options.ts";
import type { Steps } from "../../steps.ts";
import type { JobPrice, LoweringChoices } from "../context.ts";
import { withoutConstantChannels } from "./constant-channels.ts";
import { foldJobs } from "../fold/fold-jobs.ts";
import { noExchange, planarExchange, type PlanarExchange } from "../exchange.ts";
import { orderJobs } from "../job-order.ts";
import { chooseStrides } from "./dense-strides.ts";
import { splitDepthwise } from "./depthwise-groups.ts";
import { experimentsOf, withExperiments } from "./experiments.ts";
import { dealKernels, type PlannedJob } from "./kernel-dealing.ts";
import { PlanSearch } from "./plan-search.ts";
import { reshapePointwise } from "./pointwise-shapes.ts";
import { dealTranspose } from "./transpose-cores.ts";

/** Transformations that `capturedOnly` leaves out. */
const NEVER_CAPTURED: Partial<Optimisations> = {
  transposeCores: false,
  mergedLayouts: false,
  kernelDealing: false,
  planarPorts: false,
};

/** The choices of one compilation. */
export class Optimiser implements LoweringChoices, GenerationChoices {
  /** Tiles and caches of NN jobs. */
  readonly plans: PlanSearch;
  exchange: PlanarExchange = noExchange();
  private readonly switches: Optimisations;
  private readonly system: System;
  /** Experiment bits of all NN jobs. */
  private readonly experiments: number;

  constructor(
    core: Core,
    private readonly settings: CompileSettings,
  ) {
    const { chip, system = systemOf(chip.name), optimisations } = settings;
    const { capturedOnly, experimental } = settings;
    this.system = system;
    this.switches = {
      ...ALL_OPTIMISATIONS,
      ...(capturedOnly ? NEVER_CAPTURED : {}),
      ...optimisations,
    };
    const { tileSearch: tiles, cacheSplit: caches } = this.switches;
    const experiments = experimental && !capturedOnly ? experimentsOf(chip, this.switches) : 0;
    this.experiments = experiments;
    this.plans = new PlanSearch(core, chip, system, { tiles, caches, experiments });
  }

  /** The graph that a partition is lowered from. */
  simplify(graph: Graph, ops: readonly Op[]): Graph {
    return this.switches.constantChannels ? withoutConstantChannels(graph, ops) : graph;
  }

  /** How lowering computes strides. */
  strides(geometry: ConvGeometry, weight: Tensor, fromNhwc: boolean): ConvGeometry {
    return this.switches.denseStrides
      ? chooseStrides(geometry, weight, this.settings.chip, this.system, this.plans, fromNhwc)
      : geometry;
  }

  /** Predicted time of a job that is only considered. */
  readonly jobMs: JobPrice = (record, coefficientBytes) =>
    this.plans.bestOf(record, coefficientBytes).busyMs + this.system.overheadUs / 1e3;

  /** Orders the kernels of a planned job, while its coefficients are generated. */
  dealKernels(core: Core, job: PlannedJob, where: ErrorLocation): void {
    if (this.switches.kernelDealing && generationOf(this.settings.chip).kernelsAnywhere)
      dealKernels(core, job, where);
  }

  get mergeLayouts(): boolean {
    return this.switches.mergedLayouts;
  }

  /** Replaces jobs by cheaper ones, a job a step. */
  *optimise(lowered: Lowered): Steps<Lowered> {
    const jobs: Work[] = [];
    for (const [index, work] of lowered.jobs.entries()) {
      yield index / lowered.jobs.length;
      jobs.push(...this.replace(work));
    }
    return { ...lowered, jobs };
  }

  /** Leaves out jobs whose work others do. */
  fold(lowered: Lowered): Lowered {
    return this.switches.foldJobs ? foldJobs(lowered, this.settings.chip) : lowered;
  }

  /** Looks for tensors that may stay planar between partitions, before any is lowered. */
  startExchange(graph: Graph, groups: readonly OpGroup[]): void {
    if (this.switches.planarPorts) this.exchange = planarExchange(graph, groups);
  }

  get foldMovements(): boolean {
    return this.switches.foldJobs;
  }

  /** Brings jobs into the order that needs least memory. */
  order(lowered: Lowered): Lowered {
    return this.switches.jobOrder ? orderJobs(lowered) : lowered;
  }

  private replace(work: Work): Work[] {
    const { switches, plans, system } = this;
    const { chip } = this.settings;
    if (work.kind === "TP")
      return [switches.transposeCores ? dealTranspose(work, chip.tpCores) : work];
    const jobs: NnWork[] = switches.depthwiseGroups
      ? splitDepthwise(work, chip, system, plans)
      : [work];
    const shaped = switches.pointwiseShapes
      ? jobs.map((job) => reshapePointwise(job, plans))
      : jobs;
    return shaped.map((job) => withExperiments(job, this.experiments));
  }
}
