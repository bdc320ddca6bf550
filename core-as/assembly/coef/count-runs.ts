// Counts zero runs of a core's stream for every run width at once (spec/coefficients-v7.md 3, 6, 7).
// A run of L zero points before a literal takes (L >> Z) + 1 pairs of run and literal, before a flush ceil(L / 2^Z).
// SPDX-License-Identifier: MIT

/** Runs longer than this are counted one by one; shorter ones in histograms. */
const SHORT = 256;
const MAX_WIDTHS = 16;

const beforeLiteral = memory.data(SHORT * 4);
const beforeFlush = memory.data(SHORT * 4);
/** Pairs that long runs took, by width. */
const longPairs = memory.data(MAX_WIDTHS * 8);
let literals: u32 = 0;
let words: u32 = 0;

/** Starts the count of a core. */
export function startCount(): void {
  memory.fill(beforeLiteral, 0, SHORT * 4);
  memory.fill(beforeFlush, 0, SHORT * 4);
  memory.fill(longPairs, 0, MAX_WIDTHS * 8);
  literals = 0;
  words = 0;
}

/** `count` literals without a zero point between them. */
export function countLiterals(count: i32): void {
  literals += count;
}

function addLong(width: i32, pairs: u32): void {
  const at = longPairs + ((<usize>width) << 3);
  store<u64>(at, load<u64>(at) + <u64>pairs);
}

/** `gap` > 0 zero points, then a literal. */
export function countRun(gap: i32): void {
  if (gap < SHORT) {
    const at = beforeLiteral + ((<usize>gap) << 2);
    store<u32>(at, load<u32>(at) + 1);
  } else {
    for (let z = 0; z < MAX_WIDTHS; z++) addLong(z, ((<u32>gap) >> z) + 1);
  }
}

/** `gap` > 0 zero points, then a word or the end. */
export function countFlush(gap: i32): void {
  if (gap < SHORT) {
    const at = beforeFlush + ((<usize>gap) << 2);
    store<u32>(at, load<u32>(at) + 1);
  } else {
    for (let z = 0; z < MAX_WIDTHS; z++) addLong(z, (<u32>gap + ((<u32>1) << z) - 1) >> z);
  }
}

export function countWord(): void {
  words++;
}

/** Bits of a core's stream of version 7 with run width `z`, its 24-bit header included. */
export function countedBits(z: i32): u64 {
  return 24 + 32 * <u64>words + countedPairs(z) * <u64>(z + 8);
}

/** Pairs of run and literal with run width `z`; without runs (0) each weight is one. */
export function countedPairs(z: i32): u64 {
  let pairs = <u64>literals + load<u64>(longPairs + ((<usize>z) << 3));
  const round = ((<u32>1) << z) - 1;
  for (let gap: u32 = 1; gap < <u32>SHORT; gap++) {
    pairs += <u64>load<u32>(beforeLiteral + ((<usize>gap) << 2)) * <u64>((gap >> z) + 1);
    pairs += <u64>load<u32>(beforeFlush + ((<usize>gap) << 2)) * <u64>((gap + round) >> z);
  }
  return pairs;
}
