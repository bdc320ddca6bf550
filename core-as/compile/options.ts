// What a caller can choose about a compilation.
// SPDX-License-Identifier: MIT
import type { Chip } from "../hw/chips.ts";
import type { System } from "../hw/systems.ts";

/** compatible: the reference driver's bytes; optimised: correct first, then fast (architecture.md). */
export type CompileMode = "compatible" | "optimised";

/**
 * How near layers with a scale for each channel come to TFLite. exact: every output within one step; balanced: 99 % of a layer's
 * outputs within one step and none more than three off; fast: the fewest jobs.
 */
export type Accuracy = "exact" | "balanced" | "fast";

export const ACCURACIES: readonly Accuracy[] = ["exact", "balanced", "fast"];

/** Transformations of optimised mode that follow the cost model; none changes a result. */
export interface Optimisations {
  /** Depthwise convolutions as several jobs on groups of channels. */
  depthwiseGroups: boolean;
  /** Smaller tiles than the largest that fit. */
  tileSearch: boolean;
  /** Other splits of the on-chip memory between coefficients and image than the reference's. */
  cacheSplit: boolean;
  /** 1x1 convolutions of images with other sides of the same area. */
  pointwiseShapes: boolean;
  /** Strides of two that compute every pixel and keep every second one, where a fold costs more. */
  denseStrides: boolean;
  /** Changes of layout on all TP cores. Never captured. */
  transposeCores: boolean;
  /** Layout and fold of an image in one pass of the TP cores. Never captured. */
  mergedLayouts: boolean;
  /** Channels between convolutions that have the same value for all images are not computed. */
  constantChannels: boolean;
  /** Kernels dealt to the cores so that the largest stream is smallest; version 7 only. Never captured. */
  kernelDealing: boolean;
  /** Only with `experimental`, version 8: both caches of the on-chip memory. */
  experimentalCaches: boolean;
  /** Only with `experimental`, version 8: tiles of more than four rows. */
  experimentalTiles: boolean;
  /** Only with `experimental`, version 8: zero runs in coefficient streams. */
  experimentalRuns: boolean;
  /** Operators that only rescale, clamp, look up or reorder values as part of their neighbours' jobs, where bytes stay the same. */
  foldJobs: boolean;
  /** Jobs in the order that needs least memory at once. */
  jobOrder: boolean;
}

export const ALL_OPTIMISATIONS: Optimisations = {
  depthwiseGroups: true,
  tileSearch: true,
  cacheSplit: true,
  pointwiseShapes: true,
  denseStrides: true,
  transposeCores: true,
  mergedLayouts: true,
  constantChannels: true,
  kernelDealing: true,
  experimentalCaches: true,
  experimentalTiles: true,
  experimentalRuns: true,
  foldJobs: true,
  jobOrder: true,
};

/** A compilation's settings, all filled in. */
export interface CompileSettings {
  chip: Chip;
  mode: CompileMode;
  /** compatible mode: emit what the reference emits even where it computes wrong results. */
  allowQuirks: boolean;
  /** optimised mode: leave out mechanisms that no capture shows. */
  capturedOnly: boolean;
  /** optimised mode: tensors that are not alive at the same time share memory. */
  memoryPlan: boolean;
  /** optimised mode: layers take as many jobs as it needs, and a sum, to round as TFLite does. */
  exactRounding: boolean;
  /** optimised mode: mechanisms that no capture of any driver shows, for their speed; results stay the same in the simulator. */
  experimental: boolean;
  /** optimised mode: error budget of layers with a scale for each channel; left out: balanced. */
  accuracy?: Accuracy;
  /** optimised mode, experimental: jobs of the NN and of the TP cores at the same time. */
  overlap?: boolean;
  /** optimised mode: figures that choices follow; left out: those of hw/systems.ts for the chip. */
  system?: System;
  /** optimised mode: transformations to leave out; left out: none. */
  optimisations?: Partial<Optimisations>;
}
