// A checksum for bytes that damage may have changed: sixteen lanes of the mixing step of xxHash32.
// SPDX-License-Identifier: MIT

const P1: i32 = 0x9e3779b1;
const P2: i32 = 0x85ebca77;
/** Bytes that are mixed at once: a word for each lane. */
const BLOCK = 64;

/** Lanes go their own ways: a step is a bijection of word and lane, so that one changed word always changes the result. */
function step(lane: v128, words: usize): v128 {
  const sum = i32x4.add(lane, i32x4.mul(v128.load(words), i32x4.splat(P2)));
  return i32x4.mul(v128.or(i32x4.shl(sum, 13), i32x4.shr_u(sum, 19)), i32x4.splat(P1));
}

/**
 * Mixes bytes into the lanes. Arithmetic wraps.
 * @param lanes 16 words
 * @param bytes how many there are from `from` on, a multiple of 64
 */
export function mixChecksum(lanes: usize, from: usize, bytes: u32): void {
  let a = v128.load(lanes);
  let b = v128.load(lanes, 16);
  let c = v128.load(lanes, 32);
  let d = v128.load(lanes, 48);
  for (const end = from + bytes; from < end; from += BLOCK) {
    a = step(a, from);
    b = step(b, from + 16);
    c = step(c, from + 32);
    d = step(d, from + 48);
  }
  v128.store(lanes, a);
  v128.store(lanes, b, 16);
  v128.store(lanes, c, 32);
  v128.store(lanes, d, 48);
}
