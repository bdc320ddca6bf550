// The pre-submit check against the simulator on captured submits with one bit flipped: every bit of streams and descriptors,
// of the headers of coefficients, and of a sample of what follows. What passes never leaves its buffers.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { NpuError } from "../../core-as/errors.ts";
import { chipByName } from "../../core-as/hw/chips.ts";
import { mapCapture, type Capture } from "../../core-as/runtime/capture.ts";
import { Simulator } from "../../core-as/runtime/simulator.ts";
import { loadCapture } from "../helpers/captures.ts";
import { submitOfCapture } from "../helpers/check-captures.ts";
import { checkerOf, refusalOf, type Refusal, type Submit } from "../helpers/check-rig.ts";
import { needCorpus } from "../helpers/corpus.ts";
import { fieldsOfBit } from "../helpers/flips.ts";
import { rng } from "../helpers/prng.mjs";

/** Captures of both chips that hold every kind of job: convolutions, additions, depthwise, all TP programs. */
const CAPTURES: [string, string][] = [
  ["a311d", "add-i16x16x3-o7-out-u8-relu-r15"],
  ["a311d", "conv-i8x8x16-k3-o17-s2-same-u8-sparse20"],
  ["a311d", "pw-i3x3x257-o10-s1-same-u8"],
  ["a311d", "dw-i5x5x9-k3-s2-same-u8-sparse80"],
  ["a311d", "pad-i8x8x2-out-i8"],
  ["imx8mp", "add-i16x16x3-o7-out-u8-relu-r15"],
  ["imx8mp", "conv-i8x8x16-k3-o17-s2-same-u8-sparse20"],
  ["imx8mp", "dw-i10x10x32-k5-s2-same-u8"],
  ["imx8mp", "pad-i8x8x2-out-i8"],
];

/** Faults that are no accesses: coefficients that leave channels out or double, bytes written twice. */
const HARMLESS = ["ok", "TW_SIM_BAD_COEFFICIENTS", "TW_SIM_DOUBLE_WRITE"];

/**
 * Fields whose damage the simulator may run and the check refuses: what it does not model (SRAM, reset bits), walks that
 * spread over several buffers, tiles and loops that a reset bit belongs to, readings and writings that meet nothing.
 */
const STRICTER = new Set([
  "IMAGE_CACHE_START", "IMAGE_CACHE_END", "KERNEL_CACHE_START", "KERNEL_CACHE_END", "LOOP_1_RESET", "LOOP_3_RESET",
  "TILE_X_SIZE", "TILE_Y_SIZE", "OUT_LOOP_0_COUNT", "OUT_LOOP_1_COUNT", "OUT_LOOP_2_COUNT", "OUT_LOOP_3_COUNT",
  "IN_STRIDE", "IN_SLICE", "IN_Y_SIZE", "IN_Z_SIZE", "IN_BASE_ADDR", "OUT_BASE_ADDR", "OUT_LOOP_1_INC", "OUT_LOOP_2_INC",
  "IN_IMAGE_ADDR", "OUT_IMAGE_ADDR", "IN_X_STRIDE",
]); // prettier-ignore

type Stricter = (refusal: Refusal) => boolean;

/** Tags are without effect in the simulator, and so is where the states of a job are set. */
const stricterOnStreams: Stricter = ({ code }) => code === "STATE" || code === "STREAM";

/** The simulator drops kernels without a channel (Q1), wherever they point. */
const stricterOnCoefficients: Stricter = ({ message }) => /last channel/.test(message);

interface Bench {
  submit: Submit;
  capture: Capture;
  /** Runs the submit of a stream; "ok" or the code of the fault, with the field that it names. */
  run: (stream: Uint32Array) => { code: string; field: string | undefined };
  write: (address: number, bytes: Uint8Array) => void;
}

async function benchOf(target: string, name: string): Promise<Bench> {
  const capture = loadCapture(target, name);
  const simulator = await Simulator.create({ chip: chipByName(target)! });
  mapCapture(capture, simulator);
  const run: Bench["run"] = (stream) => {
    try {
      simulator.submit(stream, capture.listed);
      return { code: "ok", field: undefined };
    } catch (error) {
      if (!(error instanceof NpuError)) throw error;
      return { code: error.code, field: error.where.field };
    }
  };
  // Contents of the check's own, to be damaged.
  const original = submitOfCapture(capture);
  const buffers = original.buffers.map((buffer) => {
    return { ...buffer, contents: buffer.contents?.slice() ?? null };
  });
  const write: Bench["write"] = (address, bytes) => simulator.write(address, bytes);
  return { submit: { ...original, buffers }, capture, run, write };
}

if (needCorpus("check-flips"))
  for (const [target, name] of CAPTURES)
    test(`${target} ${name}: what passes with a flipped bit stays inside`, async () => {
      const { submit, capture, run, write } = await benchOf(target, name);
      const checker = await checkerOf("release", { chip: submit.chip });
      const broken: string[] = [];
      const tally: Record<string, number> = {};
      const compare = (place: string, stream: Uint32Array, stricter: Stricter): void => {
        const refusal = refusalOf(checker, { ...submit, stream });
        const { code, field } = run(stream);
        const key = `${refusal?.code ?? "passed"}/${code}`;
        tally[key] = (tally[key] ?? 0) + 1;
        if (refusal === null && !HARMLESS.includes(code)) broken.push(`${place} passed: ${code}`);
        // Of what a decoder can say about passed coefficients only offsets are left: which channel a plane is.
        if (refusal === null && code === "TW_SIM_BAD_COEFFICIENTS" && field !== "OUT_Z_SIZE")
          broken.push(`${place} passed with coefficients that do not decode`);
        if (refusal !== null && code === "ok" && !stricter(refusal))
          broken.push(`${place} refused: ${refusal.message}`);
      };
      compare("undamaged", submit.stream, () => false);
      assert.equal(tally, { "passed/ok": 1 });

      for (let bit = 0; bit < submit.stream.length * 32; bit++) {
        const stream = submit.stream.slice();
        stream[bit >> 5]! ^= 1 << (bit & 31);
        compare(`stream word ${bit >> 5} bit ${bit & 31}`, stream, stricterOnStreams);
      }
      const random = rng(`check-flips/${target}/${name}`);
      for (const { address, contents } of submit.buffers) {
        if (contents === null) continue;
        const { role, name: file } = capture.buffers.find((buffer) => buffer.address === address)!;
        const isNn = contents.length === 136;
        const length = role === "descriptor" ? contents.length : Math.min(contents.length, 4096);
        for (let bit = 0; bit < length * 8; bit++) {
          // Behind the header of coefficients a sample.
          if (role !== "descriptor" && bit >= 8 * 72 && random.next() % 16 !== 0) continue;
          const byte = bit >> 3;
          contents[byte]! ^= 1 << (bit & 7);
          write(address + byte, contents.subarray(byte, byte + 1));
          const fields = fieldsOfBit(isNn ? "NN" : "TP", bit >> 5, bit & 31);
          const stricter: Stricter =
            role === "descriptor"
              ? () => fields.some((field) => STRICTER.has(field))
              : stricterOnCoefficients;
          compare(`${file} bit ${bit} (${fields.join()})`, submit.stream, stricter);
          contents[byte]! ^= 1 << (bit & 7);
          write(address + byte, contents.subarray(byte, byte + 1));
        }
      }
      assert.equal(broken, []);
      assert.ok((tally["ADDRESS/TW_SIM_BAD_ADDRESS"] ?? 0) > 50, JSON.stringify(tally));
      assert.ok(tally["passed/ok"]! > 50, JSON.stringify(tally));
      assert.equal(refusalOf(checker, submit), null);
    });

test.run();
