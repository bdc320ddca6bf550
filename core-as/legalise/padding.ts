// TFLite's SAME padding.
// SPDX-License-Identifier: MIT

/** Rows or columns of SAME padding before the image: half of what the last window lacks, rounded down. */
export function paddingBefore(size: number, kernel: number, stride: number): number {
  const out = Math.ceil(size / stride);
  return Math.max((out - 1) * stride + kernel - size, 0) >> 1;
}
