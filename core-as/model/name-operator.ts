// Errors found in a tensor, completed by the operator that writes or reads it: that is what a user can look up.
// SPDX-License-Identifier: MIT
import { addPlace, NpuError } from "../errors.ts";
import type { Op } from "../ir/graph.ts";
import { describeOp, operatorOf } from "../ir/print.ts";

/**
 * Puts the operator of a tensor into an error about that tensor; leaves the error as it is when no operator has the tensor.
 * @param readOps reads the operators, which the file may hold behind the tensors; may throw
 */
export function nameOperator(error: unknown, tensor: number, readOps: () => readonly Op[]): void {
  if (!(error instanceof NpuError)) return;
  let op: Op | null = null;
  try {
    op = operatorOf(readOps(), tensor);
  } catch {
    // The operators are broken as well: the first error stands.
  }
  const says = new RegExp(`\\btensor ${tensor}\\b`).test(error.message) ? "" : `tensor ${tensor}: `;
  if (op === null) addPlace(error, says, { tensor });
  else addPlace(error, `${describeOp(op)}: ${says}`, { op: op.id, tensor });
}
