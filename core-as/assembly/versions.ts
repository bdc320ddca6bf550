// Where the compiler's core chooses between NN core versions; everything else is the same for both.
// SPDX-License-Identifier: MIT
import { Experiment, NnJob, Status } from "./abi";
import { dealKernelsV7 } from "./coef/deal-v7";
import { encodeCoefsV7, planCoefsV7 } from "./coef/encode-v7";
import { encodeCoefsV8, planCoefsV8 } from "./coef/encode-v8";
import { postScaleV7 } from "./cmd/nn-v7";
import { postScaleV8 } from "./cmd/nn-v8";
import { clearFault, fail } from "./fault";
import { member } from "./record";
import { interleaveV7, kernelsPerTileV7 } from "./tile/tiles-v7";
import { interleaveV8, kernelsPerTileV8, maxRowsV8 } from "./tile/tiles-v8";

const NO_LIMIT = i32.MAX_VALUE;

function isV8(job: usize): bool {
  return member(job, NnJob.CORE_VERSION) == 8;
}

/** Versions that code can be generated for. */
export function versionKnown(job: usize): bool {
  return isV8(job) || member(job, NnJob.CORE_VERSION) == 7;
}

export function interleaveOf(job: usize, tileX: i32): i32 {
  const kernelX = member(job, NnJob.TILE_KERNEL_X);
  return isV8(job) ? interleaveV8(tileX, kernelX) : interleaveV7(tileX, kernelX);
}

export function maxRowsOf(job: usize): i32 {
  const tall = (member(job, NnJob.EXPERIMENTS) & Experiment.TALL_TILES) != 0;
  return isV8(job) && !tall ? maxRowsV8() : NO_LIMIT;
}

export function kernelsPerTile(job: usize, interleave: i32, tileX: i32, tileY: i32): i32 {
  return isV8(job)
    ? kernelsPerTileV8(job, interleave, tileX, tileY)
    : kernelsPerTileV7(job, interleave, tileY);
}

/** Version 8 leaves both SRAM caches off (spec/hardware.md 6), but for experiments. */
export function cachesOff(job: usize): bool {
  return isV8(job) && (member(job, NnJob.EXPERIMENTS) & Experiment.CACHES) == 0;
}

/** Version 8 needs no output offsets: planes follow each other. Its flush flag goes with that. */
export function planesFollow(job: usize): bool {
  return isV8(job);
}

export function planPostFactor(job: usize, ratioBits: u32): void {
  if (isV8(job)) postScaleV8(job, ratioBits);
  else postScaleV7(job, ratioBits);
}

/**
 * Finds the coding and the size of every stream in one walk over the weights.
 * Sets ZRL_BITS, COEF_BYTES, COEF_CACHE_BYTES and CORE_BYTES of the record; needs SUPERBLOCKS.
 * @param weights transformed weights (WEIGHT_BYTES bytes)
 * @param biases COEF_KERNELS 32-bit words
 * @returns Status.COEFFICIENTS when cores, widths or sizes exceed what the format can say
 */
export function planCoefs(job: usize, weights: usize, biases: usize): Status {
  clearFault();
  return isV8(job) ? planCoefsV8(job, weights, biases) : planCoefsV7(job, weights, biases);
}

/**
 * Writes an order of kernels for KERNEL_ORDER to `order` (COEF_KERNELS words) in which streams are about as large as each other; needs
 * what planCoefs plans.
 * @returns Status.BAD_ARGUMENT for version 8, whose streams say nothing of the places of outputs
 */
export function dealKernels(job: usize, weights: usize, biases: usize, order: usize): Status {
  clearFault();
  return isV8(job) ? fail(Status.BAD_ARGUMENT) : dealKernelsV7(job, weights, biases, order);
}

/**
 * Writes the coefficient buffer (COEF_BYTES bytes at `dst`, all of them) as planCoefs planned it.
 * @returns Status.COEFFICIENTS when a stream does not end where it was planned to (a bug)
 */
export function encodeCoefs(job: usize, weights: usize, biases: usize, dst: usize): Status {
  clearFault();
  return isV8(job)
    ? encodeCoefsV8(job, weights, biases, dst)
    : encodeCoefsV7(job, weights, biases, dst);
}
