// A hand-made NN job of version 7 and what it must compute, by the formula of spec/hardware.md 7.
// SPDX-License-Identifier: MIT
import type { Simulator } from "../../core-as/runtime/simulator.ts";
import { dealKernels, encodeCoefsV7, type KernelV7 } from "./coef-v7.ts";
import { bytesOf, descriptor, nnJobWords, streamOf, type Fields } from "./sim-rig.ts";

export interface NnCase {
  inX: number;
  inY: number;
  kernelX: number;
  kernelY: number;
  kernelZ: number;
  /** Kept output pixels. */
  outX: number;
  outY: number;
  outZ: number;
  offsetX: number;
  offsetY: number;
  firstPixel: boolean;
  relu: boolean;
  inZp: number;
  outZp: number;
  weightZp: number;
  /** Effective factor = (2^15 + multiplier) * 2^-shift. */
  multiplier: number;
  shift: number;
  zrlBits: number;
  perCore: number;
  cores: number;
  /** Raw bytes [outZ][z][y][x]. */
  weights: Uint8Array;
  bias: Int32Array;
  input: Uint8Array;
}

export const ADDRESS = {
  input: 0x10000000,
  output: 0x20000000,
  coefs: 0x30000000,
  nn: 0x40000000,
} as const;

export function nnFields(c: NnCase): Fields {
  const step = c.firstPixel ? 2 : 1;
  return {
    KERNEL_X_SIZE: c.kernelX,
    KERNEL_Y_SIZE: c.kernelY,
    KERNEL_Z_SIZE: c.kernelZ,
    KERNELS_PER_CORE: c.perCore,
    POOLING: c.firstPixel ? 3 : 0,
    POOLING_XY_SIZE: c.firstPixel ? 0 : 1,
    IN_X_SIZE: c.inX,
    IN_Y_SIZE: c.inY,
    IN_X_OFFSET: c.offsetX,
    IN_Y_OFFSET: c.offsetY,
    RELU: c.relu ? 1 : 0,
    POST_MULTIPLIER: c.multiplier,
    POST_SHIFT: c.shift,
    OUT_X_SIZE: c.outX * step,
    OUT_Y_SIZE: c.outY * step,
    OUT_Z_SIZE: c.outZ,
    TILE_X_SIZE: Math.min(64, c.outX * step),
    TILE_Y_SIZE: 1,
    KERNEL_ADDR: ADDRESS.coefs,
    IN_IMAGE_ADDR: ADDRESS.input,
    OUT_IMAGE_ADDR: ADDRESS.output,
    KERNEL_CACHING_MODE: 1,
    KERNEL_CACHE_START: 0x800,
    KERNEL_CACHE_END: 0xa00,
    IMAGE_CACHE_END: 0x800,
    OUT_X_STRIDE: c.outX,
    OUT_Y_STRIDE: c.outY,
    IN_BORDER_CONST: c.inZp,
    IN_X_STRIDE: c.inX,
    IN_Y_STRIDE: c.inY,
    COEF_ZERO_POINT: c.weightZp,
    OUT_ZERO_POINT: c.outZp,
  };
}

export function nnKernels(c: NnCase): KernelV7[] {
  const taps = c.kernelX * c.kernelY * c.kernelZ;
  return Array.from({ length: c.outZ }, (_, o) => {
    const weights = c.weights.subarray(o * taps, (o + 1) * taps);
    const sum = weights.reduce((total, w) => total + (w - c.weightZp), 0);
    return {
      weights,
      bias: (c.bias[o]! - Math.imul(sum, c.inZp)) | 0,
      offset: o * c.outX * c.outY,
    };
  });
}

export function nnCoefs(c: NnCase): Uint8Array {
  return encodeCoefsV7({ ...c, kernels: dealKernels(nnKernels(c), c.cores, c.perCore) });
}

/** Maps all buffers of a case and returns its stream. */
export function mapNn(
  simulator: Simulator,
  c: NnCase,
  coefs = nnCoefs(c),
  nn = bytesOf(descriptor("NN", nnFields(c))),
): Uint32Array {
  const outBytes = c.outX * c.outY * c.outZ;
  simulator.mapBuffer({
    address: ADDRESS.input,
    bytes: c.input.length,
    access: 1,
    contents: c.input,
  });
  simulator.mapBuffer({ address: ADDRESS.output, bytes: outBytes, access: 2 });
  simulator.mapBuffer({ address: ADDRESS.coefs, bytes: coefs.length, access: 1, contents: coefs });
  simulator.mapBuffer({ address: ADDRESS.nn, bytes: nn.length, access: 1, contents: nn });
  return streamOf(nnJobWords(ADDRESS.nn));
}

/** The accumulators, 32 bits, wrapping. */
function accumulate(c: NnCase, o: number, start: number, x0: number, y0: number): number {
  let acc = start;
  for (let z = 0; z < c.kernelZ; z++)
    for (let j = 0; j < c.kernelY; j++)
      for (let i = 0; i < c.kernelX; i++) {
        const x = x0 + c.offsetX + i;
        const y = y0 + c.offsetY + j;
        const inside = x >= 0 && x < c.inX && y >= 0 && y < c.inY;
        const value = inside ? c.input[(z * c.inY + y) * c.inX + x]! : c.inZp;
        const w = c.weights[((o * c.kernelZ + z) * c.kernelY + j) * c.kernelX + i]! - c.weightZp;
        acc = (acc + w * value) | 0;
      }
  return acc;
}

/** Exact requantisation with integers: p = acc * mult, divided by 2^shift and rounded. */
export function requantised(
  c: Pick<NnCase, "multiplier" | "shift" | "outZp" | "relu">,
  acc: number,
  rounding: "half-even" | "half-up" | "half-away",
): number {
  const product = BigInt(acc) * BigInt(0x8000 + c.multiplier);
  const shift = BigInt(c.shift);
  const floor = product >> shift;
  const rest = product - (floor << shift);
  const twice = (rest << 1n) - (1n << shift);
  let up = twice > 0n;
  if (twice === 0n && shift > 0n) {
    if (rounding === "half-even") up = (floor & 1n) === 1n;
    else up = rounding === "half-up" || product > 0n;
  }
  const value = Number(floor + (up ? 1n : 0n)) + c.outZp;
  return Math.max(c.relu ? c.outZp : 0, Math.min(255, value));
}

/** The whole output, by the formula. */
export function expectedNn(
  c: NnCase,
  rounding: "half-even" | "half-up" | "half-away" = "half-even",
): Uint8Array {
  const step = c.firstPixel ? 2 : 1;
  const output = new Uint8Array(c.outX * c.outY * c.outZ);
  const kernels = nnKernels(c);
  let at = 0;
  for (let o = 0; o < c.outZ; o++)
    for (let y = 0; y < c.outY; y++)
      for (let x = 0; x < c.outX; x++)
        output[at++] = requantised(
          c,
          accumulate(c, o, kernels[o]!.bias, x * step, y * step),
          rounding,
        );
  return output;
}
