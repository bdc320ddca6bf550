// Options that several verbs share.
// SPDX-License-Identifier: MIT
import { InvalidArgumentError, Option, type Command } from "commander";
import {
  chipByName,
  CHIPS,
  DEFAULT_MODE,
  DEFAULT_TARGET,
  ACCURACIES,
  type Accuracy,
  type CompileMode,
  type Optimisations,
  type System,
} from "../core-as/index.ts";
import type { CacheChoice } from "./cache.ts";
import { readSystem } from "./system-file.ts";
import { parsePlace, type Place } from "./on.ts";

/** What the compiler is told; the members are named as in CompileOptions. */
export interface CompileFlags {
  target: string;
  mode: CompileMode;
  allowQuirks?: boolean;
  capturedOnly?: boolean;
  memoryPlan?: boolean;
  optimisations?: Partial<Optimisations>;
  exactRounding?: boolean;
  experimental?: boolean;
  accuracy?: Accuracy;
  overlap?: boolean;
  /** File with figures of the chip's surroundings. */
  system?: string;
  /** Directory of kept results; false: none. */
  cache?: CacheChoice;
}

/** The flags with what their files hold. */
export type CompileChoices = Omit<CompileFlags, "system" | "cache"> & {
  system?: System;
  cacheDir?: CacheChoice;
};

/** Flags of single transformations: --no-<name> leaves one out. */
const OPTIMISATION_FLAGS: Readonly<Record<keyof Optimisations, string>> = {
  depthwiseGroups: "depthwise convolutions as one job each, not as groups of channels",
  tileSearch: "the largest tiles that fit",
  cacheSplit: "on-chip memory split as the reference splits it",
  pointwiseShapes: "1x1 convolutions of images with the sides that the model has",
  denseStrides: "strides of convolutions always folded into channels",
  transposeCores: "changes of layout on one TP core",
  mergedLayouts: "a pass for the layout of an image and another one for the fold of its strides",
  planarPorts: "tensors between NPU partitions in NHWC order",
  constantChannels: "channels computed although they have one value for all images",
  kernelDealing: "kernels dealt to the NN cores in the order of their channels",
  experimentalCaches: "with --experimental: no caches on version 8",
  experimentalTiles: "with --experimental: tiles of at most four rows on version 8",
  experimentalRuns: "with --experimental: no zero runs on version 8",
  foldJobs:
    "a job of its own for every operator that only rescales, clamps, looks up or reorders values",
  jobOrder: "jobs in the order of the model's operators",
};

const OPTIMISATION_NAMES = Object.keys(OPTIMISATION_FLAGS) as (keyof Optimisations)[];

/** depthwiseGroups -> depthwise-groups */
const dashed = (name: string): string =>
  name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** Refuses unknown names before any file is read. */
function targetName(text: string): string {
  if (chipByName(text) === undefined)
    throw new InvalidArgumentError(`Targets are ${CHIPS.map((chip) => chip.name).join(", ")}.`);
  return text;
}

/** --target, with TW_CHIP as its default. */
export function targetOption(
  description = 'chip to compile for, see "tilewright targets"',
): Option {
  return new Option("--target <chip>", description)
    .argParser(targetName)
    .default(DEFAULT_TARGET)
    .env("TW_CHIP");
}

/** What reaching a queue server may take. */
export interface PoolFlags {
  poolTokenFile?: string;
  poolCreds?: string;
  ca?: string;
}

/** What reaching a board may take. */
export interface AccessFlags extends PoolFlags {
  tokenFile?: string;
  allowPlaintextToken?: boolean;
}

/** Where to run, and how to get there. */
export interface TransportFlags extends AccessFlags {
  on: Place;
  /** The device may be given jobs that overlap. */
  overlap?: boolean;
  record?: string;
  /** Of the simulator. */
  threads?: number;
}

/** Adds --on and what reaching it may take. */
export function addTransportFlags(command: Command): Command {
  command.addOption(
    new Option(
      "--on <place>",
      "where to run: sim, null, drm[:PATH], ws://HOST:PORT, wss://…, nats://HOST:PORT/POOL, replay:FILE",
    )
      .argParser(parsePlace)
      .default({ kind: "sim" }, "sim")
      .env("TW_TRANSPORT"),
  );
  command.addOption(
    new Option("--threads <n>", "threads of the simulator; the results are the same")
      .argParser(wholeNumber(1, 64))
      .default(1)
      .env("TW_THREADS"),
  );
  return addAccessFlags(command);
}

/** Adds what reaching a board or a pool may take. */
export function addAccessFlags(command: Command): Command {
  command
    .addOption(tokenFileOption("file with the token that the board asks for"))
    .option(
      "--allow-plaintext-token",
      "send the token through ws:// to another machine, where others can read it",
    );
  return addPoolFlags(command);
}

/** Adds what reaching a queue server may take, and --ca. */
export function addPoolFlags(command: Command): Command {
  return command
    .option("--pool-token-file <file>", "file with the token of the pool's queue server")
    .option("--pool-creds <file>", "credentials file of the pool's queue server")
    .option(
      "--ca <file>",
      "certificates (PEM) to trust instead of the system's, for wss:// and tls://",
    );
}

export function tokenFileOption(description: string): Option {
  return new Option("--token-file <file>", description).env("TW_TOKEN_FILE");
}

/** Adds --target, --mode and --allow-quirks. */
export function addCompileFlags(command: Command): Command {
  command
    .addOption(targetOption())
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
      "--exact-rounding",
      "optimised mode: convolutions equal to TFLite's in every byte, in several jobs where one cannot; slower",
    )
    .addOption(
      new Option(
        "--accuracy <level>",
        "optimised mode, layers with a scale for each channel: exact = within 1 of TFLite; balanced = 99 % within 1, none beyond 3; fast = fewest jobs",
      )
        .choices(ACCURACIES)
        .default("balanced"),
    )
    .option(
      "--experimental",
      "optimised mode: also mechanisms that no capture of any driver shows; labelled in the report",
    )
    .option(
      "--overlap",
      "optimised mode, experimental: NN and TP cores at the same time, by tags whose meaning is inferred",
    )
    .option(
      "--system <file>",
      "JSON with clockMHz, bandwidthGBs, overheadUs to predict with, and in optimised mode to choose by",
    )
    .addOption(
      new Option(
        "--cache <dir>",
        "directory of compiled results: what was compiled before is loaded from it",
      ).env("TW_CACHE"),
    )
    .option("--no-cache", "compile anew and keep nothing");
  for (const name of OPTIMISATION_NAMES)
    command.option(`--no-${dashed(name)}`, `optimised mode: ${OPTIMISATION_FLAGS[name]}`);
  return command;
}

export function compileFlags({
  target,
  mode,
  allowQuirks,
  capturedOnly,
  memoryPlan,
  exactRounding,
  experimental,
  accuracy,
  overlap,
  system,
  cache,
  ...others
}: CompileFlags & Partial<Optimisations>): CompileChoices {
  const left = OPTIMISATION_NAMES.filter((name) => others[name] === false);
  return {
    target,
    mode,
    allowQuirks: allowQuirks === true,
    capturedOnly: capturedOnly === true,
    memoryPlan: memoryPlan !== false,
    exactRounding: exactRounding === true,
    experimental: experimental === true,
    accuracy: accuracy ?? "balanced",
    cacheDir: cache,
    overlap: overlap === true,
    optimisations: Object.fromEntries(left.map((name) => [name, false])),
    ...(system === undefined ? {} : { system: readSystem(system, target) }),
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

/** Parser of a decimal number in a range. */
export function numberFrom(least: number, most = Infinity) {
  return (text: string): number => {
    const value = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : NaN;
    if (!(value >= least && value <= most))
      throw new InvalidArgumentError(
        most === Infinity
          ? `a number from ${least} on is wanted`
          : `a number from ${least} to ${most} is wanted`,
      );
    return value;
  };
}
