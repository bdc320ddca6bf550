// tilewright compare: layer by layer, what the integer reference or a float evaluation computes against what the NPU does.
// SPDX-License-Identifier: MIT
import type { Command } from "commander";
import {
  accuracyHtml,
  compareLayers,
  firstText,
  firstViolation,
  MismatchError,
  UsageError,
  worstFirst,
  type AccuracyLimits,
  type AccuracyReport,
  type LayerAccuracy,
  type TensorDifference,
} from "../core-as/index.ts";
import { sampleOfFiles, samplesOfFolder } from "./compare-pictures.ts";
import { printComparison } from "./compare-text.ts";
import { openForModels } from "./connect.ts";
import { sourceText } from "./evidence.ts";
import { readBytes, writeBytes } from "./files.ts";
import {
  addCompileFlags,
  addJsonFlag,
  addTransportFlags,
  compileFlags,
  numberFrom,
  wholeNumber,
  type CompileFlags,
  type TransportFlags,
} from "./flags.ts";
import { out, print, printJson, Progress } from "./terminal.ts";

interface CompareArguments extends CompileFlags, TransportFlags {
  input?: string[];
  pictures?: string;
  float?: boolean;
  tolerance: number;
  maxDifference?: number;
  minCosine?: number;
  minSnr?: number;
  minWithin1?: number;
  html?: string;
  json?: boolean;
}

export function addCompare(program: Command): void {
  const command = program
    .command("compare")
    .description(
      "compare every operator, alone and chained: integer reference against the NPU, simulated unless --on says otherwise",
    )
    .argument("<model>", "TFLite file")
    .option("--input <file...>", "one file for each input, as for run")
    .option(
      "--pictures <dir>",
      "every picture of a folder, one after the other; figures are of all",
    )
    .option("--float", "also against a float evaluation of the dequantised model; slower")
    .option(
      "--tolerance <n>",
      "largest difference of an operator alone that passes: TFLite rounds twice, the NPU once; left out: also what a layer's bound allows",
      wholeNumber(0),
      1,
    );
  addLimitFlags(command).option(
    "--html <file>",
    'write a self-contained page with charts and histograms; "-" = standard output',
  );
  addJsonFlag(addCompileFlags(addTransportFlags(command))).action(runCompare);
}

/** Limits for layers alone and for outputs; with --float they judge the differences from float. */
function addLimitFlags(command: Command): Command {
  return command
    .option(
      "--max-difference <n>",
      "fail when a layer alone or an output differs by more steps (takes the place of --tolerance)",
      numberFrom(0),
    )
    .option("--min-cosine <n>", "fail when a cosine is smaller", numberFrom(-1, 1))
    .option("--min-snr <dB>", "fail when signal to noise is smaller", numberFrom(-1000, 1000))
    .option(
      "--min-within-1 <percent>",
      "fail when fewer elements are within one step",
      numberFrom(0, 100),
    );
}

async function runCompare(path: string, flags: CompareArguments, command: Command): Promise<void> {
  const bytes = readBytes(path);
  const samples = samplesFor(bytes, flags);
  const { connection, target } = await openForModels(flags, command);
  const progress = new Progress("comparing");
  let report: AccuracyReport;
  try {
    report = await compareLayers(
      bytes,
      {
        ...compileFlags(flags),
        target,
        transport: connection.transport,
        float: flags.float === true,
      },
      samples,
      (what, done) => progress.update(what, done),
    );
  } finally {
    progress.end();
    await connection.close();
  }
  if (flags.html !== undefined) await writeBytes(flags.html, accuracyHtml(report, limitsOf(flags)));
  if (flags.json) printJson(jsonOf(report));
  else if (flags.html !== "-") {
    printComparison(report);
    if (connection.place.kind !== "sim") print(out.dim(sourceText(connection, report.evidence)));
  }
  judge(report, flags, command);
}

function samplesFor(bytes: Uint8Array, { input, pictures, html, json }: CompareArguments) {
  if (html === "-" && json === true)
    throw new UsageError("only one of --html and --json can be standard output", "html");
  if (input !== undefined && pictures !== undefined)
    throw new UsageError("give --input or --pictures, not both", "pictures");
  if (pictures !== undefined) return samplesOfFolder(bytes, pictures);
  if (input === undefined)
    throw new UsageError(
      "required option '--input <file...>' not specified, nor '--pictures <dir>'",
      "input",
    );
  return [sampleOfFiles(bytes, input)];
}

function limitsOf({
  maxDifference,
  minCosine,
  minSnr,
  minWithin1,
}: CompareArguments): AccuracyLimits {
  return {
    ...(maxDifference !== undefined && { maxDifference }),
    ...(minCosine !== undefined && { minCosine }),
    ...(minSnr !== undefined && { minSnrDb: minSnr }),
    ...(minWithin1 !== undefined && { minWithin1: minWithin1 / 100 }),
  };
}

/** @throws MismatchError TW_DIFF_MISMATCH beyond --tolerance, TW_DIFF_LIMIT beyond a limit */
function judge(report: AccuracyReport, flags: CompareArguments, command: Command): void {
  const isGiven = command.getOptionValueSource("tolerance") === "cli";
  const isReplaced = flags.maxDifference !== undefined && !isGiven;
  // What the compiler promises for a layer with a scale for each channel is no failure, unless somebody asks for less.
  const allowed = ({ bound, aloneBound }: LayerAccuracy): number =>
    isGiven ? flags.tolerance : Math.max(flags.tolerance, bound ?? 0, aloneBound ?? 0);
  const wrong = worstFirst(report.layers).find((layer) => layer.alone!.max > allowed(layer));
  if (wrong && !isReplaced)
    throw new MismatchError(
      `operator ${wrong.op} ${wrong.name} differs from the reference by up to ${wrong.alone!.max}, ` +
        `first at ${firstText(wrong.shape, wrong.alone!)}`,
      { op: wrong.op },
    );
  const violation = firstViolation(report, limitsOf(flags), flags.float === true);
  if (violation === null) return;
  const { where, figure, value, limit, op } = violation;
  throw new MismatchError(
    `${where}: ${figure}${flags.float === true ? " from float" : ""} is ${value}, allowed is ${limit}`,
    op === null ? {} : { op },
    "TW_DIFF_LIMIT",
  );
}

/** The report with the places of first differences in words, and without empty bins. */
function jsonOf(report: AccuracyReport): object {
  const named = <T extends TensorDifference | null>(shape: readonly number[], difference: T) =>
    difference && {
      ...difference,
      histogram: difference.histogram.filter(({ count }) => count > 0),
      first: firstText(shape, difference),
    };
  return {
    ...report,
    layers: report.layers.map((layer) => ({
      ...layer,
      alone: named(layer.shape, layer.alone),
      chained: named(layer.shape, layer.chained),
      ...(layer.float && {
        float: {
          alone: named(layer.shape, layer.float.alone),
          chained: named(layer.shape, layer.float.chained),
          reference: named(layer.shape, layer.float.reference),
        },
      }),
    })),
    wholeModel: report.wholeModel.map((output) => named(output.shape, output)),
    pictures: report.pictures.map((picture) => ({
      ...picture,
      outputs: picture.outputs.map((output) => named(output.shape, output)),
    })),
  };
}
