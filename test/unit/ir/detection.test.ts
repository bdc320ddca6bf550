// Options of custom operators: flexbuffers of every width and damage, and output shapes that files leave out.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readDetectionOptions } from "../../../core-as/ir/detection.ts";
import { readFlexMap } from "../../../core-as/ir/flexbuffer.ts";
import { readModel } from "../../../core-as/model/read.ts";
import { writeModel } from "../../../core-as/model/write.ts";
import { DETECTION_OPTIONS, detectionGraph } from "../../helpers/detection.ts";
import { flexbuffer } from "../../helpers/flexbuffer.ts";
import { randomNumbers } from "../../helpers/tiny-graph.ts";

const test = suite("flexbuffers");

test("scalars of every type in two widths", () => {
  const values = { a: 1, b: -200, c: 70000, e: 0.5, g: true, h: false, i: null };
  const wide = { ...values, d: 2 ** 40, f: 0.1, j: -(2 ** 50) };
  for (const [entries, width] of [
    [values, 4],
    [wide, 8],
  ] as const) {
    const map = readFlexMap(flexbuffer(entries, width));
    assert.equal(typeof map === "string" ? map : Object.fromEntries(map), entries);
  }
});

test("bytes of another encoder: narrow keys and values, an indirect float, a string, a vector", () => {
  // { a: 5, b: 0.5 (indirect), c: "hi", d: [7] }, everything in one byte
  const bytes = [
    ...[97, 0, 98, 0, 99, 0, 100, 0], // keys at 0, 2, 4, 6
    ...[0, 0, 0, 63], // 0.5 at 8
    ...[2, 104, 105, 0], // text at 13
    ...[1, 7], // vector of integers at 17
    ...[4, 19, 18, 17, 16], // keys at 19
    ...[4, 1, 4], // 4 back to the keys from 23; their width; length
  ];
  bytes.push(5, bytes.length + 1 - 8, bytes.length + 2 - 13, bytes.length + 3 - 17);
  bytes.push(1 << 2, (8 << 2) | 2, 5 << 2, 11 << 2);
  bytes.push(8, 9 << 2, 1);
  const map = readFlexMap(Uint8Array.from(bytes));
  const expected = { a: 5, b: 0.5, c: undefined, d: undefined };
  assert.equal(typeof map === "string" ? map : Object.fromEntries(map), expected);
});

test("strings are no scalars", () => {
  const map = readFlexMap(flexbuffer({ a: "text", e: 5 }));
  assert.equal(typeof map === "string" ? map : Object.fromEntries(map), { a: undefined, e: 5 });
});

test("no map is a sentence", () => {
  for (const bytes of [[], [0], [1, 4, 1], [0, 0, 36, 3]])
    assert.type(readFlexMap(Uint8Array.from(bytes)), "string");
  assert.match(readFlexMap(Uint8Array.of(5, 4, 1)) as string, /the root has the type 1/);
});

test("cut and damaged bytes give a map or a sentence, never anything else", () => {
  const good = flexbuffer(DETECTION_OPTIONS);
  for (let length = 0; length < good.length; length++) readFlexMap(good.subarray(0, length));
  for (let start = 0; start < good.length; start++) readFlexMap(good.subarray(start));
  for (let i = 0; i < good.length; i++)
    for (const value of [0, 1, 127, 128, 255]) {
      const bad = Uint8Array.from(good);
      bad[i] = value;
      readFlexMap(bad);
    }
  const random = randomNumbers(3);
  for (let round = 0; round < 5000; round++)
    readFlexMap(Uint8Array.from({ length: random(0, 40) }, () => random(0, 255)));
});

test("a length that the bytes do not hold ends early", () => {
  const bytes = new Uint8Array(64).fill(255);
  bytes.set([1, 36, 1], 61);
  assert.match(readFlexMap(bytes) as string, /255 entries|outside/);
});

test.run();

const shapes = suite("detection outputs");

shapes("missing options have TFLite's defaults", () => {
  const { op } = detectionGraph();
  const { detections_per_class: _, use_regular_nms: __, ...rest } = DETECTION_OPTIONS;
  op.customOptions = flexbuffer(rest);
  const options = readDetectionOptions(op);
  assert.not.type(options, "string");
  if (typeof options === "string") return;
  assert.is(options.detectionsPerClass, 100);
  assert.is(options.useRegularNms, false);
  op.customOptions = null;
  assert.match(readDetectionOptions(op) as string, /no flexbuffer map/);
});

shapes("the importer gives outputs the shapes that the options say", () => {
  const { graph, op } = detectionGraph({ max_detections: 7, max_classes_per_detection: 2 });
  const model = { description: "", schemaVersion: 3, graph, otherSubgraphs: [] };
  const shapesOf = () => {
    const read = readModel(writeModel(model)).graph;
    return read.outputs.map((id) => read.tensors[id]!.shape);
  };
  for (const id of graph.outputs) graph.tensors[id]!.shape = [];
  assert.equal(shapesOf(), [[1, 14, 4], [1, 14], [1, 14], [1]]);
  // damaged options leave the file's shapes
  op.customOptions = new Uint8Array(3);
  assert.equal(shapesOf(), [[], [], [], []]);
});

shapes.run();
