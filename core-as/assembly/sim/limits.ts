// A bound on the work of one submit, so that no descriptor can hang the simulator.
// SPDX-License-Identifier: MIT
import { Status } from "../abi";
import { failLimit } from "./faults";

/** Nonzero multiply-adds, moved bytes and decoded bytes of a submit; far above any real network. */
const WORK_MAX: u64 = 1 << 36;

let left: u64 = 0;

export function startWork(): void {
  left = WORK_MAX;
}

/** Takes `work` from the budget of the submit. */
export function spend(work: u64): Status {
  if (work > left) return failLimit(work);
  left -= work;
  return Status.OK;
}
