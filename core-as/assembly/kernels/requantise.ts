// Integer rescaling with the two roundings of TFLite's reference kernels (gemmlowp fixed point).
// SPDX-License-Identifier: MIT

/** Reads word `index` of a parameter block. */
export function param(block: usize, index: i32): i32 {
  return load<i32>(block + ((<usize>index) << 2));
}

/** Reads an address from a parameter block. */
export function paramPtr(block: usize, index: i32): usize {
  return <usize>load<u32>(block + ((<usize>index) << 2));
}

/** Reads a binary32 number from a parameter block. */
export function paramFloat(block: usize, index: i32): f32 {
  return load<f32>(block + ((<usize>index) << 2));
}

/** Reads an element of a tensor of one-byte elements. */
export function loadElement(ptr: usize, isSigned: bool): i32 {
  return isSigned ? <i32>load<i8>(ptr) : <i32>load<u8>(ptr);
}

export function clampTo(value: i32, low: i32, high: i32): i32 {
  return min(max(value, low), high);
}

/** round(a * b / 2^31), ties upwards; the one overflowing product saturates. */
export function roundingDoublingHighMul(a: i32, b: i32): i32 {
  if (a == i32.MIN_VALUE && b == i32.MIN_VALUE) return i32.MAX_VALUE;
  return <i32>((<i64>a * <i64>b + (1 << 30)) >> 31);
}

/** round(value / 2^exponent), ties away from zero; 0 <= exponent <= 31. */
export function roundingDivideByPot(value: i32, exponent: i32): i32 {
  const mask = <i32>(((<i64>1) << exponent) - 1);
  const threshold = (mask >> 1) + i32(value < 0);
  return (value >> exponent) + i32((value & mask) > threshold);
}

/**
 * value * multiplier * 2^(shift - 31), rounded twice: once after the multiplication, once after the right shift.
 * A left shift wraps, as it does in TFLite.
 */
export function multiplyByQuantised(value: i32, multiplier: i32, shift: i32): i32 {
  const left = max(shift, 0);
  const right = max(-shift, 0);
  return roundingDivideByPot(roundingDoublingHighMul(value << left, multiplier), right);
}

/**
 * Rescales an accumulator as every quantised kernel does; exported so that others can check against it.
 * @param multiplier mantissa in [2^30, 2^31), or 0
 * @param shift exponent, -31..30; positive = left
 */
export function requantise(value: i32, multiplier: i32, shift: i32): i32 {
  return multiplyByQuantised(value, multiplier, shift);
}
