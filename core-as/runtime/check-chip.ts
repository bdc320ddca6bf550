// An executable runs on the chip it was compiled for and on no other: tilings and formats differ.
// SPDX-License-Identifier: MIT
import { ExecutableError } from "../errors.ts";
import type { Executable } from "../executable/executable.ts";
import { chipByIdentity, type ChipIdentity } from "../hw/chips.ts";

/**
 * Compares the chip of an executable with that of a transport, as the hardware database does: the lowest revision digit
 * and everything above bit 15 do not count (spec/hardware.md 2).
 * @throws ExecutableError TW_EXE_CHIP
 */
export function checkChip({ chip }: Executable, device: ChipIdentity): void {
  const same =
    chip.model === device.model &&
    chip.productId === device.productId &&
    chip.ecoId === device.ecoId &&
    chip.customerId === device.customerId &&
    (chip.revision & 0xfff0) === (device.revision & 0xfff0);
  if (same) return;
  throw new ExecutableError(
    "TW_EXE_CHIP",
    `the executable is for ${chip.name} (${ids(chip)}), not for ${chipByIdentity(device)?.name ?? "an unknown chip"} ` +
      `(${ids(device)})`,
  );
}

function ids({ model, revision, productId, ecoId, customerId }: ChipIdentity): string {
  const hex = (value: number): string => (value >>> 0).toString(16);
  return (
    `model ${hex(model)}, revision ${hex(revision)}, product ${hex(productId)}, ` +
    `eco ${hex(ecoId)}, customer ${hex(customerId)}`
  );
}
