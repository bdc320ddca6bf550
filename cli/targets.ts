// tilewright targets: the chips, and what is known about each.
// SPDX-License-Identifier: MIT
import type { Command } from "commander";
import { CHIPS, NpuError, targetChip } from "../core-as/index.ts";
import { addJsonFlag } from "./flags.ts";
import { print, printJson, size, table } from "./terminal.ts";

export function addTargets(program: Command): void {
  addJsonFlag(
    program
      .command("targets")
      .description("list the chips, what is known about each, and whether code can be generated"),
  ).action(({ json }: { json?: boolean }) => {
    const rows = CHIPS.map((chip) => ({ ...chip, compiles: compiles(chip.name) }));
    if (json) return printJson(rows);
    print(
      table(
        ["target", "also", "part", "NN cores", "TP cores", "SRAM", "compiles", "evidence"],
        rows.map((chip) => [
          chip.name,
          chip.aliases.join(", "),
          chip.part,
          `${chip.nnCores} x ${chip.madPerCore} MAC, v${chip.nnCoreVersion}`,
          chip.tpCores,
          size(chip.vipSramBytes),
          chip.compiles ? "yes" : "no",
          chip.evidence,
        ]),
        ["left", "left", "left", "right", "right", "right"],
      ),
    );
    return undefined;
  });
}

/** Whether the compiler takes the chip as a target. */
function compiles(name: string): boolean {
  try {
    targetChip(name);
    return true;
  } catch (error) {
    if (error instanceof NpuError) return false;
    throw error;
  }
}
