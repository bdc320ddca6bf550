// The simulator must be able to fail: single-bit damage to captured streams, descriptors and
// coefficients changes the outcome (other output bytes, or a fault), except for bits that
// docs/sim-coverage.md lists as without effect.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { CoefStats } from "../../core-as/assembly/abi.ts";
import type { Core } from "../../core-as/core.ts";
import { SimFault } from "../../core-as/errors.ts";
import { mapCapture, runCapture, type Capture } from "../../core-as/runtime/capture.ts";
import type { Simulator, SimulatorOptions } from "../../core-as/runtime/simulator.ts";
import { captureInputs, loadCapture } from "../helpers/captures.ts";
import { coreOf } from "../helpers/cores.ts";
import { decodeCoefs, type DecodedCoefs } from "../helpers/decode-coefs.ts";
import { needCorpus } from "../helpers/corpus.ts";
import {
  fieldsOfBit,
  fieldValue,
  multiplierRank,
  nnWithoutEffect,
  tpWithoutEffect,
} from "../helpers/flips.ts";
import { rng } from "../helpers/prng.mjs";
import { outcome, simulatorOf } from "../helpers/sim-rig.ts";

/**
 * All orderings, padding, first-pixel pooling, reshuffles on four cores, an addition, a
 * concatenation; and the fields whose damage may go unnoticed in one of them because of its data,
 * with the reason.
 */
const CAPTURES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "a311d/conv-i8x8x16-k3-o17-s2-same-u8-sparse20": {
    IN_X_SIZE: "the last column is a border that the reshuffle wrote: the same zero points",
    IN_Y_SIZE: "as IN_X_SIZE",
  },
  "a311d/conv-i13x13x1-k3-o9-s1-same-u8": {},
  "a311d/pw-i6x6x3-o9-s1-same-u8": {},
  "a311d/dw-i12x12x3-k3-s1-same-u8": {},
  "a311d/dw-i10x10x32-k5-s2-same-u8": {},
  "a311d/add-i8x8x16-o16-out-u8": {
    IN_IMAGE_ADDR: "the input is transposed twice, into two buffers",
    KERNEL_Z_SIZE: "an addition's stream goes on with zeros: a third input with weight 0",
    IN_BORDER_CONST: "only tap (0, 0) of an addition's kernel is not zero",
  },
  "a311d/concat-i6x6x33-o17-n4-out-u8-relu": {
    IN_IMAGE_ADDR: "the input is transposed four times, into four buffers",
    OUT_Z_SIZE: "planes of quirk Q1 that the next branch overwrites",
  },
  "a311d/pad-i12x12x24-out-u8": {},
  "imx8mp/conv-i8x8x16-k3-o17-s2-same-u8-sparse20": {
    IN_X_SIZE: "the last column is a border that the reshuffle wrote: the same zero points",
    IN_Y_SIZE: "as IN_X_SIZE",
  },
  "imx8mp/conv-i13x13x1-k3-o9-s1-same-u8": {},
  "imx8mp/dw-i6x12x16-k3-s1-valid-u8": {},
  "imx8mp/dw-i10x10x32-k5-s2-same-u8": {},
  "imx8mp/pw-i6x6x3-o9-s1-same-u8": {},
  "imx8mp/fc-i64-o10-u8": {},
  "imx8mp/add-i8x8x16-o16-out-u8": {
    IN_IMAGE_ADDR: "the input is transposed twice, into two buffers",
  },
};
/** The lowest bits of the multiplier (15 or 23 below its leading one) may vanish in rounding. */
const MULTIPLIER_BITS_LOST: Readonly<Record<number, number>> = { 7: 4, 8: 14 };

/** Their streams hold every kind of command word. */
const STREAMS = [
  "a311d/conv-i8x8x16-k3-o17-s2-same-u8-sparse20",
  "a311d/pad-i12x12x24-out-u8",
  "imx8mp/conv-i8x8x16-k3-o17-s2-same-u8-sparse20",
];

interface Bench {
  capture: Capture;
  simulator: Simulator;
  inputs: Uint8Array[];
  before: string;
}

/**
 * Runs from a clean state: tensors that a damaged job does not write must not keep the right bytes.
 * The outcome is the fault, or all tensors, intermediate ones too.
 */
function run({ capture, simulator, inputs }: Bench): string {
  const tensors = capture.buffers.filter((buffer) => buffer.role === "tensor");
  for (const { address, bytes } of tensors)
    simulator.write(address, new Uint8Array(bytes).fill(0x5a));
  return outcome(() => {
    runCapture(capture, simulator, inputs);
    return tensors.map(({ address, bytes }) => simulator.read(address, bytes));
  });
}

async function benchOf(name: string): Promise<Bench> {
  const [target, model] = name.split("/") as [string, string];
  const capture = loadCapture(target, model);
  const chip = capture.chip as SimulatorOptions["chip"];
  const simulator = await simulatorOf("release", { chip });
  mapCapture(capture, simulator);
  const bench = { capture, simulator, inputs: captureInputs(capture), before: "" };
  bench.before = run(bench);
  assert.not(bench.before.startsWith("fault"), name);
  return bench;
}

type Buffer = Capture["buffers"][number];

/** Outcome with one bit of a buffer flipped; the buffer is whole again afterwards. */
function flipped(bench: Bench, buffer: Buffer, byte: number, bit: number): boolean {
  const whole = buffer.contents!;
  const at = buffer.address + byte;
  bench.simulator.write(at, Uint8Array.of(whole[byte]! ^ (1 << bit)));
  const after = run(bench);
  bench.simulator.write(at, whole.subarray(byte, byte + 1));
  return after !== bench.before;
}

function wordsOf(buffer: Buffer): Uint32Array {
  return new Uint32Array(buffer.contents!.slice().buffer);
}

/** Decodes a job's coefficients by its descriptor. */
function decodeJob(core: Core, capture: Capture, bytes: Uint8Array, nn: Buffer): DecodedCoefs {
  const version = capture.chip.nnCoreVersion as 7 | 8;
  const value = (name: string): number => fieldValue("NN", wordsOf(nn), name, version);
  return decodeCoefs(core, version, bytes, {
    kernelX: value("KERNEL_X_SIZE"),
    kernelY: value("KERNEL_Y_SIZE"),
    kernelZ: value("KERNEL_Z_SIZE"),
    perCore: value("KERNELS_PER_CORE"),
    outZ: value("OUT_Z_SIZE"),
    weightZp: value("COEF_ZERO_POINT"),
    depthwise: value("DEPTHWISE") === 1,
    cores: capture.chip.nnCores,
  });
}

/** Decoded coefficients as text; a fault is an outcome too. */
function decoded(core: Core, capture: Capture, bytes: Uint8Array, nn: Buffer): string {
  try {
    const { weights, biases, offsets } = decodeJob(core, capture, bytes, nn);
    return [weights, biases, offsets].map((part) => part.join()).join("|");
  } catch (error) {
    if (!(error instanceof SimFault)) throw error;
    return "fault";
  }
}

/** Headers of GL_OCB_REMAP_START, GL_OCB_REMAP_END, GL_TP_CONFIG, UNK_03950. */
const HOLD_0 = [0x08010e4f, 0x08010e50, 0x08010e53, 0x08010e54];

/**
 * Single bits of state values that have no effect: small batch, the unknown state of padding jobs,
 * sequence tags.
 */
function streamBitHasEffect(words: Uint32Array, index: number, bit: number): boolean {
  // A write of 0 to another state that streams hold at 0.
  const damaged = (words[index]! ^ (1 << bit)) >>> 0;
  if (HOLD_0.includes(words[index]!) && HOLD_0.includes(damaged)) return words[index + 1] !== 0;
  const header = words[index - 1];
  if (header === 0x08010e4c) return bit !== 4;
  if (header === 0x08010e54) return bit !== 3;
  // Of a TP descriptor that another one follows, a tag beyond 1 would end the job and leave it running, waited for by nobody.
  if (header === 0x0801042e && (words[index]! & 1) === 1) return bit > 0;
  if (header === 0x08010428 || header === 0x0801042e) return bit > 4;
  return true;
}

if (needCorpus("sim-flips"))
  for (const [name, explained] of Object.entries(CAPTURES)) {
    if (STREAMS.includes(name))
      test(`${name}: every bit of the command stream`, async () => {
        const bench = await benchOf(name);
        const { stream } = bench.capture;
        const silent: string[] = [];
        for (let index = 0; index < stream.length; index++)
          for (let bit = 0; bit < 32; bit++) {
            const damaged = stream.slice();
            damaged[index]! ^= 1 << bit;
            const after = run({ ...bench, capture: { ...bench.capture, stream: damaged } });
            // The first of the two closing flushes may be damaged into nothing else than a fault,
            // too.
            if ((after === bench.before) === streamBitHasEffect(stream, index, bit))
              silent.push(`word ${index} bit ${bit}`);
          }
        assert.equal(silent, []);
      });

    test(`${name}: every bit of the descriptors`, async () => {
      const bench = await benchOf(name);
      const silent: string[] = [];
      let effective = 0;
      const { capture } = bench;
      for (const buffer of capture.buffers.filter((b) => b.role === "descriptor")) {
        const block = buffer.contents!.length === 136 ? "NN" : "TP";
        const words = wordsOf(buffer);
        const without =
          block === "NN"
            ? nnWithoutEffect(words, capture.chip.nnCoreVersion)
            : tpWithoutEffect(words);
        for (let bit = 0; bit < buffer.contents!.length * 8; bit++) {
          if (flipped(bench, buffer, bit >> 3, bit & 7)) {
            effective++;
            continue;
          }
          const fields = fieldsOfBit(block, bit >> 5, bit & 31);
          const rank = block === "NN" ? multiplierRank(bit) : -1;
          if (rank >= 0 && rank < MULTIPLIER_BITS_LOST[capture.chip.nnCoreVersion]!) continue;
          if (!fields.some((field) => without.has(field) || explained[field] !== undefined))
            silent.push(`${buffer.name} word ${bit >> 5} bit ${bit & 31} ${fields.join()}`);
        }
      }
      assert.equal(silent, []);
      assert.ok(effective > 500);
    });

    test(`${name}: bits of the coefficients`, async () => {
      const bench = await benchOf(name);
      const core = await coreOf("release");
      const silent: string[] = [];
      const count = { bits: 0, seen: 0 };
      for (const buffer of bench.capture.buffers.filter((b) => b.role === "coefficients")) {
        const contents = buffer.contents!;
        const nn = bench.capture.buffers.find(
          (b) => b.name === buffer.name.replace("coefs", "nn"),
        )!;
        const before = decoded(core, bench.capture, contents, nn);
        // What follows the last stream (version 8: the biases) is never read.
        const { stats } = decodeJob(core, bench.capture, contents, nn);
        const total = stats[CoefStats.BYTES]! * 8;
        const step = total > 4096 ? 13 : 1;
        for (let bit = 0; bit < total; bit += step) {
          count.bits++;
          if (flipped(bench, buffer, bit >> 3, bit & 7)) {
            count.seen++;
            continue;
          }
          // Rounding and saturation may hide a small change of the arithmetic, but nothing may go
          // undecoded.
          const damaged = contents.slice();
          damaged[bit >> 3]! ^= 1 << (bit & 7);
          if (decoded(core, bench.capture, damaged, nn) === before) silent.push(`${buffer.name} bit ${bit}`);
        }
      }
      assert.equal(silent, []);
      assert.ok(count.bits === 0 || count.seen / count.bits > 0.5, JSON.stringify(count));
    }); // prettier-ignore
  }

if (needCorpus("sim-flips-random"))
  test("random damage of one to three words faults or computes, and never breaks the simulator", async () => {
    const tally: Record<string, number> = {};
    for (const name of Object.keys(CAPTURES)) {
      const bench = await benchOf(name);
      const random = rng(`damage/${name}`);
      const files = bench.capture.buffers.filter((buffer) => buffer.contents !== undefined);
      for (let i = 0; i < 150; i++) {
        const chosen = Array.from(
          { length: 1 + (i % 3) },
          () => files[random.next() % files.length]!,
        );
        for (const { address, contents } of chosen) {
          const word = Uint32Array.of(i & 1 ? random.next() : 2 ** (random.next() % 32));
          const at = (random.next() % (contents!.length >> 2)) * 4;
          bench.simulator.write(address + at, new Uint8Array(word.buffer));
        }
        const result = run(bench);
        const key = result.startsWith("fault") ? result : "computed";
        tally[key] = (tally[key] ?? 0) + 1;
        for (const { address, contents } of chosen) bench.simulator.write(address, contents!);
      }
      assert.is(run(bench), bench.before);
    }
    assert.ok(Object.keys(tally).length >= 5, JSON.stringify(tally));
  });

test.run();
