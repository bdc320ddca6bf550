// What holds for every memory map of a partition.
// SPDX-License-Identifier: MIT
import * as assert from "uvu/assert";
import type { MemoryMap } from "../../core-as/inspect/memory-map.ts";

/** No two values of a map share a byte at the same time, and all are inside. */
export function checkMap({ rows, bytes }: MemoryMap): void {
  for (const [i, a] of rows.entries()) {
    assert.ok(a.offset >= 0 && a.offset + a.bytes <= bytes, `${a.label} is outside`);
    assert.ok(a.firstJob <= a.lastJob, `${a.label} ends before it begins`);
    for (const b of rows.slice(i + 1)) {
      const together = a.firstJob <= b.lastJob && b.firstJob <= a.lastJob;
      const shared = a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
      assert.not.ok(together && shared, `${a.label} and ${b.label} overlap`);
    }
  }
}
