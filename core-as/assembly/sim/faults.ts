// How the simulator reports faults: the job that runs, then the code; callers note what else they
// know.
// SPDX-License-Identifier: MIT
import { Fault, Status } from "../abi";
import { fail, noteFault } from "../fault";

let job: i32 = -1;

/** Names the job that following faults belong to; -1 = none. */
export function setFaultJob(index: i32): void {
  job = index;
}

/** Fails with the number of the running job. */
export function simFail(code: Status): Status {
  noteFault(Fault.JOB, job);
  return fail(code);
}

/** A descriptor field has a value that is not modelled or not possible. */
export function failField(block: i32, field: i32, value: u32): Status {
  noteFault(Fault.BLOCK, block);
  noteFault(Fault.FIELD, field);
  noteFault(Fault.VALUE, value);
  return simFail(Status.SIM_BAD_DESCRIPTOR);
}

/** An access leaves the buffers of the submit, or goes the wrong way. */
export function failAddress(block: i32, field: i32, address: u64): Status {
  noteFault(Fault.BLOCK, block);
  noteFault(Fault.FIELD, field);
  noteFault(Fault.ADDRESS, <i32>address);
  noteFault(Fault.VALUE, <i32>(address >> 32));
  return simFail(Status.SIM_BAD_ADDRESS);
}

/** A fixed limit of the simulator, not of the hardware. */
export function failLimit(value: u64): Status {
  noteFault(Fault.VALUE, <i32>value);
  return simFail(Status.SIM_LIMIT);
}
