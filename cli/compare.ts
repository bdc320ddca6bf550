// tilewright compare: layer by layer, what the integer reference computes against what the NPU does, simulated or elsewhere.
// SPDX-License-Identifier: MIT
import type { Command } from "commander";
import { MismatchError } from "../core-as/index.ts";
import { compareModel, type LayerComparison } from "./compare-layers.ts";
import { openForModels } from "./connect.ts";
import { sourceText } from "./evidence.ts";
import { readBytes } from "./files.ts";
import {
  addCompileFlags,
  addJsonFlag,
  addTransportFlags,
  compileFlags,
  wholeNumber,
  type CompileFlags,
  type TransportFlags,
} from "./flags.ts";
import { shorten } from "./report.ts";
import { out, print, printJson, Progress, table } from "./terminal.ts";

interface CompareArguments extends CompileFlags, TransportFlags {
  input: string[];
  tolerance: number;
  json?: boolean;
}

export function addCompare(program: Command): void {
  const command = program
    .command("compare")
    .description(
      "compare every operator: integer reference against the NPU, simulated unless --on says otherwise",
    )
    .argument("<model>", "TFLite file")
    .requiredOption("--input <file...>", "one file for each input, as for run")
    .option(
      "--tolerance <n>",
      "largest difference of an operator alone that passes: TFLite rounds twice, the NPU once",
      wholeNumber(0),
      1,
    );
  addJsonFlag(addCompileFlags(addTransportFlags(command))).action(runCompare);
}

async function runCompare(path: string, flags: CompareArguments, command: Command): Promise<void> {
  const bytes = readBytes(path);
  const { connection, target } = await openForModels(flags, command);
  const progress = new Progress("comparing");
  let result;
  try {
    result = await compareModel(
      bytes,
      flags.input,
      { ...compileFlags(flags), target },
      connection.transport,
      (what, done) => progress.update(what, done),
    );
  } finally {
    progress.end();
    await connection.close();
  }
  if (flags.json) printJson(result);
  else {
    print(layerTable(result.layers));
    const { evidence } = result;
    const chained = evidence === "simulated" ? "simulated" : "NPU's";
    print(out.dim(`alone: fed with the reference's inputs; chained: fed with the ${chained} ones`));
    print(worstText(result.layers));
    for (const { name, different, elements } of result.wholeModel)
      print(
        `whole model, ${name}: ` +
          (different === 0 ? "equal" : `${different} of ${elements} elements differ`),
      );
    if (connection.place.kind !== "sim") print(out.dim(sourceText(connection, evidence)));
  }
  const wrong = worstFirst(result.layers)[0];
  if (wrong && wrong.alone!.max > flags.tolerance)
    throw new MismatchError(
      `operator ${wrong.op} ${wrong.name} differs from the reference by up to ${wrong.alone!.max}, ` +
        `first at ${wrong.alone!.first}`,
      { op: wrong.op },
    );
}

/** Operators on the NPU that differ, fed with the reference's inputs: largest difference first, then largest mean. */
function worstFirst(layers: readonly LayerComparison[]): LayerComparison[] {
  return layers
    .filter(({ alone }) => alone !== null && alone.different > 0)
    .sort((a, b) => b.alone!.max - a.alone!.max || b.alone!.mean - a.alone!.mean || a.op - b.op);
}

/** Operators that the summary names. */
const WORST = 3;

function worstText(layers: readonly LayerComparison[]): string {
  const worst = worstFirst(layers);
  const onNpu = layers.filter(({ alone }) => alone !== null).length;
  const named = worst
    .slice(0, WORST)
    .map(
      ({ op, name, alone }) => `#${op} ${name} ${alone!.max} (mean ${alone!.mean.toPrecision(3)})`,
    );
  return (
    `${onNpu - worst.length} of ${onNpu} operators on the NPU are equal to the reference` +
    (named.length === 0 ? "" : `; worst: ${named.join(", ")}`)
  );
}

function layerTable(layers: readonly LayerComparison[]): string {
  return table(
    [
      "#",
      "operator",
      "output",
      "place",
      "alone: max",
      "mean",
      "cosine",
      "chained: max",
      "first difference",
    ],
    layers.map(({ op, name, output, place, alone, chained }) => {
      const worst = alone ?? chained;
      const text = worst?.different ? out.red(String(worst.max)) : "0";
      return [
        op,
        name,
        shorten(output, 36),
        place,
        alone === null ? "" : text,
        alone === null ? "" : alone.mean.toPrecision(3),
        alone === null ? "" : alone.cosine.toFixed(6),
        chained === null ? "" : chained.max,
        alone?.first ?? chained?.first ?? "",
      ];
    }),
    ["right", "left", "left", "left", "right", "right", "right", "right", "left"],
  );
}
