// A hand-made NN job of version 8 and what it must compute, by the formula of spec/hardware.md 7.
// SPDX-License-Identifier: MIT
import { encodeCoefsV8 } from "./coef-v8.ts";
import { mapNn, nnFields, type NnCase } from "./nn-rig.ts";
import type { Simulator } from "../../core-as/runtime/simulator.ts";
import { bytesOf, descriptor, type Fields } from "./sim-rig.ts";

/**
 * As for version 7, but weights of depthwise jobs are [outZ][y][x], and the effective factor is
 * (2^23 + multiplier) * 2^-(shift + 23).
 */
export interface NnCaseV8 extends Omit<NnCase, "zrlBits"> {
  depthwise: boolean;
  /** Width of zero runs, default 0. */
  zrlBits?: number;
}

export type Rounding = "half-even" | "half-up" | "half-away";

export const IMX8MP = { nnCoreVersion: 8, nnCores: 6 } as const;

export function nnFieldsV8(c: NnCaseV8): Fields {
  return {
    ...nnFields({ ...c, zrlBits: 0 }),
    NO_Z_OFFSET: 1,
    NO_FLUSH: 1,
    DEPTHWISE: c.depthwise ? 1 : 0,
    IMAGE_CACHING_MODE: 0,
    KERNEL_CACHING_MODE: 0,
  };
}

function planes(c: NnCaseV8): number {
  return c.depthwise ? 1 : c.kernelZ;
}

export function nnCoefsV8(c: NnCaseV8): Uint8Array {
  const taps = c.kernelX * c.kernelY * planes(c);
  const biases = c.bias.map((bias, o) => {
    const weights = c.weights.subarray(o * taps, (o + 1) * taps);
    const sum = weights.reduce((total, w) => total + (w - c.weightZp), 0);
    return bias + Math.imul(sum, 128 - c.inZp);
  });
  return encodeCoefsV8({ ...c, biases });
}

/** Maps all buffers of a case and returns its stream. */
export function mapNnV8(
  simulator: Simulator,
  c: NnCaseV8,
  coefs = nnCoefsV8(c),
  nn = bytesOf(descriptor("NN", nnFieldsV8(c), 8)),
): Uint32Array {
  return mapNn(simulator, { ...c, zrlBits: 0 }, coefs, nn);
}

/** Exact requantisation with integers of any size. */
function requantisedV8(
  c: Pick<NnCaseV8, "multiplier" | "shift" | "outZp" | "relu">,
  acc: number,
  rounding: Rounding,
): number {
  const product = BigInt(acc) * BigInt(0x800000 + c.multiplier);
  const unit = 1n << BigInt(c.shift + 23);
  const magnitude = product < 0n ? -product : product;
  const [whole, twice] = [magnitude / unit, (magnitude % unit) * 2n];
  const tieUp =
    rounding === "half-away" ||
    (rounding === "half-up" && product > 0n) ||
    (rounding === "half-even" && whole % 2n === 1n);
  const rounded = whole + (twice > unit || (twice === unit && tieUp) ? 1n : 0n);
  const value = Number(product < 0n ? -rounded : rounded) + c.outZp;
  return Math.max(c.relu ? c.outZp : 0, Math.min(255, value));
}

/** The whole output: TFLite's accumulator, which the corrected biases make. */
export function expectedNnV8(c: NnCaseV8, rounding: Rounding = "half-even"): Uint8Array {
  const step = c.firstPixel ? 2 : 1;
  const output = new Uint8Array(c.outX * c.outY * c.outZ);
  let at = 0;
  for (let o = 0; o < c.outZ; o++)
    for (let y = 0; y < c.outY; y++)
      for (let x = 0; x < c.outX; x++) {
        let acc = c.bias[o]!;
        for (let z = 0; z < planes(c); z++)
          for (let j = 0; j < c.kernelY; j++)
            for (let i = 0; i < c.kernelX; i++) {
              const tap = ((o * planes(c) + z) * c.kernelY + j) * c.kernelX + i;
              const weight = c.weights[tap]! - c.weightZp;
              const plane = c.depthwise ? o : z;
              const value = pixel(c, plane, x * step + c.offsetX + i, y * step + c.offsetY + j);
              acc = (acc + weight * (value - c.inZp)) | 0;
            }
        output[at++] = requantisedV8(c, acc, rounding);
      }
  return output;
}

function pixel(c: NnCaseV8, plane: number, x: number, y: number): number {
  const inside = x >= 0 && x < c.inX && y >= 0 && y < c.inY;
  return inside ? c.input[(plane * c.inY + y) * c.inX + x]! : c.inZp;
}
