// Weights in the form that the convolution kernels read: 16 bits, zero point removed, rows padded to whole vectors.
// SPDX-License-Identifier: MIT
import { loadElement } from "./requantise";

/** Lanes of 16 bits in a vector; a prepared row is a multiple of this. */
export const LANES: i32 = 8;
/** Rows that the matrix kernel computes at once; a prepared group is a multiple of this. */
export const ROW_BLOCK: i32 = 4;

/** Bytes of a prepared row of `length` weights. */
export function preparedRowBytes(length: i32): usize {
  return (<usize>((length + LANES - 1) & -LANES)) << 1;
}

/** Rows of a prepared group of `rows` rows. */
export function preparedRows(rows: i32): i32 {
  return (rows + ROW_BLOCK - 1) & -ROW_BLOCK;
}

/**
 * Prepares weights: `groups` groups of `rows` rows of `rowLength` bytes each become 16-bit rows with zeros up to
 * whole vectors, and zero rows up to whole blocks of rows.
 * @param dst as many bytes as the result says, aligned to 16; 0 = only tell how many
 * @param isSigned 1 = int8 weights, 0 = uint8
 * @returns bytes of the prepared weights; 2^32 - 1 when they cannot be addressed
 */
export function prepareWeights(
  src: usize,
  dst: usize,
  groups: i32,
  rows: i32,
  rowLength: i32,
  zeroPoint: i32,
  isSigned: i32,
): u32 {
  const rowBytes = preparedRowBytes(rowLength);
  const total = <u64>rowBytes * <u64>preparedRows(rows) * <u64>groups;
  if (total > 0xffffffff) return 0xffffffff;
  if (dst == 0) return <u32>total;

  const paddedLength = <i32>(rowBytes >> 1);
  const paddedRows = preparedRows(rows);
  let from = src;
  let to = dst;
  for (let group = 0; group < groups; group++) {
    for (let row = 0; row < paddedRows; row++) {
      const used = row < rows ? rowLength : 0;
      for (let i = 0; i < used; i++) {
        store<i16>(to + ((<usize>i) << 1), <i16>(loadElement(from + i, isSigned != 0) - zeroPoint));
      }
      memory.fill(to + ((<usize>used) << 1), 0, (<usize>(paddedLength - used)) << 1);
      from += used;
      to += rowBytes;
    }
  }
  return <u32>total;
}
