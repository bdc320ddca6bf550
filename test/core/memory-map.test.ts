// The memory map of a small model, as rows and as a picture.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { memoryMap } from "../../core-as/inspect/memory-map.ts";
import { memoryMapSvg } from "../../core-as/inspect/memory-map-svg.ts";
import { compileCase } from "../helpers/compile-case.ts";
import { coreOf } from "../helpers/cores.ts";
import { goldenText } from "../helpers/golden.ts";
import { synthModel } from "../helpers/synth-model.mjs";

const core = await coreOf("release");
const { executable } = compileCase(core, synthModel("add-i8x8x16-o16-out-u8"), {
  mode: "optimised",
  // One job for each layer, as in the picture.
  exactRounding: false,
});

/** Start tags have end tags in the right order, and text has no bare markup. */
function checkWellFormed(svg: string): void {
  const open: string[] = [];
  const rest = svg.replace(
    /<(\/?)(\w+)((?:\s[\w:-]+="[^"<]*")*)\s*(\/?)>/g,
    (_, end, name, __, empty) => {
      if (end) assert.is(open.pop(), name);
      else if (!empty) open.push(name);
      return "";
    },
  );
  assert.equal(open, []);
  assert.not.match(rest, /[<>]|&(?!(amp|lt|gt|quot);)/);
}

test("the map of an addition", () => {
  const { rows, ...size } = memoryMap(executable, 0);
  assert.equal(size, { bytes: 3072, jobs: 5 });
  assert.equal(
    rows.map(({ label, offset, bytes, firstJob, lastJob }) =>
      [label, offset, bytes, firstJob, lastJob].join(" "),
    ),
    [
      "input 0 1024 -1 0",
      "op0 (#0 transpose) 2048 1024 0 2",
      "op0 (#0 pwconv) 0 1024 1 3",
      "op1 (#1 pwconv) 1024 1024 2 3",
      "op2 (#2 add) 2048 1024 3 4",
      "op2 (#2 detranspose) 0 1024 4 5",
    ],
  );
  assert.throws(() => memoryMap(executable, 1), RangeError);
});

test("the picture", () => {
  const svg = memoryMapSvg(memoryMap(executable, 0));
  checkWellFormed(svg);
  assert.not.match(svg, /<script|<style|href|font-face/);
  goldenText("test/golden/memory-map/addition.svg", svg);
});

test("names of tensors are text, whatever is in them; a map may be empty", () => {
  const row = { buffer: 0, offset: 0, bytes: 64, firstJob: -1, lastJob: 1 };
  const label = '<b a="1">&\u0000\ud800';
  const svg = memoryMapSvg({ bytes: 64, jobs: 1, rows: [{ ...row, label }] });
  checkWellFormed(svg);
  assert.match(svg, "&lt;b a=&quot;1&quot;&gt;&amp;\ufffd\ufffd");
  checkWellFormed(memoryMapSvg({ bytes: 0, jobs: 0, rows: [] }));
});

test.run();
