// Runs one NN job: checks every address that it reads or writes, then computes.
// SPDX-License-Identifier: MIT
import { Access, Rounding, Status } from "../abi";
import { BlockId, Nn } from "../gen/fields";
import { findPlan, foundPlan } from "./coef-plan";
import { failAddress, failField } from "./faults";
import { spend } from "./limits";
import { bufferAt, resolve, touchBuffer } from "./memory";
import { touchSpan } from "./overlap";
import { NnJob, nnJob, parseNn } from "./nn-job";
import { runKernels } from "./nn-kernels";
import { makeView, readBytes } from "./nn-view";
import { startRequant } from "./requant";
import { endShare, startShare } from "./share";
import { checkNn, nnVersionModelled, requantMultiplier, requantShift } from "./versions";

/** Bytes from the output address to the end of the last pixel; all channels are written. */
function writeBytes(job: NnJob): u64 {
  return <u64>(job.outZ - 1) * job.outPlane + <u64>(job.outY - 1) * <u64>job.outRow + <u64>job.outX;
}

/** Coefficients count whole, images from their first to their last byte. */
function touchSpans(job: NnJob, reads: u64, writes: u64): Status {
  const buffer = bufferAt(job.kernelAddr);
  const end = <u64>buffer.address + <u64>buffer.bytes;
  let status = touchSpan(<u64>job.kernelAddr, end, false);
  if (status == Status.OK) status = touchSpan(<u64>job.inAddr, <u64>job.inAddr + reads, false);
  if (status == Status.OK) status = touchSpan(<u64>job.outAddr, <u64>job.outAddr + writes, true);
  return status;
}

/** Runs the job of the descriptor at `descriptor` (in WASM memory). */
export function runNn(descriptor: usize, version: u32, cores: u32, mode: Rounding): Status {
  const job = nnJob;
  if (!nnVersionModelled(version)) return failField(BlockId.NN, Nn.NO_Z_OFFSET, version);
  let status = parseNn(descriptor, version);
  if (status == Status.OK) status = checkNn(version, job, descriptor);
  if (status != Status.OK) return status;

  const coefficients = resolve(job.kernelAddr, 1, Access.READ);
  if (coefficients == 0) return failAddress(BlockId.NN, Nn.KERNEL_ADDR, job.kernelAddr);
  const buffer = bufferAt(job.kernelAddr);
  status = findPlan(job, version, cores, buffer, coefficients);
  if (status != Status.OK) return status;

  const reads = readBytes(job);
  const writes = writeBytes(job);
  const input: usize = reads == 0 ? 0 : resolve(job.inAddr, reads, Access.READ);
  if (reads != 0 && input == 0) return failAddress(BlockId.NN, Nn.IN_IMAGE_ADDR, job.inAddr);
  const output = resolve(job.outAddr, writes, Access.WRITE);
  if (output == 0) return failAddress(BlockId.NN, Nn.OUT_IMAGE_ADDR, job.outAddr);
  // A job that reads what it writes depends on the order of its tiles, which is not modelled.
  const apart =
    <u64>job.inAddr + reads <= <u64>job.outAddr || <u64>job.outAddr + writes <= <u64>job.inAddr;
  if (!apart) return failAddress(BlockId.NN, Nn.OUT_IMAGE_ADDR, job.outAddr);

  status = touchSpans(job, reads, writes);
  if (status != Status.OK) return status;

  const plan = foundPlan();
  const pixels = <u64>job.outX * <u64>job.outY;
  status = spend(pixels * (<u64>plan.nonzero + <u64>job.outZ) + <u64>plan.taps);
  if (status == Status.OK) status = makeView(job, input);
  if (status != Status.OK) return status;
  const multiplier = requantMultiplier(version, job);
  startRequant(multiplier, requantShift(version, job), mode, job.outZp, job.relu);
  startShare(plan, job);
  status = runKernels(plan, job, output);
  if (status == Status.OK) endShare(job, output);
  touchBuffer(bufferAt(job.outAddr));
  return status;
}
