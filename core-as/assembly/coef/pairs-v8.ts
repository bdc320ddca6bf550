// The entropy code of version 8 coefficient streams: bytes in three parts each, two bytes at a time,
// the parts of consecutive pairs interleaved (spec/coefficients-v8.md 3, 4).
// SPDX-License-Identifier: MIT
import { Bits } from "../bits/reader";

/** What a code must not start with, as pipelines start empty: no further parts. */
const EMPTY: u32 = 31;
const KEYS: usize = 32;
/** Values of part 2, the longest part. */
const VALUES: u32 = 128;
/** Part 0 of the flush after a last pair that was filled up. */
const FILLED: u32 = 4;
/** Part 0 that is followed by a part 1. */
const LONG: u32 = 2;

/**
 * A code's key is its part 0 in bits 0 to 2 and its part 1, if there is one, in bits 3 and 4. Keys
 * of the symbols with sign 0; symbols 0, 1 and 5 carry the sign in the key, too.
 */
const SYMBOL_KEYS = memory.data<u8>([0, 1, 7, 3, 6, 2 | (1 << 3), 2 | (2 << 3), 2]);
const SIGN_IN_PART_0: u32 = 4;
const SIGN_IN_PART_1: u32 = 2 << 3;

/** Key -> bits of part 2. */
const widths = memory.data(32);
/** Key * VALUES + part 2 -> byte. */
const byteOf = memory.data(32 * 128);

let position: u32 = 0;

/** Whether the nibbles of a symbol map are the numbers 0 to 7, each once. */
export function symbolMapValid(map: u32): bool {
  let seen: u32 = 0;
  for (let symbol = 0; symbol < 8; symbol++, map >>= 4) seen |= 1 << (map & 15);
  return seen == 0xff;
}

/** Prepares for streams with this (valid) symbol map. */
export function useSymbolMap(map: u32): void {
  memory.fill(widths, 0, KEYS);
  for (let symbol: u32 = 0; symbol < 8; symbol++) {
    const length = (map >> (4 * symbol)) & 7;
    const key = load<u8>(SYMBOL_KEYS + symbol);
    const signBit = symbol < 2 ? SIGN_IN_PART_0 : symbol == 5 ? SIGN_IN_PART_1 : 0;
    const bits = max<u32>(length, 1);
    if (signBit == 0) defineKey(key, length, bits, 0, 0);
    else {
      defineKey(key, length, bits - 1, 1, 0);
      defineKey(key | signBit, length, bits - 1, 1, 1);
    }
  }
}

/** All bytes of a key, by part 2; the payload is part 2 after the `given` (0 or 1) lowest bits. */
function defineKey(key: u32, length: u32, bits: u32, given: u32, sign: u32): void {
  store<u8>(widths + key, <u8>bits);
  for (let value: u32 = 0; value < (<u32>1) << bits; value++) {
    const payload = (value << given) | sign;
    const magnitude = length == 0 ? 0 : ((<u32>1) << (length - 1)) + (payload >> 1);
    const byte = (payload & 1) != 0 ? ~magnitude : magnitude;
    store<u8>(byteOf + key * VALUES + value, <u8>byte);
  }
}

/** Bits that were read when takePairs returned. */
export function pairsPosition(): u32 {
  return position;
}

/**
 * Decodes `pairs` pairs of bytes from the stream of `bits` bits at `source`, to dst + 4 on (two
 * pairs come out before the first one), and the two pairs that flush the pipeline.
 * @param flush part 0 of all four codes of the flush
 * @returns false when the stream ends early or late, or flushes otherwise
 */
export function takePairs(source: usize, bits: u32, dst: usize, pairs: u32, flush: u32): bool {
  // Pair k-1 without its part 1, and pair k-2.
  let keyA = EMPTY;
  let keyB = EMPTY;
  let doneA = EMPTY;
  let doneB = EMPTY;
  const flushes = flush | (flush << 3);
  position = 0;
  for (let step: u32 = 0; step < pairs + 2; step++, dst += 2) {
    let window = Bits.at(source, position);
    const first = (<u32>window) & 7;
    const second = ((<u32>window) >> 3) & 7;
    if (step >= pairs && (first | (second << 3)) != flushes) return false;

    const longA = u32(keyA == LONG);
    const longB = u32(keyB == LONG);
    window >>= 6;
    keyA |= ((<u32>window) & 3 & -longA) << 3;
    window >>= longA << 1;
    keyB |= ((<u32>window) & 3 & -longB) << 3;
    window >>= longB << 1;

    const widthA = <u32>load<u8>(widths + doneA);
    const widthB = <u32>load<u8>(widths + doneB);
    const valueA = (<u32>window) & (((<u32>1) << widthA) - 1);
    const valueB = ((<u32>window) >> widthA) & (((<u32>1) << widthB) - 1);
    store<u8>(dst, load<u8>(byteOf + doneA * VALUES + valueA));
    store<u8>(dst, load<u8>(byteOf + doneB * VALUES + valueB), 1);

    position += 6 + ((longA + longB) << 1) + widthA + widthB;
    if (position > bits) return false;
    doneA = keyA;
    doneB = keyB;
    keyA = first;
    keyB = second;
  }
  return position == bits;
}

/**
 * Decodes a stream with zero runs: the first parts of a pair are followed by two run lengths of `width` bits, the zeros before each of
 * its bytes (an assumption: docs/cost-model.md, Experimental). `due` bytes go to `dst`, which has room for one more. What fills the last
 * pair is a zero without a run.
 * @returns false when the stream ends early or late, flushes otherwise, or a run goes beyond what is due
 */
export function takeRunPairs(source: usize, bits: u32, dst: usize, due: u32, width: u32): bool {
  const longest: u32 = (1 << width) - 1;
  memory.fill(dst, 0, <usize>due + 1);
  let keyA = EMPTY;
  let keyB = EMPTY;
  let doneA = EMPTY;
  let doneB = EMPTY;
  // Where the bytes of the two pairs in the pipeline go; those that come out of an empty one are zeros in the last place.
  let toA = due;
  let toB = due;
  let endA = due;
  let endB = due;
  let filled: u32 = 0;
  let flushes: u32 = 0;
  let flush: u32 = 0;
  position = 0;
  while (flushes < 2) {
    let window = Bits.at(source, position);
    const first = (<u32>window) & 7;
    const second = ((<u32>window) >> 3) & 7;
    window >>= 6;
    const runA = (<u32>window) & longest;
    const runB = ((<u32>window) >> width) & longest;
    window >>= width << 1;
    let nextA = due;
    let nextB = due;
    if (filled == due) {
      if (first != flush || second != flush || (runA | runB) != 0) return false;
      flushes++;
    } else {
      if (runA >= due - filled) return false;
      nextA = filled + runA;
      filled = nextA + 1;
      if (filled == due) {
        if (runB != 0) return false;
        flush = FILLED;
      } else {
        if (runB >= due - filled) return false;
        nextB = filled + runB;
        filled = nextB + 1;
      }
    }

    const longA = u32(keyA == LONG);
    const longB = u32(keyB == LONG);
    keyA |= ((<u32>window) & 3 & -longA) << 3;
    window >>= longA << 1;
    keyB |= ((<u32>window) & 3 & -longB) << 3;
    window >>= longB << 1;
    const widthA = <u32>load<u8>(widths + doneA);
    const widthB = <u32>load<u8>(widths + doneB);
    const valueA = (<u32>window) & (((<u32>1) << widthA) - 1);
    const valueB = ((<u32>window) >> widthA) & (((<u32>1) << widthB) - 1);
    store<u8>(dst + endA, load<u8>(byteOf + doneA * VALUES + valueA));
    // Of the last pair: what stands in the place of a byte that is not due is a zero.
    const byteB = load<u8>(byteOf + doneB * VALUES + valueB);
    if (endB == due && byteB != 0) return false;
    store<u8>(dst + endB, byteB);

    position += 6 + (width << 1) + ((longA + longB) << 1) + widthA + widthB;
    if (position > bits) return false;
    doneA = keyA;
    doneB = keyB;
    endA = toA;
    endB = toB;
    toA = nextA;
    toB = nextB;
    keyA = first;
    keyB = second;
  }
  return position == bits;
}
