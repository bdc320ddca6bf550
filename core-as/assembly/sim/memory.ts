// The memory map of a submit: which GPU addresses exist, who may read or write them, what was
// written.
// SPDX-License-Identifier: MIT
import { Access, Status } from "../abi";
import { arenaAlloc, arenaAllocZeroed } from "../arena";

const BUFFERS_MAX: u32 = 8192;

@unmanaged
export class SimBuffer {
  address: u32;
  bytes: u32;
  ptr: usize;
  /** Access when a submit lists no buffers. */
  defaultAccess: u32;
  /** Access in the running submit. */
  access: u32;
  /** Changes whenever contents may have changed; never repeats. */
  version: u32;
  /** One bit a byte, written by the running job; 0 until the first write. */
  written: usize;
  /** Bytes of the buffer whose bits may be set: writtenFrom..writtenTo-1. */
  writtenFrom: u32;
  writtenTo: u32;
}

const RECORD: usize = offsetof<SimBuffer>();

/** Pointers to records, in order of GPU address. */
let table: usize = 0;
let count: u32 = 0;
let versions: u32 = 0;
let last: SimBuffer = changetype<SimBuffer>(0);

function at(index: u32): SimBuffer {
  return changetype<SimBuffer>(load<usize>(table + <usize>index * sizeof<usize>()));
}

/** Forgets all buffers. */
export function resetMemory(): Status {
  table = arenaAlloc(BUFFERS_MAX * sizeof<usize>());
  count = 0;
  last = changetype<SimBuffer>(0);
  return table == 0 ? Status.NO_MEMORY : Status.OK;
}

/** Number of buffers that begin at or below `address`. */
function countUpTo(address: u32): u32 {
  let low: u32 = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (at(middle).address <= address) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Adds a buffer, or gives the buffer of this address and size new contents.
 * @returns BAD_ARGUMENT when it overlaps another buffer or leaves the 32-bit address space
 */
export function mapBuffer(address: u32, bytes: u32, ptr: usize, access: u32): Status {
  if (bytes == 0 || access > 3 || <u64>address + <u64>bytes > (<u64>1) << 32)
    return Status.BAD_ARGUMENT;
  const index = countUpTo(address);
  const below = index > 0 ? at(index - 1) : changetype<SimBuffer>(0);
  if (index > 0 && below.address == address && below.bytes == bytes) {
    below.ptr = ptr;
    below.defaultAccess = access;
    below.version = ++versions;
    return Status.OK;
  }
  if (index > 0 && <u64>below.address + <u64>below.bytes > <u64>address) return Status.BAD_ARGUMENT;
  if (index < count && <u64>address + <u64>bytes > <u64>at(index).address)
    return Status.BAD_ARGUMENT;
  if (count == BUFFERS_MAX) return Status.SIM_LIMIT;

  const record = arenaAllocZeroed(RECORD);
  if (record == 0) return Status.NO_MEMORY;
  const buffer = changetype<SimBuffer>(record);
  buffer.address = address;
  buffer.bytes = bytes;
  buffer.ptr = ptr;
  buffer.defaultAccess = access;
  buffer.version = ++versions;
  const place = table + <usize>index * sizeof<usize>();
  memory.copy(place + sizeof<usize>(), place, <usize>(count - index) * sizeof<usize>());
  store<usize>(place, record);
  count++;
  return Status.OK;
}

/** The buffer that holds `address`, or null. */
export function bufferAt(address: u64): SimBuffer {
  const known = last;
  if (changetype<usize>(known) != 0) {
    if (address >= known.address && address - known.address < known.bytes) return known;
  }
  if (address >> 32 != 0) return changetype<SimBuffer>(0);
  const index = countUpTo(<u32>address);
  if (index == 0) return changetype<SimBuffer>(0);
  const found = at(index - 1);
  if (address - found.address >= found.bytes) return changetype<SimBuffer>(0);
  last = found;
  return found;
}

/**
 * Access of all buffers in the next submit: what was mapped, or nothing before its list is read.
 */
export function startAccess(useDefaults: bool): void {
  for (let i: u32 = 0; i < count; i++) {
    const buffer = at(i);
    buffer.access = useDefaults ? buffer.defaultAccess : Access.NONE;
  }
}

/** Adds access rights to the buffer that begins at `address`; false if there is none. */
export function allowAccess(address: u32, access: u32): bool {
  const buffer = bufferAt(address);
  if (changetype<usize>(buffer) == 0 || buffer.address != address || access > 3) return false;
  buffer.access |= access;
  return true;
}

/**
 * Where the `bytes` bytes at a GPU address are, or 0 when they are not all in one buffer of the
 * submit that grants `access`.
 */
export function resolve(address: u64, bytes: u64, access: u32): usize {
  const buffer = bufferAt(address);
  if (changetype<usize>(buffer) == 0 || (buffer.access & access) != access) return 0;
  const offset = address - buffer.address;
  if (bytes > <u64>buffer.bytes - offset) return 0;
  return buffer.ptr + <usize>offset;
}

/** Notes that a buffer's contents changed: decoded coefficients in it are out of date. */
export function touchBuffer(buffer: SimBuffer): void {
  buffer.version = ++versions;
}

/**
 * Export: the host changed `bytes` bytes at a GPU address; false if they are not all in one buffer.
 */
export function touchRange(address: u32, bytes: u32): bool {
  const buffer = bufferAt(address);
  if (changetype<usize>(buffer) == 0) return false;
  if (<u64>bytes > <u64>buffer.bytes - (address - buffer.address)) return false;
  touchBuffer(buffer);
  return true;
}

/** Makes the bits of a buffer available for markWritten; false when memory is short. */
export function prepareWritten(buffer: SimBuffer): bool {
  if (buffer.written == 0) {
    buffer.written = arenaAllocZeroed((buffer.bytes >> 3) + 16);
    buffer.writtenFrom = buffer.bytes;
    buffer.writtenTo = 0;
  }
  return buffer.written != 0;
}

/** Forgets what jobs before have written. */
export function clearWritten(): void {
  for (let i: u32 = 0; i < count; i++) {
    const buffer = at(i);
    if (buffer.writtenTo == 0) continue;
    const from = buffer.writtenFrom >> 3;
    memory.fill(buffer.written + from, 0, (buffer.writtenTo >> 3) + 1 - from);
    buffer.writtenFrom = buffer.bytes;
    buffer.writtenTo = 0;
  }
}
