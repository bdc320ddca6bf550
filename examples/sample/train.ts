// Trains the sample classifier of handwritten digits, quantises it, judges it on the held-back digits and writes it all.
// Usage: node --import tsx examples/sample/train.ts [--tune]
// --tune: train on part of the training set, judge on the rest of it, write nothing.
// SPDX-License-Identifier: MIT
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Graph } from "../../core-as/ir/graph.ts";
import { readModel } from "../../core-as/model/read.ts";
import { writeModel } from "../../core-as/model/write.ts";
import { digit, heldBack, SIDE, trainingSet, tuningSets, type Digits } from "./train/data.ts";
import { bestClass, IntegerReference } from "./train/evaluate.ts";
import { encodeGreyPng } from "./train/png.ts";
import { quantiseNetwork } from "./train/quantise.ts";
import { trainNetwork } from "./train/training.ts";
import { openWitness, type Witness } from "./train/witness.ts";

const LABELS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
/** Classes with a picture beside the model. */
const PICTURES = [3, 7, 8];
/** Least output (of 256) of a picture's class. */
const CONFIDENT = 243;

const tune = process.argv.includes("--tune");
const { training, judged } = tune ? tuningSets() : { training: trainingSet(), judged: heldBack() };
const started = Date.now();
const network = trainNetwork(training, (line) =>
  console.log(`${Math.round((Date.now() - started) / 1000)} s, ${line}`),
);
const bytes = writeModel(quantiseNetwork(network));
const { graph } = readModel(bytes);

console.log(`model: ${bytes.length} bytes, sha256 ${sha256(bytes)}`);
await judge(graph, judged, await openWitness(bytes));
if (!tune) {
  write("digits.tflite", bytes);
  write("labels.txt", new TextEncoder().encode(LABELS.join("\n") + "\n"));
  for (const label of PICTURES) writePicture(graph, judged, label);
}

/** Prints how many digits both runtimes get right, and how far they agree. */
async function judge(graph: Graph, digits: Digits, witness: Witness): Promise<void> {
  const reference = new IntegerReference(graph);
  const count = { reference: 0, witness: 0, sameClass: 0, sameBytes: 0 };
  let furthest = 0;
  for (let i = 0; i < digits.count; i++) {
    const ours = reference.run(digit(digits, i));
    const theirs = await witness.run(digit(digits, i), [1, SIDE, SIDE, 1]);
    const difference = Math.max(...ours.map((value, k) => Math.abs(value - theirs[k]!)));
    furthest = Math.max(furthest, difference);
    if (difference === 0) count.sameBytes++;
    if (bestClass(ours) === bestClass(theirs)) count.sameClass++;
    if (bestClass(ours) === digits.labels[i]) count.reference++;
    if (bestClass(theirs) === digits.labels[i]) count.witness++;
  }
  witness.close();
  console.log(`integer reference: ${count.reference} of ${digits.count} right`);
  console.log(`LiteRT: ${count.witness} of ${digits.count} right`);
  console.log(
    `same class ${count.sameClass}, same bytes ${count.sameBytes} of ${digits.count}; ` +
      `outputs differ by at most ${furthest} of 255`,
  );
}

/** The first held-back digit of a class that the model is sure of. */
function writePicture(graph: Graph, digits: Digits, label: number): void {
  const reference = new IntegerReference(graph);
  for (let i = 0; i < digits.count; i++) {
    if (digits.labels[i] !== label) continue;
    const scores = reference.run(digit(digits, i));
    if (bestClass(scores) !== label || scores[label]! < CONFIDENT) continue;
    write(`${LABELS[label]}.png`, encodeGreyPng(digit(digits, i), SIDE, SIDE));
    console.log(`${LABELS[label]}.png: held-back digit ${i}, output ${scores[label]} of 256`);
    return;
  }
  throw new Error(`no held-back ${LABELS[label]} is classified with confidence`);
}

function write(name: string, content: Uint8Array): void {
  writeFileSync(fileURLToPath(new URL(name, import.meta.url)), content);
}

function sha256(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}
