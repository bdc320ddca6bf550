// Captured submits as the pre-submit check gets them.
// SPDX-License-Identifier: MIT
import { chipByName } from "../../core-as/hw/chips.ts";
import type { Capture } from "../../core-as/runtime/capture.ts";
import type { CheckBuffer } from "../../core-as/runtime/submit-check.ts";
import type { Submit } from "./check-rig.ts";

/** The listed buffers; the contents of tensors are the host's and the jobs', so not known. */
export function submitOfCapture(capture: Capture): Submit {
  const buffers = capture.listed.map(({ address, access }): CheckBuffer => {
    const { bytes, role, contents } = capture.buffers.find((buffer) => buffer.address === address)!;
    return { address, bytes, access, contents: role === "tensor" ? null : (contents ?? null) };
  });
  return { chip: chipByName(capture.target)!, stream: capture.stream, buffers };
}
