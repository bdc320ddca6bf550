// 32-bit words of raw bytes as numbers and text.
// SPDX-License-Identifier: MIT

/** The little-endian word at a byte offset; bytes behind the end count as 0. */
export function wordAt(bytes: Uint8Array, offset: number): number {
  return (
    ((bytes[offset] ?? 0) |
      ((bytes[offset + 1] ?? 0) << 8) |
      ((bytes[offset + 2] ?? 0) << 16) |
      ((bytes[offset + 3] ?? 0) << 24)) >>>
    0
  );
}

/** The first `count` words of bytes; those behind the end are 0. */
export function firstWords(bytes: Uint8Array, count: number): Uint32Array {
  const words = new Uint32Array(count);
  for (let i = 0; i < count; i++) words[i] = wordAt(bytes, i * 4);
  return words;
}

/** Eight lower-case hexadecimal digits. */
export const hex32 = (word: number): string => (word >>> 0).toString(16).padStart(8, "0");
