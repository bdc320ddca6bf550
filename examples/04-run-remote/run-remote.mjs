// Runs the sample model on a board across the network, on which "tilewright serve" runs.
//
//     node examples/04-run-remote/run-remote.mjs ws://127.0.0.1:9370 [TOKEN-FILE]
//
// To try it on one machine: "npx tilewright serve" serves a simulator at that address.
// SPDX-License-Identifier: MIT
import { readFile } from "node:fs/promises";
import { compile, createSession, NpuError } from "tilewright";
import { connectBoard } from "tilewright/ws";
import { readPicture, sample } from "../picture.mjs";

const [url, tokenPath] = process.argv.slice(2);
if (url === undefined) {
  console.error("usage: node examples/04-run-remote/run-remote.mjs ws://HOST:PORT [TOKEN-FILE]");
  process.exit(2);
}

try {
  // Tokens come from files: on a command line everybody on the machine could read them.
  const token = tokenPath === undefined ? undefined : (await readFile(tokenPath, "utf8")).trim();
  const board = await connectBoard(url, { token });
  const { chipName, device, transport, agentVersion } = board.capabilities;
  console.log(`${url}: ${chipName}, ${device} (${transport}), agent ${agentVersion}`);

  const model = new Uint8Array(await readFile(sample("digits.tflite")));
  const { executable } = await compile(model, { target: chipName });
  // Uploads the executable, unless the board has it already.
  const session = await createSession(executable, board);

  // All at once: the client keeps to the board's credits, and answers come back as they are ready.
  await Promise.all(
    ["three.png", "seven.png", "eight.png"].map(async (name) => {
      const input = await readPicture(sample(name), session.inputs[0]);
      const start = performance.now();
      const { outputs, evidence, milliseconds } = await session.run([input]);
      const digit = outputs[0].indexOf(Math.max(...outputs[0]));
      const there =
        milliseconds === undefined ? "" : `, ${milliseconds.toFixed(1)} ms on the board`;
      const roundTrip = (performance.now() - start).toFixed(1);
      console.log(`${name}: ${digit}; ${evidence}; ${roundTrip} ms there and back${there}`);
    }),
  );
  await session.close();
  await board.close();
} catch (error) {
  if (!(error instanceof NpuError)) throw error;
  console.error(`error: ${error.message} [${error.code}]`);
  process.exitCode = 3;
}
