// Single-bit damage to descriptors: which field a bit belongs to, and which fields may be damaged
// without effect.
// SPDX-License-Identifier: MIT
import { BLOCK_TABLES } from "../../core-as/inspect/gen/fields.ts";

/** Names of the fields that hold a bit of a descriptor word; empty for undeclared bits. */
export function fieldsOfBit(block: "NN" | "TP", word: number, bit: number): string[] {
  const table = BLOCK_TABLES.find((candidate) => candidate.name === block)!;
  return table.fields
    .filter((field) => field.parts.some(([w, hi, lo]) => w === word && bit <= hi && bit >= lo))
    .map((field) => field.name);
}

/** Rank in the multiplier of a bit of an NN descriptor, or -1. */
export function multiplierRank(descriptorBit: number): number {
  const bit = descriptorBit & 31;
  if (descriptorBit >> 5 === 2 && bit === 26) return 0;
  if (descriptorBit >> 5 === 15 && bit >= 22 && bit <= 27) return bit - 21;
  if (descriptorBit >> 5 === 22 && bit >= 18 && bit <= 25) return bit - 3;
  return descriptorBit >> 5 === 17 && bit >= 24 ? bit - 17 : -1;
}

/** The value of a field in a descriptor (unsigned, in stored units). */
export function fieldValue(
  block: "NN" | "TP",
  words: Uint32Array,
  name: string,
  version = 7,
): number {
  const table = BLOCK_TABLES.find((candidate) => candidate.name === block)!;
  const field = table.fields.find((candidate) => candidate.name === name)!;
  let value = 0;
  let shift = 0;
  for (const [word, hi, lo, since] of field.parts) {
    if (since > version) continue;
    const width = hi - lo + 1;
    value += ((words[word]! >>> lo) % 2 ** width) * 2 ** shift;
    shift += width;
  }
  return value;
}

/** NN fields that change no result: tiles, SRAM plan (docs/sim-coverage.md). */
const NN_WITHOUT_EFFECT: readonly string[] = [
  "TILE_X_SIZE",
  "TILE_Y_SIZE",
  "IMAGE_CACHING_MODE",
  "KERNEL_CACHING_MODE",
  "KERNEL_CACHE_START",
  "KERNEL_CACHE_END",
  "IMAGE_CACHE_START",
  "IMAGE_CACHE_END",
];

/** NN fields that have no effect in this descriptor because of the values of others. */
export function nnWithoutEffect(words: Uint32Array, version = 7): Set<string> {
  const value = (name: string): number => fieldValue("NN", words, name, version);
  const none = new Set(NN_WITHOUT_EFFECT);
  const step = value("POOLING") === 3 ? 2 : 1;
  const covers = (axis: "X" | "Y"): number => {
    const kept = value(`OUT_${axis}_SIZE`) / step;
    return (kept - 1) * step + value(`KERNEL_${axis}_SIZE`);
  };
  const padded =
    value("IN_X_OFFSET") + value("IN_Y_OFFSET") !== 0 ||
    covers("X") > value("IN_X_SIZE") ||
    covers("Y") > value("IN_Y_SIZE");
  // Saturation does it already.
  if (value("OUT_ZERO_POINT") === 0) none.add("RELU");
  if (!padded) none.add("IN_BORDER_CONST");
  // Planes and rows that are read up to a point only, or only one of them.
  if (value("KERNEL_Z_SIZE") === 1) none.add("IN_Y_STRIDE").add("IN_Y_SIZE");
  if (value("OUT_Z_SIZE") === 1) none.add("OUT_Y_STRIDE");
  if (value("OUT_Z_SIZE") === 1 && value("OUT_Y_SIZE") === step) none.add("OUT_X_STRIDE");
  if (version === 8) for (const name of nnWithoutEffectV8(value)) none.add(name);
  return none;
}

/** What only the coefficient format of version 8 makes possible. */
function nnWithoutEffectV8(value: (name: string) => number): string[] {
  // Streams hold differences; the zero point matters only where those leave -128..127.
  const none = ["COEF_ZERO_POINT"];
  // One block holds a depthwise kernel, so superblocks do not change the order.
  if (value("DEPTHWISE") === 1) return [...none, "KERNELS_PER_CORE"];
  // Blocks of nine are filled with zeros, which do as weights of a larger kernel.
  const sides = ["KERNEL_X_SIZE", "KERNEL_Y_SIZE", "KERNEL_Z_SIZE"];
  const taps = sides.reduce((product, side) => product * value(side), 1);
  const room = Math.ceil(taps / 9) * 9 - taps;
  return [...none, ...sides.filter((side) => taps / value(side) <= room)];
}

/** TP fields that have no effect in this descriptor. */
export function tpWithoutEffect(words: Uint32Array): Set<string> {
  const value = (name: string): number => fieldValue("TP", words, name);
  const none = new Set(["LOOP_1_RESET", "LOOP_3_RESET", "NO_FLUSH"]);
  let elements = value("IN_Z_SIZE");
  elements *= value("WINDOW_X_END") + 1 - ((value("WINDOW_X_START") << 16) >> 16);
  elements *= value("WINDOW_Y_END") + 1 - ((value("WINDOW_Y_START") << 16) >> 16);
  // A loop that is never counted up, or whose carry is never reached, needs no increment or exact
  // count. Nor does one that only continues the line of the loop before it.
  let period = 1;
  for (let loop = 0; loop < 6; loop++) {
    const count = value(`OUT_LOOP_${loop}_COUNT`);
    let next = loop + 1;
    while (next < 6 && value(`OUT_LOOP_${next}_COUNT`) === 1) next++;
    if (value(`OUT_LOOP_${next}_INC`) === count * value(`OUT_LOOP_${loop}_INC`))
      none.add(`OUT_LOOP_${loop}_COUNT`);
    if (count === 1 || period >= elements) none.add(`OUT_LOOP_${loop}_INC`);
    period *= count;
    if (period >= elements) none.add(`OUT_LOOP_${loop}_COUNT`);
  }
  if (period >= elements) none.add("OUT_LOOP_6_INC");
  if (value("IN_Z_SIZE") === 1) none.add("IN_SLICE");
  if (value("IN_Y_SIZE") === 1) none.add("IN_STRIDE");
  // Without a border it does not matter how far the input goes on; a tile as large as its window
  // needs no increment.
  if (value("WINDOW_X_START") === 0) none.add("IN_X_SIZE");
  if (value("WINDOW_Y_START") === 0) none.add("IN_Y_SIZE");
  for (const axis of ["X", "Y"]) {
    const from = (value(`WINDOW_${axis}_START`) << 16) >> 16;
    if (value(`TILE_${axis}_SIZE`) === value(`WINDOW_${axis}_END`) + 1 - from)
      none.add(`TILE_${axis}_INC`);
  }
  return none;
}
