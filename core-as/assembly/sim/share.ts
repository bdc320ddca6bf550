// Several instances run one stream in step: each computes some channels of every large NN job, and they exchange what they
// computed. All of them check everything, so they fault alike.
// SPDX-License-Identifier: MIT
import { CoefPlan, GROUP } from "./coef-plan";
import { collect, meet, publish } from "./exchange";
import { NnJob } from "./nn-job";

/** Multiply-adds from which a job is worth an exchange. */
const WORTHWHILE: u64 = 1 << 18;

let parts: u32 = 1;
let part: u32 = 0;

/** Output channels of the running job that this instance computes: from firstChannel to below endChannel. */
export let firstChannel: u32 = 0;
export let endChannel: u32 = 0;
let isShared: bool = false;
/** Channels are given out in groups of so many. */
let unit: u32 = 1;

/** This instance is the `index`-th (from 0) of `count`. */
export function setShare(index: u32, count: u32): void {
  part = index;
  parts = count;
}

/** From one plane's first byte to its last one's end. */
function planeBytes(job: NnJob): u64 {
  return <u64>(job.outY - 1) * <u64>job.outRow + <u64>job.outX;
}

/** First channel of a part; of part `parts`: the number of channels. */
function firstOf(index: u32, channels: u32): u32 {
  const units = (channels + unit - 1) / unit;
  return min<u32>(channels, <u32>((<u64>units * <u64>index) / <u64>parts) * unit);
}

/** Chooses this instance's channels of a job. */
export function startShare(plan: CoefPlan, job: NnJob): void {
  firstChannel = 0;
  endChannel = job.outZ;
  unit = plan.matrixPairs != 0 ? GROUP : 1;
  // Planes that interleave cannot be given away one by one.
  isShared =
    parts > 1 &&
    job.outZ > unit &&
    job.outPlane >= planeBytes(job) &&
    <u64>job.outX * <u64>job.outY * <u64>plan.nonzero >= WORTHWHILE;
  if (!isShared) return;
  firstChannel = firstOf(part, job.outZ);
  endChannel = firstOf(part + 1, job.outZ);
}

/** Exchanges what the instances have computed; bytes between the planes are the same everywhere. */
export function endShare(job: NnJob, output: usize): void {
  if (!isShared) return;
  for (let i: u32 = 0; i <= parts; i++) {
    // First the own part, then, when all have come, those of the others.
    if (i == 1) meet();
    const index = i == 0 ? part : i - 1;
    if (i > 0 && index == part) continue;
    const first = firstOf(index, job.outZ);
    const end = firstOf(index + 1, job.outZ);
    if (first == end) continue;
    const at = <usize>(<u64>first * job.outPlane);
    const bytes = <usize>(<u64>(end - 1 - first) * job.outPlane + planeBytes(job));
    if (i == 0) publish(at, output + at, bytes);
    else collect(at, output + at, bytes);
  }
}
