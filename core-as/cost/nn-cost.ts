// Cost of an NN job from what its descriptor says and the size of its coefficients (spec/cost-model.md).
// SPDX-License-Identifier: MIT
import type { JobCost } from "./job-cost.ts";

/** An NN job as the model sees it. Axes are the hardware's: x = fastest. */
export interface NnShape {
  /** Generation of the NN cores. */
  nnCoreVersion: number;
  /** Number of NN cores. */
  nnCores: number;
  /** Output pixels that a core computes at once. */
  madPerCore: number;
  /** Columns of the input image. */
  inX: number;
  /** Rows of the input image. */
  inY: number;
  /** Channels of the input image. */
  inZ: number;
  /** Output before pooling. */
  outX: number;
  /** Rows of the output image. */
  outY: number;
  /** Channels of the output image. */
  outZ: number;
  /** 2 when only every second pixel of both axes is written, else 1. */
  kept: number;
  /** Columns of a kernel. */
  kernelX: number;
  /** Rows of a kernel. */
  kernelY: number;
  /** Columns of a tile of the output. */
  tileX: number;
  /** Rows of a tile of the output. */
  tileY: number;
  /** Kernels per core and superblock. */
  kernelsPerCore: number;
  /** The chip's depthwise mode: output channel o reads input channel o only. */
  depthwise: boolean;
  /** The image cache holds a tile for all superblocks. */
  imageCached: boolean;
  /** The kernel cache holds all coefficients for all tiles. */
  kernelsCached: boolean;
  /** Bytes of the coefficient buffer that are read. */
  coefficientBytes: number;
}

const ceilDiv = (a: number, b: number): number => Math.ceil(a / b);

interface Multipliers {
  /** Weights that a core applies to each pixel in a cycle. */
  width: number;
  /** Cycles of one kernel and 64 pixels. */
  steps(shape: NnShape): number;
}

/** Input planes that one kernel reads. */
const planesOf = ({ depthwise, inZ }: NnShape): number => (depthwise ? 1 : inZ);

const MULTIPLIERS: Readonly<Record<number, Multipliers>> = {
  /** NN_XYDP6: windows of two rows and three columns, or six channels of a 1x1 kernel. */
  7: {
    width: 6,
    steps: (shape) =>
      shape.kernelX === 1 && shape.kernelY === 1
        ? ceilDiv(shape.inZ, 6)
        : planesOf(shape) * ceilDiv(shape.kernelY, 2) * ceilDiv(shape.kernelX, 3),
  },
  /** NN_ZDP3: a block of nine weights takes three steps. */
  8: {
    width: 3,
    steps: (shape) => 3 * ceilDiv(planesOf(shape) * shape.kernelX * shape.kernelY, 9),
  },
};

/** Multiply-accumulates that a chip does in a cycle. */
export function multipliersOf({
  nnCoreVersion,
  nnCores,
  madPerCore,
}: Pick<NnShape, "nnCoreVersion" | "nnCores" | "madPerCore">): number {
  return nnCores * madPerCore * (MULTIPLIERS[nnCoreVersion]?.width ?? 0);
}

/** Superblocks of a job: passes over each input tile. */
export function superblocksOf(shape: Pick<NnShape, "outZ" | "nnCores" | "kernelsPerCore">): number {
  return ceilDiv(kernelsOfCore(shape), Math.max(shape.kernelsPerCore, 1));
}

/** Kernels of the core that has most, over all superblocks. */
const kernelsOfCore = ({ outZ, nnCores }: Pick<NnShape, "outZ" | "nnCores">): number =>
  ceilDiv(outZ, Math.max(1, Math.min(outZ, nnCores)));

/**
 * Cost of a job.
 * @throws RangeError for an NN core version that the model does not know
 */
export function nnCost(shape: NnShape): JobCost {
  const multipliers = MULTIPLIERS[shape.nnCoreVersion];
  if (multipliers === undefined)
    throw new RangeError(`no cost model for NN core version ${shape.nnCoreVersion}`);
  const { outX, outY, outZ, kept, kernelX, kernelY, tileX, tileY, madPerCore } = shape;
  const tiles = ceilDiv(outX, tileX) * ceilDiv(outY, tileY);
  const passes = ceilDiv(tileX * tileY, madPerCore);
  const cycles = tiles * kernelsOfCore(shape) * multipliers.steps(shape) * passes;
  const tileBytes = (tileX + kernelX - 1) * (tileY + kernelY - 1) * shape.inZ;
  // Also in depthwise mode: the published times of the i.MX8MP fit better so than with each channel read once.
  const superblocks = superblocksOf(shape);
  const reads = shape.imageCached ? 1 : superblocks;
  const coefficientReads = shape.kernelsCached ? 1 : tiles;
  const macs = outX * outY * outZ * planesOf(shape) * kernelX * kernelY;
  const capacity = cycles * multipliersOf(shape);
  return {
    cycles,
    inputBytes: tiles * tileBytes * reads,
    coefficientBytes: shape.coefficientBytes * coefficientReads,
    outputBytes: Math.floor(outX / kept) * Math.floor(outY / kept) * outZ,
    cachedBytes:
      tiles * tileBytes * (superblocks - reads) +
      shape.coefficientBytes * (tiles - coefficientReads),
    macs,
    utilisation: capacity === 0 ? 0 : macs / capacity,
  };
}
