// The one place that chooses between NN core versions; each version's rules are in files of their own.
// SPDX-License-Identifier: MIT
import { Status } from "../abi";
import { decodeV7, openV7 } from "../coef/decode-v7";
import { CoefRequest } from "../coef/request";
import { failField } from "./faults";
import { NnJob } from "./nn-job";
import { checkNnV7, requantFactorV7 } from "./nn-v7";
import { BlockId, Nn } from "../gen/fields";

/** Whether NN jobs of this version can be simulated. TP jobs do not depend on it. */
export function nnVersionModelled(version: u32): bool {
  return version == 7;
}

/** Fields whose meaning or allowed values depend on the version. */
export function checkNn(version: u32, job: NnJob, src: usize): Status {
  if (!nnVersionModelled(version)) return failField(BlockId.NN, Nn.NO_Z_OFFSET, version);
  return checkNnV7(job, src);
}

/** What an accumulator is multiplied by, exactly. */
export function requantFactor(version: u32, job: NnJob): f64 {
  assert(nnVersionModelled(version));
  return requantFactorV7(job);
}

/** Checks a coefficient buffer's header and counts what it holds. */
export function openCoefficients(version: u32, request: CoefRequest): Status {
  if (!nnVersionModelled(version)) return Status.SIM_BAD_COEFFICIENTS;
  return openV7(request);
}

/** Decodes a buffer that openCoefficients accepted. */
export function decodeCoefficients(version: u32, request: CoefRequest): Status {
  assert(nnVersionModelled(version));
  return decodeV7(request);
}
