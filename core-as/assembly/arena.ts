// Linear memory for everything that crosses the boundary: a stack of blocks above the static data.
// SPDX-License-Identifier: MIT

/** Next free byte. The stub runtime never allocates after start-up, so all memory above is ours. */
let top: usize = 0;

function start(): usize {
  if (top == 0) top = (__heap_base + 0xffff) & ~(<usize>15);
  return top;
}

/** Position to hand to arenaReset later. */
export function arenaMark(): usize {
  return start();
}

/** Frees everything that was allocated after `mark`. */
export function arenaReset(mark: usize): void {
  assert(mark <= start());
  top = mark;
}

/**
 * Allocates `bytes` bytes (not cleared), aligned to 16.
 * @returns the address, or 0 when the memory cannot grow that far
 */
export function arenaAlloc(bytes: usize): usize {
  const from = start();
  const to = <u64>from + ((<u64>bytes + 15) & ~(<u64>15));
  // The last page stays free so that 16-byte loads at the very end of a block remain in bounds.
  const pages = <i64>((to + 0x1ffff) >> 16) - <i64>memory.size();
  if (to > 0xfffe0000) return 0;
  if (pages > 0 && memory.grow(<i32>pages) < 0) return 0;
  top = <usize>to;
  return from;
}

/** Like arenaAlloc, with all bytes 0. */
export function arenaAllocZeroed(bytes: usize): usize {
  const ptr = arenaAlloc(bytes);
  if (ptr != 0) memory.fill(ptr, 0, bytes);
  return ptr;
}
