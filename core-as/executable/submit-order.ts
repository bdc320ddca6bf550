// The buffer list of a submit: what the kernel pins while it runs.
// SPDX-License-Identifier: MIT
import type { ExecutablePartition } from "./executable.ts";

/**
 * Buffers of a submit in the order in which its jobs mention them: descriptors, coefficients, inputs, output
 * (spec/uapi.md 4). The stream itself is not among them.
 */
export function submitOrder({ jobs }: Pick<ExecutablePartition, "jobs">): number[] {
  const order = new Set<number>();
  for (const { descriptors, coefficients, inputs, output } of jobs) {
    for (const buffer of descriptors) order.add(buffer);
    if (coefficients !== null) order.add(coefficients);
    for (const buffer of inputs) order.add(buffer);
    order.add(output);
  }
  return [...order];
}
