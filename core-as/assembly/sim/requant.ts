// Accumulators -> output bytes: acc * factor, rounded, plus zero point, saturated (spec/hardware.md
// 7). The product is exact in binary64 (see requantFactorV7), so each rounding mode is exact too.
// SPDX-License-Identifier: MIT
import { Rounding } from "../abi";

/** Adding this leaves an integer in the low bits of the mantissa, rounded half to even. */
const INTEGER_BIAS: f64 = 6755399441055744.0; // 1.5 * 2^52
/** Beyond these bounds the output is saturated whatever its zero point. */
const CLAMP_HIGH: f64 = 32767.0;
const CLAMP_LOW: f64 = -32768.0;

let factor: f64 = 1;
let rounding: Rounding = Rounding.HALF_EVEN;
let zeroPoint: i32 = 0;
let lowest: i32 = 0;

/** Sets up for one job. */
export function startRequant(jobFactor: f64, mode: Rounding, outZeroPoint: i32, relu: bool): void {
  factor = jobFactor;
  rounding = mode;
  zeroPoint = outZeroPoint;
  lowest = relu ? outZeroPoint : 0;
}

/** The rounding modes that adding INTEGER_BIAS does not do: afterwards `v` is an integer. */
function roundOther(v: f64): f64 {
  if (rounding == Rounding.HALF_UP) return floor<f64>(v + 0.5);
  return trunc<f64>(v + copysign<f64>(0.5, v));
}

/** Inlined into the loops over pixels: measured, calls would cost a third of all time. */
export abstract class Requant {
  /** Two accumulators as rounded integers in the low half of each 64-bit lane. */
  @inline
  static round2(acc: v128): v128 {
    let v = f64x2.mul(f64x2.convert_low_i32x4_s(acc), f64x2.splat(factor));
    v = f64x2.pmin(f64x2.splat(CLAMP_HIGH), f64x2.pmax(f64x2.splat(CLAMP_LOW), v));
    if (rounding != Rounding.HALF_EVEN) {
      const low = roundOther(f64x2.extract_lane(v, 0));
      const high = roundOther(f64x2.extract_lane(v, 1));
      v = f64x2.replace_lane(f64x2.splat(low), 1, high);
    }
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
