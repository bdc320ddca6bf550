// What a caller can choose about a compilation.
// SPDX-License-Identifier: MIT
import type { Chip } from "../hw/chips.ts";

/** compatible: the reference driver's bytes; optimised: correct first, then fast (architecture.md). */
export type CompileMode = "compatible" | "optimised";

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
  /** optimised mode: layers without a ReLU take two jobs and a sum, to round as TFLite does. */
  exactRounding: boolean;
}
