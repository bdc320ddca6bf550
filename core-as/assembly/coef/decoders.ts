// The one place that chooses a coefficient decoder by NN core version.
// SPDX-License-Identifier: MIT
import { Status } from "../abi";
import { decodeV7, openV7 } from "./decode-v7";
import { CoefRequest } from "./request";

/** Whether there is a decoder for this version; what follows demands it. */
export function decoderExists(version: u32): bool {
  return version == 7;
}

/** Checks a coefficient buffer's header and counts what it holds. */
export function openCoefficients(version: u32, request: CoefRequest): Status {
  assert(decoderExists(version));
  return openV7(request);
}

/** Decodes a buffer that openCoefficients accepted. */
export function decodeCoefficients(version: u32, request: CoefRequest): Status {
  assert(decoderExists(version));
  return decodeV7(request);
}
