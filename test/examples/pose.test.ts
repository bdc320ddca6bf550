// Example 07 on the shared picture: 17 points, most of them sure, and a picture on which they can be seen.
// SPDX-License-Identifier: MIT
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { decodePicture } from "../../cli/picture.ts";
import { canvasOf, disc, line } from "../../examples/07-pose/canvas.ts";
import { corpusPath, needCorpus } from "../helpers/corpus.ts";

const SCRIPT = "examples/07-pose/pose.ts";
const run = (...args: string[]) =>
  spawnSync(process.execPath, ["--import", "tsx", SCRIPT, ...args], { encoding: "utf8" });

const drawing = suite("drawing a pose");

drawing("discs and lines stay inside of the picture", () => {
  const canvas = canvasOf(new Uint8Array(3 * 5 * 4).fill(9), 5, 4);
  disc(canvas, 0, 0, 1, [1, 2, 3]);
  const at = (x: number, y: number): number[] => [
    ...canvas.data.subarray(4 * (5 * y + x)).slice(0, 4),
  ];
  assert.equal(
    [at(0, 0), at(1, 0), at(1, 1)],
    [
      [1, 2, 3, 255],
      [1, 2, 3, 255],
      [9, 9, 9, 255],
    ],
  );
  line(canvas, [-3, 3], [20, 3], 0.5, [7, 7, 7]);
  assert.equal(
    [at(0, 3), at(4, 3), at(4, 2)],
    [
      [7, 7, 7, 255],
      [7, 7, 7, 255],
      [9, 9, 9, 255],
    ],
  );
});

drawing("without a model it says how it is used", () => {
  const { status, stderr } = run();
  assert.is(status, 2);
  assert.match(stderr, /^usage: /);
});

drawing.run();

if (needCorpus("example 07-pose")) {
  const test = suite("example 07-pose");

  test("key points of squat.bmp", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tilewright-"));
    try {
      const output = join(folder, "pose.png");
      const picture = corpusPath("models", "squat.bmp");
      const model = corpusPath("models", "movenet_single_pose_lightning_ptq.tflite");
      const { status, stdout, stderr } = run(model, picture, "-o", output);
      assert.is(status, 0, stderr);
      const points = [...stdout.matchAll(/^(\d\.\d\d) {2}(.+?) +x (\d\.\d+), y (\d\.\d+)$/gm)];
      assert.is(points.length, 17);
      const place = (name: string): [number, number, number] => {
        const [, score, , x, y] = points.find(([, , found]) => found === name)!;
        return [Number(score), Number(x), Number(y)];
      };
      // A man who squats, seen from his right: head above hips above knees above ankles.
      const heights = ["nose", "right hip", "right knee", "right ankle"].map(
        (name) => place(name)[2],
      );
      assert.equal(
        heights,
        [...heights].sort((a, b) => a - b),
      );
      assert.ok(points.filter(([, score]) => Number(score) > 0.3).length >= 12);
      const before = await decodePicture(new Uint8Array(readFileSync(picture)));
      const after = await decodePicture(new Uint8Array(readFileSync(output)));
      assert.equal([after.width, after.height], [before.width, before.height]);
      const [, x, y] = place("right knee");
      const pixel = 3 * (Math.round(y * after.height) * after.width + Math.round(x * after.width));
      assert.equal([...after.pixels.subarray(pixel, pixel + 3)], [255, 90, 60]);
      assert.equal(after.pixels.subarray(0, 30), before.pixels.subarray(0, 30));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test.run();
}
