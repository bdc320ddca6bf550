// What a caller can choose about a compilation.
// SPDX-License-Identifier: MIT
import type { Chip } from "../hw/chips.ts";
import type { System } from "../hw/systems.ts";

/** compatible: the reference driver's bytes; optimised: correct first, then fast (architecture.md). */
export type CompileMode = "compatible" | "optimised";

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
  /** optimised mode, experimental: jobs of the NN and of the TP cores at the same time. */
  overlap?: boolean;
  /** optimised mode: figures that choices follow; left out: those of hw/systems.ts for the chip. */
  system?: System;
  /** optimised mode: transformations to leave out; left out: none. */
  optimisations?: Partial<Optimisations>;
}
