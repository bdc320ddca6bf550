// Reading the bytes of constants, which lie in the model file at any alignment.
// SPDX-License-Identifier: MIT
import { elementCount, type Tensor } from "./graph.ts";

/**
 * Numbers of an int32 constant. The bytes are a view of the model file and may start at any address, which a typed array
 * over the same memory may not; so this copies.
 * @param constant little-endian bytes, a multiple of four of them
 * @throws RangeError for another length
 */
export function readInts(constant: Uint8Array): Int32Array {
  if (constant.length % 4 !== 0)
    throw new RangeError(`${constant.length} bytes are not a whole number of int32`);
  const view = new DataView(constant.buffer, constant.byteOffset, constant.byteLength);
  return Int32Array.from({ length: constant.length / 4 }, (_, i) => view.getInt32(4 * i, true));
}

/**
 * Numbers of a constant of int32 or int64, however many dimensions it has; int64 beyond 2^53 lose precision.
 * @returns null for an activation, for another type, and when bytes are missing
 */
export function integersOf({ type, shape, constant }: Tensor): number[] | null {
  const size = type === "int32" ? 4 : type === "int64" ? 8 : 0;
  const count = elementCount(shape);
  if (constant === null || size === 0 || constant.length < count * size) return null;
  const view = new DataView(constant.buffer, constant.byteOffset, constant.byteLength);
  return Array.from({ length: count }, (_, i) =>
    size === 8 ? Number(view.getBigInt64(i * 8, true)) : view.getInt32(i * 4, true),
  );
}
