// tilewright targets: the chips, and what is known about each.
// SPDX-License-Identifier: MIT
import type { Command } from "commander";
import { CHIPS } from "../core-as/index.ts";
import { addJsonFlag } from "./flags.ts";
import { print, printJson, size, table } from "./terminal.ts";

export function addTargets(program: Command): void {
  addJsonFlag(
    program.command("targets").description("list the chips and what is known about each"),
  ).action(({ json }: { json?: boolean }) => {
    if (json) return printJson(CHIPS);
    print(
      table(
        ["target", "also", "part", "NN cores", "TP cores", "SRAM", "evidence"],
        CHIPS.map((chip) => [
          chip.name,
          chip.aliases.join(", "),
          chip.part,
          `${chip.nnCores} x ${chip.madPerCore} MAC, v${chip.nnCoreVersion}`,
          chip.tpCores,
          size(chip.vipSramBytes),
          chip.evidence,
        ]),
        ["left", "left", "left", "right", "right", "right"],
      ),
    );
    return undefined;
  });
}
