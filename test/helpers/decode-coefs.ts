// Calls the core's coefficient decoder on plain values.
// SPDX-License-Identifier: MIT
import { CoefStats } from "../../core-as/assembly/abi.ts";
import type { Core } from "../../core-as/core.ts";

/** What the decoder takes from an NN descriptor. */
export interface CoefFields {
  kernelX: number;
  kernelY: number;
  kernelZ: number;
  outZ: number;
  perCore: number;
  weightZp: number;
  cores: number;
  depthwise: boolean;
}

export interface DecodedCoefs {
  /** weight - zero point, kernel by kernel in stream order. */
  weights: Int16Array;
  biases: Int32Array;
  /** Version 7: output offsets; version 8: channels. */
  offsets: Int32Array;
  stats: Int32Array;
}

/**
 * @throws SimFault TW_SIM_BAD_COEFFICIENTS
 */
export function decodeCoefs(
  core: Core,
  version: 7 | 8,
  bytes: Uint8Array,
  f: CoefFields,
): DecodedCoefs {
  return core.scope(() => {
    const src = core.allocCopy(bytes);
    const stats = core.alloc(CoefStats.WORDS * 4);
    const call = (weights: number, biases: number, offsets: number): void =>
      core.call("decodeCoefs", {}, version, f.cores, src, bytes.length, f.kernelX, f.kernelY, f.kernelZ, f.perCore, f.outZ, f.weightZp, weights, biases, offsets, stats, f.depthwise ? 1 : 0); // prettier-ignore
    call(0, 0, 0);
    const kernels = core.readWords(stats, CoefStats.WORDS)[CoefStats.KERNELS]!;
    const count = kernels * f.kernelX * f.kernelY * (f.depthwise ? 1 : f.kernelZ);
    const weights = core.alloc(count * 2);
    const biases = core.alloc(kernels * 4);
    const offsets = core.alloc(kernels * 4);
    call(weights, biases, offsets);
    return {
      weights: new Int16Array(core.read(weights, count * 2).buffer),
      biases: core.readWords(biases, kernels),
      offsets: core.readWords(offsets, kernels),
      stats: core.readWords(stats, CoefStats.WORDS),
    };
  });
}
