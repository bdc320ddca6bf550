// Access to job records: arrays of 32-bit members, indexed by the enums of abi.ts.
// SPDX-License-Identifier: MIT

export function member(job: usize, index: i32): i32 {
  return load<i32>(job + ((<usize>index) << 2));
}

export function setMember(job: usize, index: i32, value: i32): void {
  store<i32>(job + ((<usize>index) << 2), value);
}

export function ceilDiv(a: i32, b: i32): i32 {
  return <i32>((<u32>a + <u32>b - 1) / <u32>b);
}

/**
 * A member as an unsigned word. Not `<u32>member(...)`: when that is widened to 64 bits, the optimiser of
 * AssemblyScript 0.28 merges load and extension into one that keeps the sign.
 */
export function wordMember(job: usize, index: i32): u32 {
  return load<u32>(job + ((<usize>index) << 2));
}
