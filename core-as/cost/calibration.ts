// Fits the cost model's bandwidth to the published times of the reference driver's history (spec/cost-model.md).
// SPDX-License-Identifier: MIT
import type { System } from "../hw/systems.ts";
import { totalMs, type JobCost } from "./job-cost.ts";
import type { NnShape } from "./nn-cost.ts";

/** What the reference driver could do when a time was published. */
export type DriverState =
  /** Every weight takes a byte; image tiles are read once for every superblock. */
  | "plain"
  /** Zero runs; image tiles as before. */
  | "zero runs"
  /** As the captured driver: zero runs and the image cache. */
  | "image cache";

export interface PublishedTime {
  /** File name of the model without its ending. */
  model: string;
  state: DriverState;
  milliseconds: number;
}

export const MOBILENET_V1 = "mobilenet_v1_1.0_224_quant";
const MOBILEDET = "ssdlite_mobiledet_coco_qat_postprocess";

/** Times of the reference driver on the A311D. */
export const PUBLISHED: readonly PublishedTime[] = [
  { model: MOBILENET_V1, state: "plain", milliseconds: 15.65 },
  { model: MOBILENET_V1, state: "zero runs", milliseconds: 9.991 },
  { model: MOBILENET_V1, state: "image cache", milliseconds: 6.6 },
  { model: MOBILEDET, state: "plain", milliseconds: 56.149 },
  { model: MOBILEDET, state: "zero runs", milliseconds: 32.692 },
  { model: MOBILEDET, state: "image cache", milliseconds: 24.8 },
];

/** Times on the i.MX8MP; there is one driver state only, so nothing is fitted to them. */
export const PUBLISHED_IMX8MP: readonly PublishedTime[] = [
  { model: MOBILENET_V1, state: "image cache", milliseconds: 7.9 },
  { model: MOBILEDET, state: "image cache", milliseconds: 24.4 },
];

/** SRAM below this address is never part of a cache. */
const CACHE_BASE = 0x800;

/**
 * A job of the captured driver as an earlier one had it: without zero runs, without image cache. The kernel cache holds what
 * fits; nothing else differs.
 * @param sramBytes on-chip SRAM of the chip
 */
export function asDriverState(shape: NnShape, state: DriverState, sramBytes: number): NnShape {
  if (state === "image cache") return shape;
  const coefficientBytes = state === "plain" ? plainBytes(shape) : shape.coefficientBytes;
  return {
    ...shape,
    coefficientBytes,
    imageCached: false,
    kernelsCached: CACHE_BASE + coefficientBytes < sramBytes,
  };
}

/** Coefficients of version 7 without zero runs: a byte for each weight, bias and offset word for each kernel. */
function plainBytes(shape: NnShape): number {
  const { outZ, nnCores, kernelX, kernelY, inZ } = shape;
  const cores = Math.min(outZ, nnCores);
  const kernels = Math.ceil(outZ / cores);
  const align = (bytes: number): number => Math.ceil(bytes / 64) * 64;
  return align(4 * nnCores) + cores * align(3 + (kernelX * kernelY * inZ + 8) * kernels);
}

/** A published time and the jobs that took it. */
export interface CalibrationPoint {
  published: PublishedTime;
  costs: readonly JobCost[];
}

export interface Fit {
  /** 10^9 bytes a second. */
  bandwidthGBs: number;
  /** Root mean square of the log ratios of predicted and published times. */
  error: number;
}

const square = (value: number): number => value * value;

/** Log ratio of the predicted and the published time. */
export const residual = ({ published, costs }: CalibrationPoint, system: System): number =>
  Math.log(totalMs(costs, system) / published.milliseconds);

/** Root mean square of log ratios with a system's figures. */
export function errorOf(points: readonly CalibrationPoint[], system: System): number {
  const squares = points.map((point) => square(residual(point, system)));
  return Math.sqrt(squares.reduce((sum, value) => sum + value, 0) / points.length);
}

/** The bandwidth between 1 and 16 GB/s with the least error; every other figure is the system's. */
export function fitBandwidth(points: readonly CalibrationPoint[], system: System): Fit {
  const error = (bandwidthGBs: number): number => errorOf(points, { ...system, bandwidthGBs });
  // The error has one minimum: every time falls with the bandwidth.
  let [low, high] = [1, 16];
  while (high - low > 1e-4) {
    const [a, b] = [low + (high - low) / 3, high - (high - low) / 3];
    if (error(a) <= error(b)) high = b;
    else low = a;
  }
  const bandwidthGBs = (low + high) / 2;
  return { bandwidthGBs, error: error(bandwidthGBs) };
}

export interface LeftOut {
  published: PublishedTime;
  /** Fitted to all other points. */
  bandwidthGBs: number;
  /** Log ratio at the point that was left out. */
  residual: number;
}

/** Predicts every point with a bandwidth fitted to the others. */
export function leaveOneOut(points: readonly CalibrationPoint[], system: System): LeftOut[] {
  return points.map((point) => {
    const others = points.filter((other) => other !== point);
    const { bandwidthGBs } = fitBandwidth(others, system);
    return {
      published: point.published,
      bandwidthGBs,
      residual: residual(point, { ...system, bandwidthGBs }),
    };
  });
}
