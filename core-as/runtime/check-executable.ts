// The pre-submit check of a whole executable, for those who do not know where a transport will put its buffers.
// SPDX-License-Identifier: MIT
import { NpuError } from "../errors.ts";
import { assignAddresses } from "../executable/addresses.ts";
import type { Executable } from "../executable/executable.ts";
import type { Chip } from "../hw/chips.ts";
import { mappedSizes } from "./mapped-sizes.ts";
import { checkPartition, type SubmitChecker } from "./submit-check.ts";

/**
 * Checks every partition at addresses chosen here: what stays inside its buffers at one place does so at any other.
 * @param chip part that it will run on; sizes of mapped memory follow from it
 * @throws SubmitCheckError as SubmitChecker.check, EncodeError TW_ENC_RELOC; messages begin with the partition
 */
export function checkExecutable(
  checker: SubmitChecker,
  { partitions }: Pick<Executable, "partitions">,
  chip: Pick<Chip, "nnCoreVersion" | "nnCores">,
): void {
  for (const [index, partition] of partitions.entries())
    inPartition(index, () => {
      const mapped = mappedSizes(partition, chip);
      const buffers = partition.buffers.map((buffer, i) => ({ ...buffer, bytes: mapped[i]! }));
      checkPartition(checker, partition, assignAddresses({ buffers }), { mapped });
    });
}

/** Does something with a partition; errors of it begin with the partition's index. */
export function inPartition(index: number, work: () => void): void {
  try {
    work();
  } catch (cause) {
    if (cause instanceof NpuError) cause.message = `partition ${index}: ${cause.message}`;
    throw cause;
  }
}
