// The simulator's exports: one memory map and one chip per WASM instance.
// SPDX-License-Identifier: MIT
import { Rounding, Status } from "../abi";
import { clearFault, fail } from "../fault";
import { resetPlans } from "./coef-plan";
import { failAddress, setFaultJob } from "./faults";
import { jobCount, runStream, setChip } from "./front-end";
import {
  allowAccess,
  clearWritten,
  mapBuffer,
  resetMemory,
  startAccess,
  touchRange,
} from "./memory";
import { resetOverlap } from "./overlap";
import { resetScratch } from "./scratch";
import { setShare } from "./share";

/** The most NN cores of any chip, with room. */
const NN_CORES_MAX: u32 = 16;

/**
 * Starts over: no buffers, no decoded coefficients. What was used before stays allocated in the
 * arena until the host resets it, and allocations of the simulator itself go on top of the arena in
 * every call.
 */
export function simCreate(nnCoreVersion: u32, nnCores: u32, rounding: Rounding): Status {
  clearFault();
  if (nnCores == 0 || nnCores > NN_CORES_MAX || <u32>rounding > <u32>Rounding.HALF_AWAY)
    return fail(Status.BAD_ARGUMENT);
  setFaultJob(-1);
  setChip(nnCoreVersion, nnCores, rounding);
  setShare(0, 1);
  resetScratch();
  let status = resetMemory();
  if (status == Status.OK) status = resetPlans();
  if (status == Status.OK) status = resetOverlap();
  return status == Status.OK ? status : fail(status);
}

/** Maps `bytes` bytes at `ptr` to a GPU address; access is used when a submit lists no buffers. */
export function simMapBuffer(address: u32, bytes: u32, ptr: usize, access: u32): Status {
  clearFault();
  const status = mapBuffer(address, bytes, ptr, access);
  return status == Status.OK ? status : fail(status);
}

/** The host changed bytes of a buffer; needed whenever it writes after a submit. */
export function simTouch(address: u32, bytes: u32): Status {
  clearFault();
  return touchRange(address, bytes) ? Status.OK : fail(Status.BAD_ARGUMENT);
}

/**
 * Runs a command stream. `list` holds `listed` pairs of words, GPU address of a buffer and access:
 * the only buffers that this submit may use. list = 0: all buffers, with the access they were
 * mapped with.
 */
export function simSubmit(stream: usize, words: u32, list: usize, listed: u32): Status {
  clearFault();
  setFaultJob(-1);
  startAccess(list == 0);
  for (let i: u32 = 0; i < listed && list != 0; i++) {
    const pair = list + ((<usize>i) << 3);
    if (!allowAccess(load<u32>(pair), load<u32>(pair, 4)))
      return failAddress(-1, -1, load<u32>(pair));
  }
  const status = runStream(stream, words);
  clearWritten();
  return status;
}

/**
 * From now on this instance is the `index`-th of `count` that run the same submits in step; 0 and 1:
 * alone.
 */
export function simShare(index: u32, count: u32): Status {
  clearFault();
  if (count == 0 || index >= count) return fail(Status.BAD_ARGUMENT);
  setShare(index, count);
  return Status.OK;
}

/** Jobs that the last submit ended. */
export function simJobCount(): i32 {
  return jobCount();
}
