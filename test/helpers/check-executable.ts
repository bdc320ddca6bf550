// The pre-submit check of whole executables, as a transport does it: with the memory that mappedSizes() asks for.
// SPDX-License-Identifier: MIT
import type { Executable, ExecutablePartition } from "../../core-as/executable/executable.ts";
import { chipByName, type Chip } from "../../core-as/hw/chips.ts";
import { mappedSizes } from "../../core-as/runtime/mapped-sizes.ts";
import { overlaps } from "../../core-as/inspect/price.ts";
import { SubmitChecker, checkPartition } from "../../core-as/runtime/submit-check.ts";

const checkers = new Map<string, Promise<SubmitChecker>>();

/** The checker of a chip: one for all tests of a process; `parallel` permits jobs that overlap. */
export function checkerOfChip(chip: Chip, parallel = false): Promise<SubmitChecker> {
  const name = `${chip.name}${parallel ? ", parallel" : ""}`;
  let checker = checkers.get(name);
  if (checker === undefined)
    checkers.set(name, (checker = SubmitChecker.create({ chip, parallel })));
  return checker;
}

/** Checks one partition. @throws SubmitCheckError */
export function checkMapped(
  checker: SubmitChecker,
  chip: Chip,
  partition: ExecutablePartition,
): void {
  const mapped = mappedSizes(partition, chip);
  let top = 2 ** 32;
  const addresses = partition.buffers.map(({ role }, index) =>
    role === "stream" ? null : (top -= mapped[index]!),
  );
  checkPartition(checker, partition, addresses, { mapped });
}

/** Checks all partitions. @throws SubmitCheckError */
export async function checkExecutable(executable: Executable): Promise<void> {
  const chip = chipByName(executable.chip.name)!;
  const checker = await checkerOfChip(chip, overlaps(executable));
  for (const partition of executable.partitions) checkMapped(checker, chip, partition);
}
