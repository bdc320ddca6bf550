// Vector helpers of the NN loops.
// SPDX-License-Identifier: MIT

/** Inlined: measured, calls in the innermost loops would cost a third of all time. */
export abstract class Lanes {
  /**
   * Eight input bytes as 16-bit values; `strided` (a constant where it matters): every second byte.
   */
  @inline
  static pixels8(src: usize, strided: bool): v128 {
    return strided ? v128.and(v128.load(src), i16x8.splat(0xff)) : v128.load8x8_u(src);
  }

  @inline
  static interleaveLow(a: v128, b: v128): v128 {
    return v128.shuffle<i16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
  }

  @inline
  static interleaveHigh(a: v128, b: v128): v128 {
    return v128.shuffle<i16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
  }

  /** acc + for each 32-bit lane: the two 16-bit products, added. The accumulator wraps. */
  @inline
  static multiplyAdd(acc: v128, pixels: v128, weights: v128): v128 {
    return i32x4.add(acc, i32x4.dot_i16x8_s(pixels, weights));
  }

  /** Stores the low `count` (1..15) bytes. */
  @inline
  static storePart(dst: usize, bytes: v128, count: u32): void {
    storeBytes(dst, i64x2.extract_lane(bytes, 0), i64x2.extract_lane(bytes, 1), count);
  }
}

function storeBytes(dst: usize, low: u64, high: u64, count: u32): void {
  if (count >= 8) {
    store<u64>(dst, low);
    dst += 8;
    low = high;
  }
  for (let i: u32 = 0; i < (count & 7); i++, low >>= 8) store<u8>(dst + i, <u8>low);
}
