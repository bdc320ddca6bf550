// The fields of the TP descriptor that is being checked.
// SPDX-License-Identifier: MIT
import { readField } from "../bits/fields";
import { BlockId, Tp } from "../gen/fields";

/** TP descriptors are the same for all NN core versions. */
export const TP_VERSION: u32 = 7;

let source: usize = 0;

/** Names the descriptor (in WASM memory) that get() reads. */
export function openTp(src: usize): void {
  source = src;
}

/** A field; signed ones as two's complement. */
export function get(field: Tp): u32 {
  return readField(BlockId.TP, source, field, TP_VERSION);
}
