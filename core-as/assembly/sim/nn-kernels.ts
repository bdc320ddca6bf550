// The arithmetic of NN jobs in two forms with equal results: lists of taps for sparse kernels, a
// matrix for dense.
// SPDX-License-Identifier: MIT
import { Status } from "../abi";
import { CoefPlan } from "./coef-plan";
import { simFail } from "./faults";
import { NnJob } from "./nn-job";
import { runLists } from "./nn-lists";
import { runMatrix } from "./nn-matrix";
import { nnView } from "./nn-view";
import { Area, scratch } from "./scratch";

/** Runs this instance's channels of a job whose view is made and whose output plane 0 is at `output`. */
export function runKernels(plan: CoefPlan, job: NnJob, output: usize): Status {
  const offsets = tapOffsets(plan, job);
  if (offsets == 0) return simFail(Status.NO_MEMORY);
  return plan.matrixPairs != 0 ? runMatrix(plan, offsets, output) : runLists(plan, offsets, output);
}

/** Tap -> offset from an output pixel's first input byte; one more entry, for an odd last tap. */
function tapOffsets(plan: CoefPlan, job: NnJob): usize {
  const offsets = scratch(Area.OFFSETS, (<u64>plan.taps + 1) * 4);
  if (offsets == 0) return 0;
  let at = offsets;
  for (let z: usize = 0; z < job.kernelZ; z++) {
    for (let y: usize = 0; y < job.kernelY; y++) {
      const row = z * nnView.plane + y * <usize>nnView.row;
      for (let x: usize = 0; x < job.kernelX; x++, at += 4) store<u32>(at, <u32>(row + x));
    }
  }
  store<u32>(at, 0);
  return offsets;
}
