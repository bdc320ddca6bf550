// The one place of the simulator that chooses between NN core versions; each version's rules are in
// files of their own (nn-v7.ts, nn-v8.ts, coef/decode-v7.ts, coef/decode-v8.ts).
// SPDX-License-Identifier: MIT
import { Status } from "../abi";
import { NnJob } from "./nn-job";
import {
  INPUT_CENTRE_V7,
  checkNnV7,
  planeOffsetV7,
  requantMultiplierV7,
  requantShiftV7,
} from "./nn-v7";
import {
  INPUT_CENTRE_V8,
  checkNnV8,
  planeOffsetV8,
  requantMultiplierV8,
  requantShiftV8,
} from "./nn-v8";

/** Whether NN jobs of this version can be simulated; what follows demands it. Not needed by TP jobs. */
export function nnVersionModelled(version: u32): bool {
  return version == 7 || version == 8;
}

function isV7(version: u32): bool {
  assert(nnVersionModelled(version));
  return version == 7;
}

/** Fields whose meaning or allowed values depend on the version. */
export function checkNn(version: u32, job: NnJob, src: usize): Status {
  return isV7(version) ? checkNnV7(job, src) : checkNnV8(job, src);
}

/** An accumulator times this multiplier, shifted right, is the output before its zero point. */
export function requantMultiplier(version: u32, job: NnJob): u32 {
  return isV7(version) ? requantMultiplierV7(job) : requantMultiplierV8(job);
}

export function requantShift(version: u32, job: NnJob): u32 {
  return isV7(version) ? requantShiftV7(job) : requantShiftV8(job);
}

/** What is subtracted from input bytes before they are multiplied. */
export function inputCentre(version: u32): i32 {
  return isV7(version) ? INPUT_CENTRE_V7 : INPUT_CENTRE_V8;
}

/** Where a kernel's output plane starts, from the word that the decoder gives with it. */
export function planeOffset(version: u32, job: NnJob, word: u32): u64 {
  return isV7(version) ? planeOffsetV7(word) : planeOffsetV8(job, word);
}
