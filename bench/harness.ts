// What the benchmarks share: cases, statistics, one line a result.
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { targetChip } from "../core-as/index.ts";
import { corpusBytes, hasCorpus } from "../test/helpers/corpus.ts";

export interface BenchCase {
  name: string;
  model: Uint8Array;
}

/** Models of the corpus. */
export const MOBILENET_V1 = "mobilenet_v1_1.0_224_quant";
export const MOBILEDET = "ssdlite_mobiledet_coco_qat_postprocess";

/** Models from the corpus, by name, and always the sample; a missing corpus is said by name. */
export function benchCases(names: readonly string[] = [MOBILENET_V1]): BenchCase[] {
  const sample = {
    name: "examples/sample/digits",
    model: new Uint8Array(readFileSync("examples/sample/digits.tflite")),
  };
  if (hasCorpus)
    return [
      ...names.map((name) => ({ name, model: corpusBytes("models", `${name}.tflite`) })),
      sample,
    ];
  console.error(`skipped: ${names.join(", ")} (no shared corpus)`);
  return [sample];
}

/** The chip after --target; the A311D when there is none. */
export function benchTarget(): string {
  const at = process.argv.indexOf("--target");
  return at < 0 ? "a311d" : targetChip(process.argv[at + 1] ?? "").name;
}

/** The chip after --target; both captured ones when there is none. */
export function benchTargets(): string[] {
  return process.argv.includes("--target") ? [benchTarget()] : ["a311d", "imx8mp"];
}

/** The middle value; of two middle ones the lower. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[(sorted.length - 1) >> 1]!;
}

const asJson = process.argv.includes("--json");

/** Prints one result: with --json as one object a line, else as text. Figures carry their unit in the name. */
export function report(result: {
  bench: string;
  case: string;
  target: string;
  mode: string;
  [figure: string]: number | string | null;
}): void {
  const rounded = Object.fromEntries(
    Object.entries(result).map(([name, value]) => [
      name,
      typeof value === "number" ? Number(value.toPrecision(4)) : value,
    ]),
  );
  if (asJson) return console.log(JSON.stringify(rounded));
  const { bench, case: name, target, mode, ...figures } = rounded;
  console.log(`${bench} ${name} (${target}, ${mode})`);
  for (const [figure, value] of Object.entries(figures)) console.log(`  ${figure}: ${value}`);
}
