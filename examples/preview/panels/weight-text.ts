// How weights are named: in the picture of a kernel as in the bits that they came from. For page and worker.
// SPDX-License-Identifier: MIT
import type { CoefficientFields } from "../../../core-as/index.ts";

export const signed = (value: number): string => (value < 0 ? `−${-value}` : String(value));

/**
 * "input channel 2, row 0, column 1".
 * @param tap (z * kernelY + y) * kernelX + x
 * @param channel output channel of the kernel, which is its only input channel where the chip knows depthwise kernels
 */
export function tapPlace(
  { kernelX, kernelY, depthwise }: CoefficientFields,
  tap: number,
  channel: number | null | undefined,
): string {
  const z = Math.floor(tap / (kernelX * kernelY));
  const plane = `input channel ${depthwise ? (channel ?? z) : z}`;
  if (kernelX * kernelY === 1) return plane;
  return `${plane}, row ${Math.floor(tap / kernelX) % kernelY}, column ${tap % kernelX}`;
}
