// Accumulators -> output bytes: acc * factor, rounded, plus zero point, saturated (spec/hardware.md
// 7). Every path is exact: where binary64 is not, or ties do not go to even, integers do the work.
// SPDX-License-Identifier: MIT
import { Rounding } from "../abi";

/** Adding this leaves an integer in the low bits of the mantissa, rounded half to even. */
const INTEGER_BIAS: f64 = 6755399441055744.0; // 1.5 * 2^52
/** Beyond these bounds the output is saturated whatever its zero point. */
const CLAMP_HIGH: f64 = 32767.0;
const CLAMP_LOW: f64 = -32768.0;

/**
 * A result below CLAMP_HIGH = 2^15 has at most 15 bits before the point, so up to this shift its
 * product fits the 53 bits of binary64; larger products may lose bits, but only to be clamped.
 */
const SHIFT_EXACT: u32 = 53 - 15;
/** Products of a 32-bit accumulator with smaller multipliers fit 53 bits anyway. */
const MULTIPLIER_EXACT: u32 = 1 << 22;
/** Products have less than 56 bits: larger shifts give what this one gives. */
const SHIFT_MAX: u32 = 60;

let factor: f64 = 1;
let multiplier: i64 = 1;
let shift: i64 = 0;
let rounding: Rounding = Rounding.HALF_EVEN;
/** Whether binary64 and its own rounding, half to even, give the result. */
let simple: bool = true;
let zeroPoint: i32 = 0;
let lowest: i32 = 0;

/** Sets up for one job: output = acc * jobMultiplier * 2^-jobShift, rounded, plus zero point. */
export function startRequant(
  jobMultiplier: u32,
  jobShift: u32,
  mode: Rounding,
  outZeroPoint: i32,
  relu: bool,
): void {
  factor = <f64>jobMultiplier * reinterpret<f64>((<u64>(1023 - jobShift)) << 52);
  multiplier = <i64>jobMultiplier;
  shift = <i64>min(jobShift, SHIFT_MAX);
  rounding = mode;
  simple =
    mode == Rounding.HALF_EVEN && (jobMultiplier < MULTIPLIER_EXACT || jobShift <= SHIFT_EXACT);
  zeroPoint = outZeroPoint;
  lowest = relu ? outZeroPoint : 0;
}

/** Any rounding of any product, with integers; saturated to 16 bits. */
function roundExact(acc: i32): i64 {
  const product = <i64>acc * multiplier;
  const down = product >> shift;
  const unit = (<i64>1) << shift;
  const twice = (product - (down << shift)) << 1;
  let up = twice > unit;
  if (twice == unit) {
    if (rounding == Rounding.HALF_EVEN) up = (down & 1) != 0;
    else up = rounding == Rounding.HALF_UP || product > 0;
  }
  return max<i64>(-0x8000, min<i64>(0x7fff, down + i64(up)));
}

function roundExact2(acc: v128): v128 {
  const low = i64x2.splat(roundExact(i32x4.extract_lane(acc, 0)));
  return i64x2.replace_lane(low, 1, roundExact(i32x4.extract_lane(acc, 1)));
}

/** Inlined into the loops over pixels: measured, calls would cost a third of all time. */
export abstract class Requant {
  /** Two accumulators as rounded integers in the low half of each 64-bit lane. */
  @inline
  static round2(acc: v128): v128 {
    if (!simple) return roundExact2(acc);
    let v = f64x2.mul(f64x2.convert_low_i32x4_s(acc), f64x2.splat(factor));
    v = f64x2.pmin(f64x2.splat(CLAMP_HIGH), f64x2.pmax(f64x2.splat(CLAMP_LOW), v));
    return f64x2.add(v, f64x2.splat(INTEGER_BIAS));
  }

  @inline
  static round4(acc: v128): v128 {
    const high = v128.shuffle<i32>(acc, acc, 2, 3, 2, 3);
    return v128.shuffle<i32>(Requant.round2(acc), Requant.round2(high), 0, 2, 4, 6);
  }

  /** Eight accumulators as 16-bit outputs, not yet saturated to bytes. */
  @inline
  static round8(a: v128, b: v128): v128 {
    const narrow = i16x8.narrow_i32x4_s(Requant.round4(a), Requant.round4(b));
    return i16x8.add_sat_s(narrow, i16x8.splat(<i16>zeroPoint));
  }

  /** Sixteen accumulators as output bytes. */
  @inline
  static bytes16(a: v128, b: v128, c: v128, d: v128): v128 {
    const bytes = i8x16.narrow_i16x8_u(Requant.round8(a, b), Requant.round8(c, d));
    return i8x16.max_u(bytes, i8x16.splat(<i8>lowest));
  }

  /** Eight accumulators as output bytes, in the low half. */
  @inline
  static bytes8(a: v128, b: v128): v128 {
    const wide = Requant.round8(a, b);
    return i8x16.max_u(i8x16.narrow_i16x8_u(wide, wide), i8x16.splat(<i8>lowest));
  }
}
