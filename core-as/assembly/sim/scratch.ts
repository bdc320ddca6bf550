// Scratch areas that live as long as the simulator: they only grow, by halves, so little memory is
// lost.
// SPDX-License-Identifier: MIT
import { arenaAlloc } from "../arena";

/** The areas; one user each. */
export const enum Area {
  /** Decoded weights, before they are ordered by kernel. */
  ENTRIES = 0,
  /** Decoded biases and output offsets. */
  RECORDS = 1,
  /** Kernel in stream order -> output channel, fill positions. */
  SLOTS = 2,
  /** Input with its border. */
  PADDED = 3,
  /** Tap -> offset in the input. */
  OFFSETS = 4,
  /** Input as pairs of 16-bit values, in the order of the matrix. */
  PACKED = 5,
  /** Taps of one kernel. */
  TAPS = 6,
  COUNT = 7,
}

const areas = memory.data(8 * 8);

export function resetScratch(): void {
  memory.fill(areas, 0, 64);
}

/** An area of at least `bytes` bytes with arbitrary contents, or 0 when memory is short. */
export function scratch(area: Area, bytes: u64): usize {
  const record = areas + ((<usize>area) << 3);
  const capacity = load<u32>(record, 4);
  if (<u64>capacity >= bytes) return load<u32>(record);
  if (bytes > 0x7fffffff) return 0;
  const size = <usize>max<u64>(bytes, <u64>capacity + ((<u64>capacity) >> 1)) + 64;
  const ptr = arenaAlloc(size);
  if (ptr == 0) return 0;
  store<u32>(record, <u32>ptr);
  store<u32>(record, <u32>size, 4);
  return ptr;
}
