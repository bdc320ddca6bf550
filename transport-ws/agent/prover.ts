// The pre-submit check for what comes from the network: made once, when the first executable is to be loaded.
// SPDX-License-Identifier: MIT
import type { Executable } from "../../core-as/executable/executable.ts";
import { chipByIdentity, type ChipIdentity } from "../../core-as/hw/chips.ts";
import { checkChip } from "../../core-as/runtime/check-chip.ts";
import { checkExecutable } from "../../core-as/runtime/check-executable.ts";
import { SubmitChecker } from "../../core-as/runtime/submit-check.ts";

export class Prover {
  private checker: Promise<SubmitChecker> | null = null;

  /**
   * @param identity the transport's chip
   * @param overlap jobs of NN and TP cores may overlap
   */
  constructor(
    private readonly identity: ChipIdentity,
    private readonly overlap = false,
  ) {}

  /**
   * @throws ExecutableError TW_EXE_CHIP for another chip
   * @throws SubmitCheckError when a job would leave its buffers or writes what it must not
   */
  async prove(executable: Executable): Promise<void> {
    checkChip(executable, this.identity);
    const chip = chipByIdentity(this.identity);
    // A chip that the table does not have has no executables either; the transport says so.
    if (chip === undefined) return;
    this.checker ??= SubmitChecker.create({ chip, parallel: this.overlap });
    checkExecutable(await this.checker, executable, chip);
  }
}
