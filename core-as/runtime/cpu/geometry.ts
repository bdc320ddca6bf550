// Output sizes and padding of sliding windows, as TFLite computes them.
// SPDX-License-Identifier: MIT
import type { Padding } from "../../ir/graph.ts";
import { windowOutputSize } from "../../ir/shapes-window.ts";

export interface WindowAxis {
  /** Output positions; 0 or less when the window does not fit. */
  output: number;
  /** Padding in front. With SAME, an odd total has its extra element behind. */
  before: number;
}

/** One axis of a sliding window over `input` elements. */
export function windowAxis(
  padding: Padding,
  input: number,
  kernel: number,
  stride: number,
  dilation = 1,
): WindowAxis {
  const output = windowOutputSize(padding, input, kernel, stride, dilation);
  const reach = (kernel - 1) * dilation + 1;
  const total = (output - 1) * stride + reach - input;
  return { output, before: Math.max(0, Math.floor(total / 2)) };
}
