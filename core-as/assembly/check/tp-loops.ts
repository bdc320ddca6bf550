// The output address program of a TP descriptor: the highest byte that its nested loops reach, exactly and without
// counting through them.
// SPDX-License-Identifier: MIT
import { Status } from "../abi";
import { CheckReason, CheckReport } from "../abi-check";
import { BlockId, Tp } from "../gen/fields";
import { note, refuseField, refuseRange } from "./report";
import { get } from "./tp-fields";

/** Counts and increments of loops 0 to 5; loop 6 has no count. */
const COUNTS = memory.data<i32>([
  Tp.OUT_LOOP_0_COUNT,
  Tp.OUT_LOOP_1_COUNT,
  Tp.OUT_LOOP_2_COUNT,
  Tp.OUT_LOOP_3_COUNT,
  Tp.OUT_LOOP_4_COUNT,
  Tp.OUT_LOOP_5_COUNT,
]);
const INCREMENTS = memory.data<i32>([
  Tp.OUT_LOOP_0_INC,
  Tp.OUT_LOOP_1_INC,
  Tp.OUT_LOOP_2_INC,
  Tp.OUT_LOOP_3_INC,
  Tp.OUT_LOOP_4_INC,
  Tp.OUT_LOOP_5_INC,
  Tp.OUT_LOOP_6_INC,
]);
const COUNTED = 6;

/** Stands for every distance that no buffer has: addresses have 32 bits. */
const FAR: u64 = 1 << 40;

let end: u64 = 0;

/** Bytes from the output address to the end of the last one written, after a successful checkLoops. */
export function loopsEnd(): u64 {
  return end;
}

function countField(loop: i32): Tp {
  return <Tp>load<i32>(COUNTS + ((<usize>loop) << 2));
}

/**
 * Distance that `times` steps of a loop go. Increments have no sign here: a negative one, as two's complement, is a
 * distance that leaves every buffer, whether the hardware's sums have 32 bits or more.
 */
function distance(loop: i32, times: u64): u64 {
  const increment = <u64>get(<Tp>load<i32>(INCREMENTS + ((<usize>loop) << 2)));
  return increment != 0 && times > FAR / increment ? FAR : increment * times;
}

/**
 * Checks the counts, and finds loopsEnd() for `elements` elements, of which `row` make up a row of a tile and
 * `tile` a tile.
 */
export function checkLoops(elements: u64, row: u64, tile: u64): Status {
  let inside: u64 = 1;
  let left = elements - 1;
  let most: u64 = 0; // with every loop inside at its last count
  end = 0; // highest distance of elements that agree with the last one in all loops from here outwards
  for (let loop = 0; loop < COUNTED; loop++) {
    const name = countField(loop);
    const count = <u64>get(name);
    if (count == 0) return refuseRange(BlockId.TP, name, 0, 1, 0xffff);
    inside = min(inside * count, FAR);
    const status = checkReset(loop, inside, row, tile);
    if (status != Status.OK) return status;
    step(loop, left % count, most);
    most += distance(loop, count - 1);
    left /= count;
  }
  step(COUNTED, left, most);
  end = min(end, FAR) + 1;
  return Status.OK;
}

/** Goes one loop outwards: elements with this count of the last one, or with one less and everything inside free. */
function step(loop: i32, last: u64, most: u64): void {
  end = end + distance(loop, last);
  if (last > 0) end = max(end, most + distance(loop, last - 1));
}

/**
 * Reset bits may make loop 1 run until a row of the tile ends and loop 3 until the tile ends, whatever their counts say
 * (spec/newer-driver.md 2.4). Programs are taken where both readings give the same addresses.
 */
function checkReset(loop: i32, inside: u64, row: u64, tile: u64): Status {
  const reset = loop == 1 ? Tp.LOOP_1_RESET : Tp.LOOP_3_RESET;
  if ((loop != 1 && loop != 3) || get(reset) == 0) return Status.OK;
  const due = loop == 1 ? row : tile;
  if (inside == due) return Status.OK;
  note(CheckReport.DETAIL, <i32>due);
  return refuseField(BlockId.TP, countField(loop), CheckReason.RESET_COUNT, get(countField(loop)));
}
