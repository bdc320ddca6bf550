// TFLite_Detection_PostProcess: decoding, both suppressions, ties, too few results, boxes that cannot be.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TransportError } from "../../../core-as/errors.ts";
import { canRunOnCpu } from "../../../core-as/runtime/cpu/index.ts";
import { BUILDS, coreOf } from "../../helpers/cores.ts";
import { ANCHORS, detectionGraph } from "../../helpers/detection.ts";
import { floats, randomNumbers, runTiny, type TinyTensor } from "../../helpers/tiny-graph.ts";

const NO_OFFSETS = Array<number>(12).fill(0);
/** Background and two classes for each of the three anchors. */
const SCORES = [0.875, 0.75, 0.125, 0, 0.6875, 0.71875, 0.5, 0.25, 0.625];
const FIRST = [0, 0, 1, 1];
const LAST = [1.5, 1.5, 2.5, 2.5];
const NOTHING = [0, 0, 0, 0];

for (const build of BUILDS) {
  const test = suite(`detection kernel (${build})`);

  async function detect(
    changes: Record<string, unknown> = {},
    scores = SCORES,
    boxes = NO_OFFSETS,
  ): Promise<number[][]> {
    const tiny = detectionGraph(changes);
    assert.equal(canRunOnCpu(tiny.graph, tiny.op), { ok: true });
    return runTiny(await coreOf(build), tiny, [boxes, scores]);
  }

  test("fast suppression takes the best class of each box and fills up with zeros", async () => {
    assert.equal(await detect(), [
      [...FIRST, ...LAST, ...NOTHING],
      [0, 1, 0],
      [0.75, 0.625, 0],
      [2],
    ]);
    assert.equal((await detect({ max_detections: 1 }))[2], [0.75]);
    assert.equal((await detect({ nms_iou_threshold: 1 }))[2], [0.75, 0.71875, 0.625]);
    assert.equal((await detect({ nms_score_threshold: 0.9 }))[3], [0]);
  });

  test("fast suppression with several classes per box", async () => {
    const [boxes, classes, scores, count] = await detect({ max_classes_per_detection: 2 });
    assert.equal(boxes, [...FIRST, ...FIRST, ...LAST, ...LAST, ...NOTHING, ...NOTHING]);
    assert.equal(classes, [0, 1, 1, 0, 0, 0]);
    assert.equal(scores, [0.75, 0.125, 0.625, 0.25, 0, 0]);
    assert.equal(count, [2]);
    // never more classes than there are
    const more = await detect({ max_classes_per_detection: 3 });
    assert.equal(more[1], [0, 1, 0, 1, 0, 0, 0, 0, 0]);
  });

  test("regular suppression goes class by class", async () => {
    const regular = { use_regular_nms: true };
    assert.equal(await detect(regular), [
      [...FIRST, ...FIRST, ...LAST],
      [0, 1, 1],
      [0.75, 0.71875, 0.625],
      [3],
    ]);
    const one = await detect({ ...regular, detections_per_class: 1 });
    assert.equal(one.slice(1), [[0, 1, 0], [0.75, 0.71875, 0], [2]]);
    const two = await detect({ ...regular, max_detections: 2 });
    assert.equal(two.slice(1), [[0, 1], [0.75, 0.71875], [2]]);
  });

  test("boxes of equal score stay in order", async () => {
    const equal = Array<number>(9).fill(0.5);
    for (const use_regular_nms of [false, true]) {
      const [boxes, classes] = await detect({ nms_iou_threshold: 1, use_regular_nms }, equal);
      assert.equal(boxes, [...FIRST, ...FIRST, ...LAST]);
      assert.equal(classes, [0, 0, 0]);
    }
  });

  test("boxes are decoded against their anchors", async () => {
    // y + 5 / 10, x - 5 / 10, twice as high, half as wide
    const offsets = [...[5, -5, 5 * Math.log(2), -5 * Math.log(2)], ...NO_OFFSETS.slice(4)];
    const [boxes] = await detect({ max_detections: 1 }, SCORES, offsets);
    for (const [i, value] of [0, -0.25, 2, 0.25].entries())
      assert.ok(Math.abs(boxes![i]! - value) < 1e-6, `${boxes}`);
  });

  test("uint8 inputs are dequantised", async () => {
    const inputs: TinyTensor[] = [
      { shape: [1, 3, 4], scale: 0.5, zero: 100 },
      { shape: [1, 3, 3], scale: 1 / 32 },
      { shape: [3, 4], scale: 0.5, values: ANCHORS.map((value) => value * 2) },
    ];
    const tiny = detectionGraph({}, inputs);
    const boxes = Array<number>(12).fill(100);
    boxes[8] = 120; // y of the last by 20 * 0.5 / 10
    const scores = SCORES.map((value) => value * 32);
    assert.equal(runTiny(await coreOf(build), tiny, [boxes, scores]), [
      [...FIRST, 2.5, 1.5, 3.5, 2.5, ...NOTHING],
      [0, 1, 0],
      [0.75, 0.625, 0],
      [2],
    ]);
  });

  test("more numbers per box, no background, an anchor that is computed", async () => {
    const inputs = [floats([1, 3, 6]), floats([1, 3, 2]), floats([3, 4])];
    const scores = SCORES.filter((_, i) => i % 3 !== 0);
    const results = runTiny(await coreOf(build), detectionGraph({}, inputs), [
      Array<number>(18).fill(0),
      scores,
      [...ANCHORS],
    ]);
    assert.equal(results.slice(1), [[0, 1, 0], [0.75, 0.625, 0], [2]]);
  });

  test("a box that ends before it begins is an error of the input", async () => {
    const core = await coreOf(build);
    const anchors = [...ANCHORS];
    anchors[6] = -1;
    const inputs = [floats([1, 3, 4]), floats([1, 3, 3]), floats([3, 4], anchors)];
    assert.throws(
      () => runTiny(core, detectionGraph({}, inputs), [NO_OFFSETS, SCORES]),
      (error: unknown) => error instanceof TransportError && error.message.includes("value 1"),
    );
  });

  test("many boxes come out best first, and none overlaps another", async () => {
    const random = randomNumbers(21);
    const count = 300;
    const anchors = Array.from({ length: count }, () => [
      random(0, 100) / 10,
      random(0, 100) / 10,
      random(5, 20) / 10,
      random(5, 20) / 10,
    ]).flat();
    const inputs = [floats([1, count, 4]), floats([1, count, 3]), floats([count, 4], anchors)];
    const scores = Array.from({ length: 3 * count }, () => random(0, 1000) / 1024);
    const tiny = detectionGraph({ max_detections: 50, nms_iou_threshold: 0.25 }, inputs);
    const values = [Array<number>(4 * count).fill(0), scores];
    const [boxes, , best, found] = runTiny(await coreOf(build), tiny, values);
    assert.ok(found![0]! > 5);
    for (let i = 1; i < found![0]!; i++) assert.ok(best![i]! <= best![i - 1]!);
    const box = (i: number) => boxes!.slice(4 * i, 4 * i + 4) as [number, number, number, number];
    for (let i = 0; i < found![0]!; i++)
      for (let j = 0; j < i; j++) assert.ok(overlap(box(i), box(j)) <= 0.25 + 1e-6);
  });

  test.run();
}

type Box = [number, number, number, number];

function overlap(a: Box, b: Box): number {
  const area = ([top, left, bottom, right]: Box): number =>
    Math.max(bottom - top, 0) * Math.max(right - left, 0);
  const common = area([
    Math.max(a[0], b[0]),
    Math.max(a[1], b[1]),
    Math.min(a[2], b[2]),
    Math.min(a[3], b[3]),
  ]);
  return common / (area(a) + area(b) - common);
}

const support = suite("detection options");

const REFUSED: Array<[Record<string, unknown>, RegExp]> = [
  [{ max_detections: 0 }, /maxDetections is 0/],
  [{ max_detections: -5 }, /maxDetections is -5/],
  [{ max_detections: 2 ** 31 - 1 }, /maxDetections is 2147483647/],
  [{ max_detections: "many" }, /maxDetections is 0/],
  [{ max_detections: 60000, max_classes_per_detection: 60000 }, /60000 detections of 60000/],
  [{ max_classes_per_detection: 0 }, /maxClassesPerDetection is 0/],
  [{ detections_per_class: -1 }, /detectionsPerClass is -1/],
  [{ num_classes: 7 }, /scores are of 3 classes, the options say 7/],
  [{ nms_iou_threshold: 0 }, /iouThreshold is 0/],
  [{ nms_iou_threshold: 1.5 }, /iouThreshold is 1.5/],
  [{ nms_iou_threshold: NaN }, /iouThreshold is NaN/],
  [{ nms_score_threshold: NaN }, /scoreThreshold is not a number/],
  [{ y_scale: 0 }, /scaleY is 0/],
  [{ w_scale: -1 }, /scaleW is -1/],
  [{ h_scale: Infinity }, /scaleH is Infinity/],
];

for (const [changes, says] of REFUSED)
  support(`refuses ${JSON.stringify(changes)}`, () => {
    const { graph, op } = detectionGraph(changes);
    const result = canRunOnCpu(graph, op);
    assert.match(result.ok ? "" : result.reason, says);
  });

support("refuses shapes that do not fit each other, and too much work", () => {
  const refusal = (inputs: TinyTensor[], changes: Record<string, unknown> = {}) => {
    const { graph, op } = detectionGraph(changes, inputs);
    const result = canRunOnCpu(graph, op);
    return result.ok ? "" : result.reason;
  };
  const [boxes, scores, anchors] = [floats([1, 3, 4]), floats([1, 3, 3]), floats([3, 4])];
  assert.match(refusal([floats([1, 3, 3]), scores, anchors]), /boxes are \[1, 3, 3\]/);
  assert.match(refusal([boxes, floats([1, 2, 3]), anchors]), /scores are \[1, 2, 3\]/);
  assert.match(refusal([boxes, scores, floats([3, 5])]), /anchors are \[3, 5\]/);
  assert.match(refusal([boxes, scores, { shape: [3, 4] }]), /float32 but .* is uint8/);
  assert.match(refusal([boxes, { type: "int8", shape: [1, 3, 3] }, anchors]), /is int8/);
  const many = 2 ** 18;
  const large = [floats([1, many, 4]), floats([1, many, 3]), floats([many, 4])];
  const regular = { use_regular_nms: true, detections_per_class: 2 ** 16 };
  assert.match(refusal(large, regular), /comparisons, more than/);
});

support.run();
