// Bytes of a job's coefficients, about, before any is written.
// SPDX-License-Identifier: MIT
import { generationOf, type Chip } from "../../../hw/chips.ts";
import { ceilDiv } from "../../lower-shared.ts";

/** Weights of one kernel. */
export interface KernelWeights {
  /** Of any size. */
  whole: number;
  /** Of a few steps. */
  small: number;
  /** Equal to the zero point. */
  zeros: number;
}

/** Streams and the header before them are whole multiples of this. */
const ALIGN = 64;
/** Bits of a kernel's bias and offset, and of a stream's head. */
const KERNEL_BITS = 64;
const STREAM_BITS = 24;
/** Bits of a weight behind a symbol map, about. */
const MAPPED = { whole: 8, small: 5, zeros: 3 };

/**
 * Bytes that the streams of all cores take together.
 * @param kernels of the job
 */
export function coefficientBytes(
  chip: Chip,
  kernels: number,
  { whole, small, zeros }: KernelWeights,
): number {
  const { zrlBits } = chip;
  const inRuns = (whole + small + zeros / 2 ** zrlBits) * (8 + zrlBits);
  const bits =
    generationOf(chip).compression === "symbols"
      ? MAPPED.whole * whole + MAPPED.small * small + MAPPED.zeros * zeros
      : Math.min(8 * (whole + small + zeros), inRuns);
  const cores = Math.min(kernels, chip.nnCores);
  const stream = STREAM_BITS + ceilDiv(kernels, cores) * (KERNEL_BITS + bits);
  return ALIGN + cores * ceilDiv(Math.ceil(stream), 8 * ALIGN) * ALIGN;
}
