// The one place of the simulator that chooses between NN core versions; each version's rules are in
// files of their own (nn-v7.ts, coef/decode-v7.ts).
// SPDX-License-Identifier: MIT
import { Status } from "../abi";
import { NnJob } from "./nn-job";
import { checkNnV7, requantFactorV7 } from "./nn-v7";

/** Whether NN jobs of this version can be simulated; what follows demands it. Not needed by TP jobs. */
export function nnVersionModelled(version: u32): bool {
  return version == 7;
}

/** Fields whose meaning or allowed values depend on the version. */
export function checkNn(version: u32, job: NnJob, src: usize): Status {
  assert(nnVersionModelled(version));
  return checkNnV7(job, src);
}

/** What an accumulator is multiplied by, exactly. */
export function requantFactor(version: u32, job: NnJob): f64 {
  assert(nnVersionModelled(version));
  return requantFactorV7(job);
}
