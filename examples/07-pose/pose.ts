// Finds the 17 key points of a person with MoveNet and draws them onto the picture.
//
//     node --import tsx examples/07-pose/pose.ts MODEL.tflite PICTURE.bmp [-o pose.png] [--on ws://BOARD:9370] [--target a311d]
//
// Without --on the NPU is simulated. Operators that the NPU does not take run on the CPU, here or on the board: the answer is
// the same.
// SPDX-License-Identifier: MIT
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { parseArgs } from "node:util";
import encodePng, { init } from "@jsquash/png/encode.js";
import {
  compile,
  createSession,
  createSimTransport,
  decodeBmp,
  describeOutputs,
  NpuError,
  pictureInput,
  SKELETON,
  targetChip,
  UsageError,
  type Keypoint,
  type Picture,
} from "../../core-as/index.ts";
import { connectBoard } from "../../transport-ws/server/node.ts";
import { canvasOf, disc, line, type Canvas } from "./canvas.ts";

/** Points below are guesses: drawn pale, and without limbs. */
const SURE = 0.3;

async function findKeypoints(
  model: Uint8Array,
  picture: Picture,
  { on, target }: { on?: string | undefined; target: string },
): Promise<Keypoint[]> {
  const board = on === undefined ? null : await connectBoard(on);
  const transport = board ?? createSimTransport(targetChip(target));
  try {
    const chip = board?.capabilities.chipName ?? target;
    const { executable, report } = await compile(model, { target: chip });
    const { operators, operatorsOnNpu, npuMacShare } = report.totals;
    console.log(
      `${operatorsOnNpu} of ${operators} operators on the NPU, ${(100 * npuMacShare).toFixed(0)} % of the arithmetic`,
    );
    const session = await createSession(executable, transport);
    // As MoveNet wants it: the whole picture, stretched to the size of the input.
    const { outputs, evidence } = await session.run([pictureInput(picture, session.inputs[0]!)]);
    console.log(`evidence: ${evidence}`);
    const options = { top: 1, labels: [] };
    const { keypoints } = describeOutputs(executable.graph, session.outputs, outputs, options);
    if (keypoints === undefined)
      throw new UsageError("this model gives no key points: its output is not [1, 1, 17, 3]");
    return keypoints;
  } finally {
    await transport.close();
  }
}

function draw(canvas: Canvas, keypoints: readonly Keypoint[]): void {
  const { width, height } = canvas;
  const size = Math.max(2, Math.min(width, height) / 110);
  const places = keypoints.map(({ x, y }) => [x * width, y * height] as const);
  for (const [a, b] of SKELETON)
    if (Math.min(keypoints[a]!.score, keypoints[b]!.score) >= SURE)
      line(canvas, places[a]!, places[b]!, size / 2, [0, 220, 255]);
  for (const [i, { score, name }] of keypoints.entries()) {
    const [x, y] = places[i]!;
    const isLeft = name.startsWith("left");
    disc(canvas, x, y, size * 1.6, [20, 20, 20]);
    disc(
      canvas,
      x,
      y,
      size * 1.2,
      score < SURE ? [150, 150, 150] : isLeft ? [90, 230, 60] : [255, 90, 60],
    );
  }
}

/** The encoder looks for its WebAssembly by URL, which only browsers fetch. */
async function pngOf(canvas: Canvas): Promise<Uint8Array> {
  const wasm = createRequire(import.meta.url).resolve("@jsquash/png/codec/pkg/squoosh_png_bg.wasm");
  await init(new WebAssembly.Module(new Uint8Array(await readFile(wasm))));
  return new Uint8Array(await encodePng(canvas as unknown as ImageData));
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    output: { type: "string", short: "o", default: "pose.png" },
    on: { type: "string" },
    target: { type: "string", default: "a311d" },
  },
});
const [modelPath, picturePath] = positionals;
if (modelPath === undefined || picturePath === undefined) {
  console.error("usage: pose.ts MODEL.tflite PICTURE.bmp [-o FILE.png] [--on ws://HOST:PORT]");
  process.exit(2);
}
try {
  const model = new Uint8Array(await readFile(modelPath));
  const picture = decodeBmp(new Uint8Array(await readFile(picturePath)));
  const keypoints = await findKeypoints(model, picture, values);
  for (const { name, x, y, score } of keypoints)
    console.log(`${score.toFixed(2)}  ${name.padEnd(15)} x ${x.toFixed(3)}, y ${y.toFixed(3)}`);
  const canvas = canvasOf(picture.pixels, picture.width, picture.height);
  draw(canvas, keypoints);
  await writeFile(values.output, await pngOf(canvas));
  console.log(`wrote ${values.output}`);
} catch (error) {
  if (!(error instanceof NpuError)) throw error;
  console.error(`error: ${error.message} [${error.code}]`);
  process.exitCode = 1;
}
