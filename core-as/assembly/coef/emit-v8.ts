// Codes bytes by a symbol map and puts them through the pair pipeline (spec/coefficients-v8.md 2, 3, 4).
// SPDX-License-Identifier: MIT
import { putBits } from "../bits/writer";

const LENGTHS = 8;
/** Bits that symbol i takes beyond three and the payload of its length. */
const extraBits = memory.data<i8>([-1, -1, 0, 0, 0, 1, 2, 2]);
const symbolOfLength = memory.data(LENGTHS);
/** Per byte: part0 | part1 << 3 | part1 bits << 5 | part2 bits << 8 | part2 << 12. */
const codes = memory.data(256 * 4);

/** Bit length class of a byte: 0 to 7, sign left aside. */
export function lengthOf(byte: i32): i32 {
  const magnitude = (byte & 0x80) != 0 ? byte ^ 0xff : byte;
  return magnitude == 0 ? 0 : 32 - clz(magnitude);
}

/** Bits that a byte of this length class takes under the current map. */
export function bitsOf(length: i32): i32 {
  return 3 + max(length, 1) + load<i8>(extraBits + <usize>load<u8>(symbolOfLength + <usize>length));
}

/** Sets the map: nibble i = bit length that symbol i stands for. */
export function setSymbolMap(map: u32): void {
  for (let i = 0; i < LENGTHS; i++) store<u8>(symbolOfLength + <usize>((map >> (4 * i)) & 7), i);
  for (let byte = 0; byte < 256; byte++) store<u32>(codes + ((<usize>byte) << 2), codeOf(byte));
}

function codeOf(byte: i32): u32 {
  const sign = byte >> 7;
  const length = lengthOf(byte);
  const magnitude = sign != 0 ? byte ^ 0xff : byte;
  const mantissa = length == 0 ? 0 : magnitude - (1 << (length - 1));
  const payload: u32 = 2 * mantissa + sign;
  const bits: u32 = max(length, 1);
  const low = payload & 1;
  switch (load<u8>(symbolOfLength + <usize>length)) {
    case 0:
      return pack(4 * low, 0, 0, payload >> 1, bits - 1);
    case 1:
      return pack(1 + 4 * low, 0, 0, payload >> 1, bits - 1);
    case 2:
      return pack(7, 0, 0, payload, bits);
    case 3:
      return pack(3, 0, 0, payload, bits);
    case 4:
      return pack(6, 0, 0, payload, bits);
    case 5:
      return pack(2, 1 + 2 * low, 2, payload >> 1, bits - 1);
    case 6:
      return pack(2, 2, 2, payload, bits);
    default:
      return pack(2, 0, 2, payload, bits);
  }
}

function pack(part0: u32, part1: u32, part1Bits: u32, part2: u32, part2Bits: u32): u32 {
  return part0 | (part1 << 3) | (part1Bits << 5) | (part2Bits << 8) | (part2 << 12);
}

/** Zero runs: bits of a run length, 0 = none, and where the length lies in a waiting code. */
let runWidth: u32 = 0;
const RUN_SHIFT = 20;

/** The byte that waits for its partner, and the codes of the last two pairs. */
let waiting: u32 = 0;
let hasWaiting: bool = false;
let pairs: u32 = 0;
let last0: u32 = 0;
let last1: u32 = 0;
let older0: u32 = 0;
let older1: u32 = 0;

/** Starts a core's pipeline; `zrlBits` > 0: run lengths of so many bits follow the first parts of every pair. */
export function startPipeline(zrlBits: u32): void {
  runWidth = zrlBits;
  hasWaiting = false;
  pairs = 0;
}

function putPair(first: u32, second: u32): void {
  putBits((first & 7) | ((second & 7) << 3), 6);
  if (runWidth > 0)
    putBits((first >> RUN_SHIFT) | ((second >> RUN_SHIFT) << runWidth), 2 * runWidth);
  if (pairs >= 1) {
    putBits((last0 >> 3) & 3, (last0 >> 5) & 7);
    putBits((last1 >> 3) & 3, (last1 >> 5) & 7);
  }
  if (pairs >= 2) {
    putBits((older0 >> 12) & 0x7f, (older0 >> 8) & 15);
    putBits((older1 >> 12) & 0x7f, (older1 >> 8) & 15);
  }
  older0 = last0;
  older1 = last1;
  last0 = first;
  last1 = second;
  pairs++;
}

/** Codes one byte, behind a run of `run` zeros. */
export function emitByteV8(byte: i32, run: u32): void {
  const entry = load<u32>(codes + ((<usize>byte) << 2)) | (run << RUN_SHIFT);
  if (hasWaiting) putPair(waiting, entry);
  else waiting = entry;
  hasWaiting = !hasWaiting;
}

/** Two pairs without content drain the pipeline. */
export function drainPipeline(odd: bool): void {
  const filler: u32 = odd ? 4 : 0;
  putPair(filler, filler);
  putPair(filler, filler);
}

/** Bits that draining takes, and the codes of that, each with a run length where there are any. */
export const DRAIN_BITS: u64 = 12;
export const DRAIN_CODES: u64 = 4;
