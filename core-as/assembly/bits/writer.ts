// Writes values of 1..32 bits, least significant bit first, as 32-bit little-endian words.
// SPDX-License-Identifier: MIT

let accumulator: u64 = 0;
let pending: u32 = 0;
let cursor: usize = 0;

/** Starts a stream at `dst`. */
export function startBits(dst: usize): void {
  accumulator = 0;
  pending = 0;
  cursor = dst;
}

/** Appends the low `bits` bits of `value`; its higher bits must be 0. */
export function putBits(value: u32, bits: u32): void {
  accumulator |= (<u64>value) << (<u64>pending);
  pending += bits;
  if (pending >= 32) {
    store<u32>(cursor, <u32>accumulator);
    cursor += 4;
    accumulator >>= 32;
    pending -= 32;
  }
}

/** Completes the last word with zeros and returns the address behind it. */
export function endBits(): usize {
  if (pending > 0) putBits(0, 32 - pending);
  return cursor;
}

/** Bits put since the stream was started at `start`. */
export function bitsWritten(start: usize): u32 {
  return <u32>(cursor - start) * 8 + pending;
}
