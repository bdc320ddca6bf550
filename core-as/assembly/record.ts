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
