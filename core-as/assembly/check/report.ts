// How the check refuses: the fault record says where, a record of its own says why.
// SPDX-License-Identifier: MIT
import { Fault, Status } from "../abi";
import { CheckReason, CheckReport } from "../abi-check";
import { clearFault, fail, noteFault } from "../fault";

const record = memory.data(64);

let job: i32 = -1;
let kind: i32 = -1;
let word: i32 = -1;
let status: Status = Status.OK;

/** Address of the report record (CheckReport.WORDS words); meaningful after a refusal. */
export function checkReport(): usize {
  return record;
}

/** Forgets the refusal before. */
export function clearReport(): void {
  clearFault();
  for (let i = 0; i < CheckReport.WORDS; i++) store<i32>(record + (i << 2), -1);
  store<i32>(record, CheckReason.NONE);
  setPlace(-1, -1);
  setWord(-1);
  status = Status.OK;
}

/** Names the job (number and block of its descriptors) that following refusals belong to. */
export function setPlace(number: i32, block: i32): void {
  job = number;
  kind = block;
}

/** Names the word of the command stream that following refusals belong to. */
export function setWord(index: i32): void {
  word = index;
}

/** Sets one member of the report. */
export function note(member: CheckReport, value: i32): void {
  store<i32>(record + ((<i32>member) << 2), value);
}

/** Sets the range of bytes, or of values, that the report is about. */
export function noteRange(from: u64, to: u64): void {
  note(CheckReport.FROM_LOW, <i32>from);
  note(CheckReport.FROM_HIGH, <i32>(from >> 32));
  note(CheckReport.TO_LOW, <i32>to);
  note(CheckReport.TO_HIGH, <i32>(to >> 32));
}

/** Names a field of a hardware block. */
export function noteField(block: i32, field: i32): void {
  noteFault(Fault.BLOCK, block);
  noteFault(Fault.FIELD, field);
}

/** Refuses the submit: fills the records and returns the code, for `return refuse(...)`. */
export function refuse(code: Status, reason: CheckReason, value: u32): Status {
  note(CheckReport.REASON, reason);
  note(CheckReport.KIND, kind);
  noteFault(Fault.JOB, job);
  noteFault(Fault.WORD_INDEX, word);
  noteFault(Fault.VALUE, value);
  status = code;
  return fail(code);
}

/** The status of the refusal that happened, for functions that return something else. */
export function refusal(): Status {
  return status;
}

/** Refuses a descriptor field: it must be within low to high, both included. */
export function refuseRange(block: i32, field: i32, value: u32, low: i64, high: i64): Status {
  noteField(block, field);
  noteRange(low, high);
  return refuse(Status.CHECK_DESCRIPTOR, CheckReason.RANGE, value);
}

/** Refuses a descriptor field for a reason that its value alone explains. */
export function refuseField(block: i32, field: i32, reason: CheckReason, value: u32): Status {
  noteField(block, field);
  return refuse(Status.CHECK_DESCRIPTOR, reason, value);
}
