// What one output byte off by one step does to a whole model: the operators behind it are computed exactly, by the integer
// reference. Shows which differences at the end say nothing about the operators in between.
// Usage: npm run bench:sensitivity [-- --json] [-- --model yolox] [-- --flips 3]
// SPDX-License-Identifier: MIT
import { readdirSync } from "node:fs";
import { Core, readModel } from "../core-as/index.ts";
import { runOperator } from "../core-as/runtime/cpu/index.ts";
import { corpusBytes, corpusPath, hasCorpus } from "../test/helpers/corpus.ts";
import { rng } from "../test/helpers/prng.mjs";
import { report } from "./harness.ts";

const argument = (name: string, fallback: string): string => {
  const at = process.argv.indexOf(name);
  return at < 0 ? fallback : (process.argv[at + 1] ?? fallback);
};

const MODEL = argument("--model", "yolox");
const FLIPS = Number(argument("--flips", "3"));

type Values = Map<number, Uint8Array>;

/** Flips single bytes behind every convolution of the model, on the first picture with recorded outputs. */
async function run(): Promise<void> {
  const core = await Core.create();
  const { graph } = readModel(corpusBytes("models", `${MODEL}.tflite`));
  const picture = readdirSync(corpusPath("reference-pictures", MODEL))[0]!;
  const input = corpusBytes("reference-pictures", MODEL, picture, "input-0.bin.gz");

  /** Computes the operators from `first` on whose inputs changed; returns everything they read and wrote. */
  const compute = (known: Values, first: number, changed: Set<number> | null): Values => {
    const values: Values = new Map(known);
    for (const op of graph.ops.slice(first)) {
      if (changed && !op.inputs.some((id) => changed.has(id))) continue;
      const outputs = runOperator(core, graph, op, (id) => values.get(id)!);
      op.outputs.forEach((id, i) => {
        if (changed && Buffer.compare(outputs[i]!, values.get(id)!) !== 0) changed.add(id);
        values.set(id, outputs[i]!);
      });
    }
    return values;
  };
  const exact = compute(new Map([[graph.inputs[0]!, input]]), 0, null);

  const random = rng(`sensitivity/${MODEL}`);
  let [flips, above8, largestOfAll] = [0, 0, 0];
  for (const op of graph.ops) {
    if (!/CONV/.test(op.kind)) continue;
    const id = op.outputs[0]!;
    let largest = 0;
    for (let flip = 0; flip < FLIPS; flip++) {
      const bytes = exact.get(id)!.slice();
      // Only bytes that a rounding could turn: those that nothing has cut off.
      let at = random.next() % bytes.length;
      for (let tries = 0; tries < bytes.length && (bytes[at] === 0 || bytes[at] === 255); tries++)
        at = (at + 1) % bytes.length;
      bytes[at]! += bytes[at]! < 255 ? 1 : -1;
      const values = compute(new Map(exact).set(id, bytes), op.id + 1, new Set([id]));
      const off = Math.max(
        ...graph.outputs.map((output) => differenceOf(values.get(output)!, exact.get(output)!)),
      );
      flips++;
      if (off > 8) above8++;
      largest = Math.max(largest, off);
    }
    largestOfAll = Math.max(largestOfAll, largest);
    report({
      bench: "sensitivity",
      case: `${MODEL}/${picture}/${op.id}`,
      target: "cpu",
      mode: op.kind,
      largest,
    });
  }
  report({
    bench: "sensitivity",
    case: `${MODEL}/${picture}`,
    target: "cpu",
    mode: "all convolutions",
    flips,
    above8,
    largest: largestOfAll,
  });
}

function differenceOf(a: Uint8Array, b: Uint8Array): number {
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
}

if (hasCorpus) await run();
else console.error("skipped: sensitivity (no shared corpus)");
