// The buffers of a submit, in order of address, and whether a range of addresses may be accessed.
// SPDX-License-Identifier: MIT
import { Access, Fault, Status } from "../abi";
import { CheckBuffer, CheckReason, CheckReport } from "../abi-check";
import { noteFault } from "../fault";
import { note, noteField, noteRange, refuse } from "./report";

/** The MMU's pages: buffers begin at one and own all of them that they touch. */
const PAGE_BYTES: u32 = 4096;
/** The kernel takes no longer list (spec/uapi.md, field.md: 128 Ki entries). */
const COUNT_MAX: u32 = 0x20000;
const RECORD: usize = CheckBuffer.WORDS * 4;

let list: usize = 0;
let count: u32 = 0;

function recordAt(index: u32): usize {
  return list + <usize>index * RECORD;
}

/** A word of a buffer's record. */
export function bufferWord(record: usize, word: CheckBuffer): u32 {
  return load<u32>(record + ((<usize>word) << 2));
}

function end(record: usize): u64 {
  return <u64>load<u32>(record) + <u64>load<u32>(record, CheckBuffer.BYTES * 4);
}

/** End of the memory that belongs to a buffer and to nothing else. */
function mappedEnd(record: usize): u64 {
  return <u64>load<u32>(record) + <u64>load<u32>(record, CheckBuffer.MAPPED * 4);
}

function refuseBuffer(record: usize, reason: CheckReason, value: u32): Status {
  note(CheckReport.BUFFER, bufferWord(record, CheckBuffer.INDEX));
  noteFault(Fault.ADDRESS, bufferWord(record, CheckBuffer.ADDRESS));
  return refuse(Status.CHECK_LIMIT, reason, value);
}

/**
 * Takes over the list of a submit: `entries` records, sorted by address.
 * @returns CHECK_LIMIT for what the kernel or the MMU would not take: too many buffers, size 0, an
 *   address that is 0 or not at a page, less memory than bytes, memory that leaves the 32-bit space or is another
 *   buffer's, too
 */
export function openBuffers(records: usize, entries: u32): Status {
  list = records;
  count = 0;
  if (entries > COUNT_MAX) return refuse(Status.CHECK_LIMIT, CheckReason.BUFFER_COUNT, entries);
  for (let i: u32 = 0; i < entries; i++) {
    const record = recordAt(i);
    const address = bufferWord(record, CheckBuffer.ADDRESS);
    const bytes = bufferWord(record, CheckBuffer.BYTES);
    if (bytes == 0) return refuseBuffer(record, CheckReason.BUFFER_SIZE, 0);
    if (address == 0 || (address & (PAGE_BYTES - 1)) != 0)
      return refuseBuffer(record, CheckReason.BUFFER_ADDRESS, address);
    const mapped = bufferWord(record, CheckBuffer.MAPPED);
    if (mapped < bytes || (mapped & (PAGE_BYTES - 1)) != 0)
      return refuseBuffer(record, CheckReason.BUFFER_MAPPED, mapped);
    if (mappedEnd(record) > (<u64>1) << 32)
      return refuseBuffer(record, CheckReason.BUFFER_SPACE, mapped);
    if (i == 0 || mappedEnd(recordAt(i - 1)) <= <u64>address) continue;
    const other = bufferWord(recordAt(i - 1), CheckBuffer.INDEX);
    return refuseBuffer(record, CheckReason.BUFFER_OVERLAP, other);
  }
  count = entries;
  return Status.OK;
}

/** The record of the buffer that holds `address`, or 0. */
function bufferAt(address: u64): usize {
  let low: u32 = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (load<u32>(recordAt(middle)) <= address) low = middle + 1;
    else high = middle;
  }
  if (low == 0) return 0;
  const record = recordAt(low - 1);
  return address < end(record) ? record : 0;
}

function refuseAccess(reason: CheckReason, from: u64, to: u64, access: u32, record: usize): Status {
  noteRange(from, to);
  note(CheckReport.ACCESS, access);
  if (record != 0) note(CheckReport.BUFFER, bufferWord(record, CheckBuffer.INDEX));
  if (from >> 32 == 0) noteFault(Fault.ADDRESS, <i32>from);
  return refuse(Status.CHECK_ADDRESS, reason, <u32>from);
}

/** Demands that `bytes` (at least one) bytes at `from` lie inside one buffer that grants `access`. */
export function checkRange(block: i32, field: i32, from: u64, bytes: u64, access: u32): Status {
  noteField(block, field);
  const to = from + bytes;
  const record = bufferAt(from);
  if (record == 0 || to > end(record))
    return refuseAccess(CheckReason.OUTSIDE, from, to, access, record);
  if ((bufferWord(record, CheckBuffer.ACCESS) & access) != access)
    return refuseAccess(CheckReason.DIRECTION, from, to, access, record);
  return Status.OK;
}

/**
 * Demands that `bytes` bytes at `from`, behind `base`, lie in the memory that is mapped for the buffer of `base`, in
 * the buffer or behind it: nothing else is there.
 */
export function checkMapped(block: i32, field: i32, base: u64, from: u64, bytes: u64): Status {
  noteField(block, field);
  const record = bufferAt(base);
  const to = from + bytes;
  if (record != 0 && to <= mappedEnd(record)) return Status.OK;
  return refuseAccess(CheckReason.SURPLUS_OUTSIDE, from, to, Access.WRITE, record);
}

let held: u32 = 0;

/** Known bytes from the address that heldAt found on. */
export function heldBytes(): u32 {
  return held;
}

/**
 * Finds contents that the check reads and that therefore nothing may change afterwards: `bytes` bytes
 * at `address`, known, in one buffer of this submit that may be read and not written.
 * @returns where they are in memory; 0 = refused (refusal())
 */
export function heldAt(block: i32, field: i32, address: u64, bytes: u64): usize {
  if (checkRange(block, field, address, bytes, Access.READ) != Status.OK) return 0;
  const record = bufferAt(address);
  if ((bufferWord(record, CheckBuffer.ACCESS) & Access.WRITE) != 0) {
    refuseAccess(CheckReason.WRITABLE, address, address + bytes, Access.READ, record);
    return 0;
  }
  const offset = address - load<u32>(record);
  const known = <u64>load<u32>(record, CheckBuffer.HELD * 4);
  const contents = bufferWord(record, CheckBuffer.CONTENTS);
  if (contents == 0 || offset + bytes > known) {
    refuseAccess(CheckReason.NOT_HELD, address, address + bytes, Access.READ, record);
    return 0;
  }
  held = <u32>(known - offset);
  return <usize>contents + <usize>offset;
}
