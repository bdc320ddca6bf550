// Runs a model on a picture without hardware: the simulator reads the bytes that an NPU would get, and computes what they say.
//
//     node examples/02-simulate/simulate.mjs [MODEL.tflite PICTURE [LABELS.txt]]
//
// Without arguments: the sample model on a picture of an eight. Pictures are PNG or BMP.
// SPDX-License-Identifier: MIT
import { readFile } from "node:fs/promises";
import {
  compile,
  createSession,
  createSimTransport,
  describeOutputs,
  targetChip,
} from "tilewright";
import { readPicture, sample } from "../picture.mjs";

const given = process.argv.slice(2);
const [modelPath, picturePath = sample("eight.png"), labelsPath] =
  given.length > 0 ? given : [sample("digits.tflite"), sample("eight.png"), sample("labels.txt")];

const target = "a311d";
const { executable } = await compile(new Uint8Array(await readFile(modelPath)), { target });
// Without labels classes have their numbers: those of the sample would be wrong for another model.
const labels =
  labelsPath === undefined ? [] : (await readFile(labelsPath, "utf8")).trimEnd().split("\n");

const transport = createSimTransport(targetChip(target));
const session = await createSession(executable, transport);
const { outputs, evidence } = await session.run([
  await readPicture(picturePath, session.inputs[0]),
]);

// What outputs mean is seen from the model's last operators: classes, boxes, a mask, key points, or just numbers.
const answer = describeOutputs(executable.graph, session.outputs, outputs, { top: 3, labels });
for (const { name, top, range } of answer.outputs)
  if (top !== null)
    for (const { value, label, index } of top) console.log(`${value.toFixed(3)} ${label ?? index}`);
  else if (range !== null) console.log(`${name}: ${range.min} to ${range.max}`);
for (const { score, label, box } of answer.detections ?? [])
  console.log(
    `${score.toFixed(3)} ${label} from ${box.left}, ${box.top} to ${box.right}, ${box.bottom}`,
  );

// The word for what these numbers are worth: nothing here was measured on a chip.
console.log(evidence);
await session.close();
await transport.close();
