// Options that several verbs share.
// SPDX-License-Identifier: MIT
import { InvalidArgumentError, Option, type Command } from "commander";
import {
  chipByName,
  CHIPS,
  DEFAULT_MODE,
  DEFAULT_TARGET,
  type CompileMode,
} from "../core-as/index.ts";

/** What the compiler is told; the members are named as in CompileOptions. */
export interface CompileFlags {
  target: string;
  mode: CompileMode;
  allowQuirks?: boolean;
  capturedOnly?: boolean;
  memoryPlan?: boolean;
  exactRounding?: boolean;
}

/** Refuses unknown names before any file is read. */
function targetName(text: string): string {
  if (chipByName(text) === undefined)
    throw new InvalidArgumentError(`Targets are ${CHIPS.map((chip) => chip.name).join(", ")}.`);
  return text;
}

/** Adds --target, --mode and --allow-quirks. */
export function addCompileFlags(command: Command): Command {
  return command
    .option(
      "--target <chip>",
      'chip to compile for, see "tilewright targets"',
      targetName,
      DEFAULT_TARGET,
    )
    .addOption(
      new Option(
        "--mode <mode>",
        "optimised: correct, then fast; compatible: the reference's bytes",
      )
        .choices(["optimised", "compatible"])
        .default(DEFAULT_MODE),
    )
    .option(
      "--allow-quirks",
      "compatible mode: emit the reference's bytes even where they compute wrong results",
    )
    .option(
      "--captured-only",
      "optimised mode: only NPU mechanisms that a capture of a driver shows",
    )
    .option("--no-memory-plan", "optimised mode: a buffer of its own for every tensor")
    .option(
      "--no-exact-rounding",
      "optimised mode: layers without a ReLU in one job: faster, some of their bytes are off by one",
    );
}

export function compileFlags({
  target,
  mode,
  allowQuirks,
  capturedOnly,
  memoryPlan,
  exactRounding,
}: CompileFlags): CompileFlags {
  return {
    target,
    mode,
    allowQuirks: allowQuirks === true,
    capturedOnly: capturedOnly === true,
    memoryPlan: memoryPlan !== false,
    exactRounding: exactRounding !== false,
  };
}

/** Adds --json. */
export function addJsonFlag(command: Command): Command {
  return command.option("--json", "print JSON for other programs");
}

/** Parser of a whole number from `least` on, decimal or 0x hexadecimal. */
export function wholeNumber(least: number, most = Number.MAX_SAFE_INTEGER) {
  return (text: string): number => {
    const value = /^(\d+|0x[0-9a-f]+)$/i.test(text) ? Number(text) : NaN;
    if (!(value >= least && value <= most))
      throw new InvalidArgumentError(
        most === Number.MAX_SAFE_INTEGER
          ? `a whole number from ${least} on is wanted`
          : `a whole number from ${least} to ${most} is wanted`,
      );
    return value;
  };
}
