// Capture directories: a good one runs, damaged ones are refused with TW_CAPTURE_FORMAT.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { NpuError } from "../../core-as/errors.ts";
import { mapCapture, parseCapture, runCapture } from "../../core-as/runtime/capture.ts";
import { BUILDS } from "../helpers/cores.ts";
import { bytesOf, descriptor, sameBytes, simulatorOf, streamOf, tpJobWords } from "../helpers/sim-rig.ts"; // prettier-ignore

const IN = 0x10000;
const OUT = 0x20000;
const TP = 0x30000;

/** A transpose of 1x2x3x4 as one TP job; both tensors start 16 bytes into their buffers. */
const FIELDS = {
  IN_X_SIZE: 4, IN_Y_SIZE: 3, IN_Z_SIZE: 2, IN_STRIDE: 4, IN_SLICE: 12, WINDOW_X_END: 3, WINDOW_Y_END: 2,
  TILE_X_SIZE: 1, TILE_Y_SIZE: 3, TILE_X_INC: 1, TILE_Y_INC: 3, IN_BASE_ADDR: IN + 16, OUT_BASE_ADDR: OUT + 16,
  OUT_LOOP_0_COUNT: 3, OUT_LOOP_0_INC: 1, OUT_LOOP_1_COUNT: 4, OUT_LOOP_1_INC: 6, OUT_LOOP_2_COUNT: 2, OUT_LOOP_2_INC: 3,
}; // prettier-ignore
const FILES: Record<string, Uint8Array> = {
  "tp0.bin": bytesOf(descriptor("TP", FIELDS)),
  "stream.bin": bytesOf(streamOf(tpJobWords(TP))),
};

type Json = Record<string, any>;

function tensor(buffer: string, address: number): Json {
  return { name: buffer, type: "INT8", dims: [1, 2, 3, 4], scale: 1, zeroPoint: -3, buffer, address, offset: 16, bytes: 24 }; // prettier-ignore
}

function sample(): Json {
  return {
    format: 1,
    model: "hand-made",
    target: "a311d",
    partition: 0,
    chip: { nn_core_version: 7, nn_core_count: 8 },
    buffers: [
      { name: "in", address: IN, bytes: 64, role: "tensor" },
      { name: "out", address: OUT, bytes: 64, role: "tensor" },
      { name: "tp", address: TP, bytes: 4096, role: "descriptor", file: "tp0.bin" },
    ],
    stream: {
      file: "stream.bin",
      words: FILES["stream.bin"]!.length / 4,
      flags: 8,
      buffers: [
        { name: "tp", access: 1 },
        { name: "in", access: 1 },
        { name: "out", access: 2 },
      ],
    },
    inputs: [tensor("in", IN)],
    outputs: [tensor("out", OUT)],
  };
}

function load(name: string): Uint8Array {
  const file = FILES[name];
  if (file === undefined) throw new Error("no such file");
  return file;
}

for (const build of BUILDS)
  test(`${build}: a capture runs, signed tensors move by 128, twice the same`, async () => {
    const simulator = await simulatorOf(build);
    const capture = parseCapture(sample(), load);
    mapCapture(capture, simulator);
    const input = Uint8Array.from({ length: 24 }, (_, i) => i * 10);
    const expected = Uint8Array.from({ length: 24 }, (_, i) => input[(i % 6) * 4 + Math.floor(i / 6)]!);
    sameBytes(runCapture(capture, simulator, [input])[0]!, expected);
    sameBytes(runCapture(capture, simulator, [input])[0]!, expected);
    assert.is(simulator.read(IN + 16, 1)[0], 0x80);
    assert.throws(() => runCapture(capture, simulator, []), (e: unknown) => e instanceof RangeError); // prettier-ignore
    assert.throws(() => runCapture(capture, simulator, [input.subarray(1)]), (e: unknown) => e instanceof RangeError); // prettier-ignore
  }); // prettier-ignore

test("damaged captures are refused", () => {
  const changes: ((json: Json) => void)[] = [
    (c) => (c["format"] = 2),
    (c) => delete c["buffers"],
    (c) => (c["buffers"] = {}),
    (c) => (c["buffers"][0] = 7),
    (c) => (c["buffers"][1].name = "in"),
    (c) => (c["buffers"][1].address = IN + 63),
    (c) => (c["buffers"][1].address = -1),
    (c) => (c["buffers"][1].bytes = 0),
    (c) => (c["buffers"][1].bytes = 1.5),
    (c) => (c["buffers"][1].bytes = 0xfffffff0),
    (c) => (c["buffers"][2].file = "other.bin"),
    (c) => (c["buffers"][2].file = "../tp0.bin"),
    (c) => (c["buffers"][2].bytes = 100),
    (c) => (c["stream"].words += 1),
    (c) => delete c["stream"],
    (c) => (c["stream"].buffers[0].name = "nowhere"),
    (c) => (c["stream"].buffers[0].access = 4),
    (c) => (c["chip"] = null),
    (c) => (c["chip"].nn_core_count = "8"),
    (c) => (c["inputs"][0].type = "FLOAT32"),
    (c) => (c["inputs"][0].dims = [1, 2, 3]),
    (c) => (c["inputs"][0].dims = [1, 2, -3, -4]),
    (c) => (c["inputs"][0].offset = 48),
    (c) => (c["inputs"][0].address = OUT),
    (c) => (c["inputs"][0].buffer = "nowhere"),
    (c) => (c["outputs"][0].zeroPoint = null),
  ];
  for (const change of changes) {
    const json = sample();
    change(json);
    try {
      parseCapture(json, load);
      assert.unreachable(change.toString());
    } catch (error) {
      assert.is((error as NpuError).code, "TW_CAPTURE_FORMAT", change.toString());
    }
  }
  for (const json of [null, 3, "x", []])
    assert.throws(() => parseCapture(json, load), (e: unknown) => (e as NpuError).code === "TW_CAPTURE_FORMAT"); // prettier-ignore
});

test.run();
