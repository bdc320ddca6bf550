// The fault record: what a failed export leaves for the host to read.
// SPDX-License-Identifier: MIT
import { Fault, Status } from "./abi";

const record = memory.data(32);

/** Address of the fault record (Fault.WORDS words). */
export function faultRecord(): usize {
  return record;
}

/** Clears the record; called at the start of every export that can fail. */
export function clearFault(): void {
  for (let i = 0; i < Fault.WORDS; i++) store<i32>(record + (i << 2), -1);
  store<i32>(record, Status.OK);
}

/** Sets one member of the record. */
export function noteFault(member: Fault, value: i32): void {
  store<i32>(record + ((<i32>member) << 2), value);
}

/** Sets the code and returns it, for `return fail(Status.X)`. */
export function fail(code: Status): Status {
  noteFault(Fault.CODE, code);
  return code;
}
