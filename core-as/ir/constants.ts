// Reading the bytes of constants, which lie in the model file at any alignment.
// SPDX-License-Identifier: MIT

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
