// Shares memory between activations that are not alive at the same time.
// SPDX-License-Identifier: MIT

export interface Lifetime {
  bytes: number;
  /** First and last step that uses the buffer, both inclusive. */
  from: number;
  to: number;
}

const align = (bytes: number): number => Math.ceil(bytes / 16) * 16;

/**
 * Gives every buffer an offset so that no two overlap in both time and place: largest first, each at the lowest gap.
 * @returns offsets in bytes, aligned to 16, in the order of `lifetimes`, and the bytes needed in all
 */
export function layoutBuffers(lifetimes: readonly Lifetime[]): {
  offsets: number[];
  total: number;
} {
  const offsets = lifetimes.map(() => 0);
  const bySize = lifetimes.map((_, i) => i);
  bySize.sort((a, b) => lifetimes[b]!.bytes - lifetimes[a]!.bytes || a - b);
  const placed: number[] = []; // indices in ascending order of offset
  let total = 0;

  for (const index of bySize) {
    const mine = lifetimes[index]!;
    const size = align(mine.bytes);
    let offset = 0;
    for (const other of placed) {
      const theirs = lifetimes[other]!;
      if (theirs.to < mine.from || mine.to < theirs.from) continue;
      if (offset + size <= offsets[other]!) break;
      offset = Math.max(offset, offsets[other]! + align(theirs.bytes));
    }
    offsets[index] = offset;
    const behind = placed.findIndex((other) => offsets[other]! > offset);
    placed.splice(behind < 0 ? placed.length : behind, 0, index);
    total = Math.max(total, offset + size);
  }
  return { offsets, total };
}
