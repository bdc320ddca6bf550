// Runs the sample model through a transport of one's own: memo-transport.mjs around the simulator.
//
//     node examples/05-custom-transport/run.mjs
//
// SPDX-License-Identifier: MIT
import { readFile } from "node:fs/promises";
import { compile, createSession, createSimTransport, targetChip } from "tilewright";
import { readPicture, sample } from "../picture.mjs";
import { MemoTransport } from "./memo-transport.mjs";

const target = "a311d";
const model = new Uint8Array(await readFile(sample("digits.tflite")));
const { executable } = await compile(model, { target });

const transport = new MemoTransport(createSimTransport(targetChip(target)));
const session = await createSession(executable, transport);

for (const name of ["three.png", "seven.png", "three.png"]) {
  const input = await readPicture(sample(name), session.inputs[0]);
  const start = performance.now();
  const { outputs, evidence } = await session.run([input]);
  const milliseconds = (performance.now() - start).toFixed(1);
  const digit = outputs[0].indexOf(Math.max(...outputs[0]));
  console.log(`${name}: ${digit}, ${evidence}, ${milliseconds} ms`);
}
console.log(`${transport.hits} from memory, ${transport.misses} computed`);

await session.close();
await transport.close();
