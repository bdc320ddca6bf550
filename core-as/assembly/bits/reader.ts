// LSB-first bit reader over bytes: bit 0 of byte 0 comes first (spec/coefficients-v7.md 2).
// SPDX-License-Identifier: MIT

/**
 * Stateless reads; inlined, because a decoder does little else (measured: without, decoding takes
 * twice as long).
 */
export abstract class Bits {
  /**
   * The bits from `position` on, the first one in bit 0; the low 57 bits are valid. Reads eight
   * bytes and therefore up to seven behind the last wanted one: the caller's block must not end the
   * memory.
   */
  @inline
  static at(base: usize, position: u32): u64 {
    return load<u64>(base + (position >> 3)) >> (position & 7);
  }

  /** `count` (1..32) bits from `position` on. */
  @inline
  static read(base: usize, position: u32, count: u32): u32 {
    return <u32>(Bits.at(base, position) & (((<u64>1) << count) - 1));
  }
}

/** True when all bits in from..to-1 are zero. */
export function zeroBits(base: usize, from: u32, to: u32): bool {
  while (from < to) {
    const count = min<u32>(32, to - from);
    if (Bits.read(base, from, count) != 0) return false;
    from += count;
  }
  return true;
}
