// What the cost model changes about jobs: a list of transformations, each in a file and with a switch of its own.
// None of them changes a result.
// SPDX-License-Identifier: MIT
import type { Core } from "../../../core.ts";
import { systemOf, type System } from "../../../hw/systems.ts";
import type { Tensor } from "../../../ir/graph.ts";
import type { ConvGeometry } from "../../../legalise/conv-geometry.ts";
import type { Lowered, NnWork, Work } from "../../jobs.ts";
import { ALL_OPTIMISATIONS, type CompileSettings, type Optimisations } from "../../options.ts";
import type { LoweringChoices } from "../context.ts";
import { foldJobs } from "../fold/fold-jobs.ts";
import { orderJobs } from "../job-order.ts";
import { chooseStrides } from "./dense-strides.ts";
import { splitDepthwise } from "./depthwise-groups.ts";
import { PlanSearch } from "./plan-search.ts";
import { reshapePointwise } from "./pointwise-shapes.ts";
import { dealTranspose } from "./transpose-cores.ts";

/** The choices of one compilation. */
export class Optimiser implements LoweringChoices {
  /** Tiles and caches of NN jobs. */
  readonly plans: PlanSearch;
  private readonly switches: Optimisations;
  private readonly system: System;

  constructor(
    core: Core,
    private readonly settings: CompileSettings,
  ) {
    const { chip, system = systemOf(chip.name), optimisations, capturedOnly } = settings;
    this.system = system;
    this.switches = {
      ...ALL_OPTIMISATIONS,
      ...(capturedOnly ? { transposeCores: false, mergedLayouts: false } : {}),
      ...optimisations,
    };
    const { tileSearch: tiles, cacheSplit: caches } = this.switches;
    this.plans = new PlanSearch(core, chip, system, { tiles, caches });
  }

  /** How lowering computes strides. */
  strides(geometry: ConvGeometry, weight: Tensor, fromNhwc: boolean): ConvGeometry {
    return this.switches.denseStrides
      ? chooseStrides(geometry, weight, this.settings.chip, this.system, this.plans, fromNhwc)
      : geometry;
  }

  get mergeLayouts(): boolean {
    return this.switches.mergedLayouts;
  }

  /** Replaces jobs by cheaper ones. */
  optimise(lowered: Lowered): Lowered {
    return { ...lowered, jobs: lowered.jobs.flatMap((work) => this.replace(work)) };
  }

  /** Leaves out jobs whose work others do. */
  fold(lowered: Lowered): Lowered {
    return this.switches.foldJobs ? foldJobs(lowered, this.settings.chip) : lowered;
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
    return switches.pointwiseShapes ? jobs.map((job) => reshapePointwise(job, plans)) : jobs;
  }
}
