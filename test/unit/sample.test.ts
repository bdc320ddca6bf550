// The sample model: what its file holds, and how many held-back digits it gets right in integer arithmetic.
// SPDX-License-Identifier: MIT
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { inflateSync } from "node:zlib";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { readModel } from "../../core-as/model/read.ts";
import { writeModel } from "../../core-as/model/write.ts";
import { portableExp } from "../../examples/sample/train/arithmetic.ts";
import {
  digit,
  heldBack,
  PIXELS,
  SIDE,
  trainingSet,
  type Digits,
} from "../../examples/sample/train/data.ts";
import { bestClass, countRight, IntegerReference } from "../../examples/sample/train/evaluate.ts";
import {
  divideByPowerOfTwo,
  highProduct,
  quantiseMultiplier,
} from "../../examples/sample/train/fixed-point.ts";

const folder = new URL("../../examples/sample/", import.meta.url);
const fileOf = (name: string) => new Uint8Array(readFileSync(new URL(name, folder)));
const textOf = (name: string) => new TextDecoder().decode(fileOf(name));

const bytes = fileOf("digits.tflite");
const { graph } = readModel(bytes);
const labels = textOf("labels.txt").trim().split("\n");

test("the model is small, and the README names its bytes", () => {
  assert.ok(bytes.length < 200_000, `${bytes.length} bytes`);
  const readme = textOf("README.md");
  assert.ok(readme.includes(createHash("sha256").update(bytes).digest("hex")));
  assert.ok(readme.includes(bytes.length.toLocaleString("en-GB")));
});

test("the model has the operators and shapes that the README describes", () => {
  const kinds = graph.ops.map(({ kind }) => kind);
  assert.equal(kinds, [
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "CONV_2D",
    "ADD",
    "DEPTHWISE_CONV_2D",
    "CONV_2D",
    "AVERAGE_POOL_2D",
    "CONV_2D",
    "RESHAPE",
    "SOFTMAX",
  ]);
  const shapes = [graph.inputs, graph.outputs].map(([id]) => graph.tensors[id!]!.shape);
  assert.equal(shapes, [
    [1, SIDE, SIDE, 1],
    [1, labels.length],
  ]);
});

test("reading and writing gives the same bytes", () => {
  assert.equal(writeModel(readModel(bytes)), bytes);
});

test("1,000 held-back digits: at least 97 % right in integer arithmetic", () => {
  const digits = heldBack();
  assert.is(digits.count, 1000);
  const right = countRight(graph, digits);
  assert.ok(right >= 970, `${right} of 1000 right`);
  assert.ok(textOf("README.md").includes(`integer reference | ${right} of 1,000`), `${right}`);
});

test("no held-back digit is in the training set", () => {
  const trained = new Set(everyDigit(trainingSet()));
  assert.is(trained.size, 9000);
  assert.not(everyDigit(heldBack()).some((key) => trained.has(key)));
});

for (const name of ["three", "seven", "eight"])
  test(`${name}.png is a held-back ${name}, recognised with confidence`, () => {
    const pixels = greyPixels(fileOf(`${name}.png`));
    const key = Buffer.from(pixels).toString("latin1");
    const index = everyDigit(heldBack()).indexOf(key);
    assert.is(labels[heldBack().labels[index]!], name);

    const scores = new IntegerReference(graph).run(pixels);
    assert.is(labels[bestClass(scores)], name);
    assert.ok(Math.max(...scores) >= 0.9 * 256, `${scores}`);
  });

test("portableExp is exp to the last few bits", () => {
  for (let x = -40; x <= 5; x += 0.037)
    assert.ok(Math.abs(portableExp(x) / Math.exp(x) - 1) < 1e-15, `${x}`);
});

test("the fixed-point products are exact", () => {
  const exact = (a: number, b: number) => {
    const product = BigInt(a) * BigInt(b);
    return Number((product + (a < 0 ? 1n - (1n << 30n) : 1n << 30n)) / (1n << 31n));
  };
  const numbers = [0, 1, -1, 2, -2, 12345, -54321, 2 ** 30, -(2 ** 30), 2 ** 31 - 1, -(2 ** 31)];
  for (const a of numbers)
    for (const b of [2 ** 30, 2 ** 30 + 1, 1518500250, 2 ** 31 - 1])
      assert.is(highProduct(a, b) + 0, exact(a, b), `${a} * ${b}`);
  assert.equal(
    [5, -5, 6, -6, 7, -7].map((x) => divideByPowerOfTwo(x, 2)),
    [1, -1, 2, -2, 2, -2],
  );
  assert.equal(quantiseMultiplier(0.75), { multiplier: 3 * 2 ** 29, shift: 0 });
  assert.equal(quantiseMultiplier(1), { multiplier: 2 ** 30, shift: 1 });
});

test.run();

/** One string a digit, equal exactly for equal pictures. */
function everyDigit(digits: Digits): string[] {
  return Array.from({ length: digits.count }, (_, i) =>
    Buffer.from(digit(digits, i)).toString("latin1"),
  );
}

/** Pixels of a greyscale PNG without filters, such as the trainer writes. */
function greyPixels(png: Uint8Array): Uint8Array {
  const view = new DataView(png.buffer, png.byteOffset);
  const parts: Uint8Array[] = [];
  for (let at = 8; at < png.length; at += 12 + view.getUint32(at))
    if (Buffer.from(png.subarray(at + 4, at + 8)).toString("latin1") === "IDAT")
      parts.push(png.subarray(at + 8, at + 8 + view.getUint32(at)));
  const rows = inflateSync(Buffer.concat(parts));
  const pixels = new Uint8Array(PIXELS);
  for (let y = 0; y < SIDE; y++) {
    assert.is(rows[y * (SIDE + 1)], 0, "row filter");
    pixels.set(rows.subarray(y * (SIDE + 1) + 1, (y + 1) * (SIDE + 1)), y * SIDE);
  }
  return pixels;
}
