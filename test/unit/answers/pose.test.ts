// Key points: the order of the numbers, and which models give some.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  decodeKeypoints,
  describeOutputs,
  KEYPOINT_NAMES,
  modelKind,
  outputInfos,
  SKELETON,
  type Graph,
} from "../../../core-as/index.ts";

const poseGraph = (shape: number[]): Graph => ({
  name: "pose",
  tensors: [{ id: 0, name: "points", type: "float32", shape, quant: null, constant: null }],
  ops: [],
  inputs: [],
  outputs: [0],
});

test("row, column and score of each point, in COCO's order", () => {
  const values = Array.from({ length: 51 }, (_, i) => i / 64);
  const points = decodeKeypoints(values);
  assert.is(points.length, 17);
  assert.equal(points[0], { name: "nose", y: 0, x: 1 / 64, score: 2 / 64 });
  assert.equal(points[16], { name: "right ankle", y: 48 / 64, x: 49 / 64, score: 50 / 64 });
  assert.throws(() => decodeKeypoints([1, 2, 3]), /51 numbers, not 3/);
});

test("every point hangs on the skeleton", () =>
  assert.is(new Set(SKELETON.flat()).size, KEYPOINT_NAMES.length));

test("a pose is known by its shape", () => {
  const graph = poseGraph([1, 1, 17, 3]);
  assert.equal(modelKind(graph), { kind: "pose", keypoints: 0 });
  assert.equal(modelKind(poseGraph([1, 17, 3])), { kind: "tensors" });
  const bytes = new Uint8Array(Float32Array.from({ length: 51 }, (_, i) => i / 64).buffer);
  const answer = describeOutputs(graph, outputInfos(graph), [bytes], { top: 5, labels: [] });
  assert.is(answer.kind, "pose");
  assert.equal(answer.keypoints![5], {
    name: "left shoulder",
    y: 15 / 64,
    x: 16 / 64,
    score: 17 / 64,
  });
});

test.run();
