// What a call throws, for tests that want it to.
// SPDX-License-Identifier: MIT
import { SimFault } from "../../core-as/errors.ts";

/** The simulator's fault; everything else that is thrown goes on. @throws Error when nothing is */
export function faultOf(run: () => unknown): SimFault {
  try {
    run();
  } catch (error) {
    if (error instanceof SimFault) return error;
    throw error;
  }
  throw new Error("no fault");
}

/** The code of what is thrown; "none" when nothing is. */
export function thrownCode(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return "none";
}
