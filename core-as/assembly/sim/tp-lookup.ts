// The look-up of TP jobs (spec/newer-driver.md 2.2 and 2.3): a table of 1024 FP21 numbers, linear
// between entries, then the post multiplier. Nothing of it was captured. What one byte becomes does
// not depend on its place, so a descriptor's look-up is reduced to 256 bytes before it runs.
// SPDX-License-Identifier: MIT
import { Access, Fault, Rounding, Status } from "../abi";
import { noteFault } from "../fault";
import { BlockId, Tp } from "../gen/fields";
import { failAddress } from "./faults";
import { resolve } from "./memory";
import { touchSpan } from "./overlap";
import { bad, field, tpJob } from "./tp-job";

const TABLE_BYTES: u32 = 4096;
/** FP21: sign, five bits of exponent, fifteen of fraction. */
const FP21_SIGN: u32 = 1 << 20;
const FP21_FRACTION: u32 = 0x7fff;
const EXPONENT_SPECIAL: u32 = 31;
/** An index is the top ten bits of a number; these are below them. */
const INDEX_SHIFT = 11;
const BELOW_INDEX: u32 = (1 << INDEX_SHIFT) - 1;
/** Values beyond this saturate whatever the output zero point is. */
const SATURATED: f64 = 1024;

const LOOKUP_FIELDS = memory.data<i32>([
  Tp.LOAD_LUT,
  Tp.LUT_GLOBAL_MEM,
  Tp.LUT_ADDR,
  Tp.PWL_SIGN,
  Tp.OUT_POST_SHIFT,
  Tp.OUT_POST_MULTIPLIER,
]);
const LOOKUP_FIELD_COUNT = 6;

const results = memory.data(256);

let table: usize = 0;
let tableAddress: u32 = 0;
/** The entry that was read last. */
let entry: f64 = 0;

/** True when a range of addresses meets the table of the running descriptor. */
export function tableMeets(from: u64, to: u64): bool {
  if (tpJob.lookup == 0) return false;
  return from < <u64>tableAddress + TABLE_BYTES && to > <u64>tableAddress;
}

/** Notes that the running descriptor reads its table. @returns as touchSpan */
export function touchTable(): Status {
  if (tpJob.lookup == 0) return Status.OK;
  return touchSpan(<u64>tableAddress, <u64>tableAddress + TABLE_BYTES, false);
}

/** Sets tpJob.lookup for the descriptor that parseTp has read. */
export function prepareLookup(rounding: Rounding): Status {
  tpJob.lookup = 0;
  if (field(Tp.PWL) == 0) return checkUnused();
  const status = checkUsed();
  return status == Status.OK ? computeResults(rounding) : status;
}

/** Without a look-up, its fields and the post multiplier are as in all captures: 0. */
function checkUnused(): Status {
  for (let i = 0; i < LOOKUP_FIELD_COUNT; i++) {
    const name = <Tp>load<i32>(LOOKUP_FIELDS + ((<usize>i) << 2));
    if (field(name) != 0) return bad(name, field(name));
  }
  return Status.OK;
}

/** Only a whole signed table in memory is known, and only pixels of the image. */
function checkUsed(): Status {
  const job = tpJob;
  if (field(Tp.LOAD_LUT) == 0) return bad(Tp.LOAD_LUT, 0);
  if (field(Tp.LUT_GLOBAL_MEM) == 0) return bad(Tp.LUT_GLOBAL_MEM, 0);
  if (field(Tp.PWL_SIGN) == 0) return bad(Tp.PWL_SIGN, 0);
  if (job.elements > 0) {
    if (job.startX < 0) return bad(Tp.WINDOW_X_START, job.startX);
    if (job.startY < 0) return bad(Tp.WINDOW_Y_START, job.startY);
    const endX = field(Tp.WINDOW_X_END);
    const endY = field(Tp.WINDOW_Y_END);
    if (endX >= <u32>job.inX) return bad(Tp.WINDOW_X_END, endX);
    if (endY >= <u32>job.inY) return bad(Tp.WINDOW_Y_END, endY);
  }
  tableAddress = field(Tp.LUT_ADDR);
  if ((tableAddress & (TABLE_BYTES - 1)) != 0) return bad(Tp.LUT_ADDR, tableAddress);
  table = resolve(tableAddress, TABLE_BYTES, Access.READ);
  return table != 0 ? Status.OK : failAddress(BlockId.TP, Tp.LUT_ADDR, tableAddress);
}

/** Every possible byte, also those that the job will not meet. */
function computeResults(rounding: Rounding): Status {
  const job = tpJob;
  const multiplier = 1 + <f64>field(Tp.OUT_POST_MULTIPLIER) / 32768;
  const factor = multiplier * powerOfTwo(-(<i32>field(Tp.OUT_POST_SHIFT)));
  for (let byte = 0; byte < 256; byte++) {
    const status = interpolate(codeOf(byte - job.inZp));
    if (status != Status.OK) return status;
    const value = max(-SATURATED, min(SATURATED, entry * factor));
    const output = <i32>rounded(value, rounding) + job.outZp;
    store<u8>(results + byte, <u8>max(0, min(255, output)));
  }
  job.lookup = results;
  return Status.OK;
}

/** 2^exponent for exponents of normal binary64 numbers. */
function powerOfTwo(exponent: i32): f64 {
  return reinterpret<f64>((<u64>(1023 + exponent)) << 52);
}

/** The FP21 code of an integer of at most sixteen bits: always exact. */
function codeOf(value: i32): u32 {
  if (value == 0) return 0;
  const magnitude = <u32>abs(value);
  const exponent: u32 = 31 - clz(magnitude);
  const fraction = (magnitude << (15 - exponent)) & FP21_FRACTION;
  return (value < 0 ? FP21_SIGN : 0) | ((exponent + 15) << 15) | fraction;
}

/** Leaves the function at an FP21 number in `entry`: between two entries, a straight line. */
function interpolate(code: u32): Status {
  const index = code >> INDEX_SHIFT;
  const part = <f64>(code & BELOW_INDEX) / <f64>(BELOW_INDEX + 1);
  let status = readEntry(index);
  if (status != Status.OK || part == 0) return status;
  const here = entry;
  status = readEntry(index + 1);
  entry = here + part * (entry - here);
  return status;
}

/** Decodes an entry; exponent 31 and bits above the number mean something unknown. */
function readEntry(index: u32): Status {
  const word = load<u32>(table + ((<usize>index) << 2));
  const exponent = (word >> 15) & 31;
  if (word >> 21 != 0 || exponent == EXPONENT_SPECIAL) {
    noteFault(Fault.ADDRESS, tableAddress + 4 * index);
    return bad(Tp.LUT_ADDR, word);
  }
  const fraction = word & FP21_FRACTION;
  const magnitude =
    exponent == 0
      ? <f64>fraction * powerOfTwo(-29)
      : <f64>(FP21_FRACTION + 1 + fraction) * powerOfTwo(<i32>exponent - 30);
  entry = (word & FP21_SIGN) != 0 ? -magnitude : magnitude;
  return Status.OK;
}

/** How halves round is unknown; the choice is the simulator's, as for NN jobs. */
function rounded(value: f64, rounding: Rounding): f64 {
  if (rounding == Rounding.HALF_EVEN) return nearest(value);
  if (rounding == Rounding.HALF_UP) return floor(value + 0.5);
  return value < 0 ? -floor(-value + 0.5) : floor(value + 0.5);
}
