// Nothing that a job consists of may be ignored: with a requantisation that shows the accumulator as it is, every
// bit of a coefficient buffer changes the outcome, and every bit of the descriptors that is not without effect.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Simulator } from "../../core-as/runtime/simulator.ts";
import { fieldsOfBit, multiplierRank, nnWithoutEffect, tpWithoutEffect } from "../helpers/flips.ts";
import { ADDRESS, expectedNn, mapNn, nnCoefs, nnFields, type NnCase } from "../helpers/nn-rig.ts";
import { expectedNnV8, IMX8MP, mapNnV8, nnCoefsV8, nnFieldsV8, type NnCaseV8 } from "../helpers/nn-rig-v8.ts"; // prettier-ignore
import { rng } from "../helpers/prng.mjs";
import {
  A311D,
  bytesOf,
  descriptor,
  outcome,
  sameBytes,
  simulatorOf,
  streamOf,
  tpJobWords,
} from "../helpers/sim-rig.ts";

/** Factor 1: the output is the accumulator plus 128. Weights and inputs are small enough not to saturate. */
function identityCase(given: Partial<NnCase>): NnCase {
  const random = rng("sim-flips");
  const base = {
    inX: 7, inY: 6, kernelX: 3, kernelY: 3, kernelZ: 4, outX: 7, outY: 6, outZ: 11, offsetX: -1, offsetY: -1,
    firstPixel: false, relu: false, inZp: 1, outZp: 128, weightZp: 100, multiplier: 0, shift: 15, zrlBits: 2,
    perCore: 1, cores: 8, ...given,
  }; // prettier-ignore
  const taps = base.kernelX * base.kernelY * base.kernelZ;
  const weight = (): number => base.weightZp + (random.next() % 3) - 1;
  return {
    ...base,
    weights: Uint8Array.from({ length: taps * base.outZ }, weight),
    bias: Int32Array.from({ length: base.outZ }, () => (random.next() % 41) - 20),
    input: Uint8Array.from({ length: base.inX * base.inY * base.kernelZ }, () => random.next() % 4),
  };
}

const CASES: Record<string, Partial<NnCase>> = {
  "interleaved, padded": {},
  "sequential, wide kernel": { kernelX: 5, kernelY: 5, kernelZ: 1, outZ: 3 },
  "pointwise, seven inputs": { kernelX: 1, kernelY: 1, kernelZ: 7, offsetX: 0, offsetY: 0, zrlBits: 0 }, // prettier-ignore
  "first-pixel pooling": { firstPixel: true, outX: 4, outY: 3, outZ: 9, perCore: 2 },
};

/** The same with the factor 1 of version 8; depthwise kernels have one plane. */
function identityCaseV8({ depthwise = false, ...given }: Partial<NnCaseV8>): NnCaseV8 {
  const c = identityCase({ cores: 6, shift: 0, perCore: 2, ...given });
  if (!depthwise) return { ...c, depthwise };
  const taps = c.kernelX * c.kernelY * c.outZ;
  return { ...c, depthwise, kernelZ: c.outZ, weights: c.weights.subarray(0, taps) };
}

const CASES_V8: Record<string, Partial<NnCaseV8>> = {
  "padded": {},
  "pointwise, seven inputs, two superblocks": { kernelX: 1, kernelY: 1, kernelZ: 7, offsetX: 0, offsetY: 0, perCore: 1 }, // prettier-ignore
  "depthwise with filling, an odd count of bytes": { depthwise: true, kernelX: 5, kernelY: 5, kernelZ: 11 },
  "depthwise, first-pixel pooling": { depthwise: true, kernelZ: 9, firstPixel: true, outX: 4, outY: 3, outZ: 9 },
}; // prettier-ignore

/** One hand-made job, of either version. */
interface Job {
  chip: typeof A311D | typeof IMX8MP;
  map: (simulator: Simulator) => Uint32Array;
  coefs: Uint8Array;
  words: Uint32Array;
  expected: Uint8Array;
  /** At factor 1 and outputs below 256 the low bits of the multiplier are lost in rounding. */
  lostMultiplierBits: number;
}

const JOBS: Record<string, () => Job> = {};
for (const [name, given] of Object.entries(CASES))
  JOBS[name] = () => {
    const c = identityCase(given);
    return {
      chip: A311D,
      map: (simulator) => mapNn(simulator, c),
      coefs: nnCoefs(c),
      words: descriptor("NN", nnFields(c)),
      expected: expectedNn(c),
      lostMultiplierBits: 10,
    };
  };
for (const [name, given] of Object.entries(CASES_V8))
  JOBS[`version 8, ${name}`] = () => {
    const c = identityCaseV8(given);
    return {
      chip: IMX8MP,
      map: (simulator) => mapNnV8(simulator, c),
      coefs: nnCoefsV8(c),
      words: descriptor("NN", nnFieldsV8(c), 8),
      expected: expectedNnV8(c),
      lostMultiplierBits: 18,
    };
  };

/** Indices of bits whose damage leaves the outcome as it was. */
function silentBits(simulator: Simulator, address: number, bytes: Uint8Array, run: () => string): number[] {
  const before = run();
  const silent: number[] = [];
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const at = bit >> 3;
    simulator.write(address + at, Uint8Array.of(bytes[at]! ^ (1 << (bit & 7))));
    if (run() === before) silent.push(bit);
    simulator.write(address + at, bytes.subarray(at, at + 1));
  }
  assert.is(run(), before);
  return silent;
} // prettier-ignore

function named(block: "NN" | "TP", silent: readonly number[], without: ReadonlySet<string>): string[] {
  return silent
    .map((bit) => ({ bit, fields: fieldsOfBit(block, bit >> 5, bit & 31) }))
    .filter(({ fields }) => !fields.some((field) => without.has(field)))
    .map(({ bit, fields }) => `word ${bit >> 5} bit ${bit & 31} ${fields.join()}`);
} // prettier-ignore

for (const [name, make] of Object.entries(JOBS))
  test(`${name}: every bit of the coefficients, all effective bits of the NN descriptor`, async () => {
    const { chip, map, coefs, words, expected, lostMultiplierBits } = make();
    const simulator = await simulatorOf("release", { chip });
    const stream = map(simulator);
    const run = (): string => {
      simulator.write(ADDRESS.output, new Uint8Array(expected.length).fill(0x5a));
      return outcome(() => {
        simulator.submit(stream);
        return [simulator.read(ADDRESS.output, expected.length)];
      });
    };
    run();
    sameBytes(simulator.read(ADDRESS.output, expected.length), expected);
    assert.equal(silentBits(simulator, ADDRESS.coefs, coefs, run), []);
    const lost = (bit: number): boolean => {
      const rank = multiplierRank(bit);
      return rank >= 0 && rank < lostMultiplierBits;
    };
    const bits = silentBits(simulator, ADDRESS.nn, bytesOf(words), run);
    const silent = bits.filter((bit) => !lost(bit));
    assert.equal(named("NN", silent, nnWithoutEffect(words, chip.nnCoreVersion)), []);
  }); // prettier-ignore

test("reshuffle with a border: all effective bits of the TP descriptor", async () => {
  const fields = {
    IN_X_SIZE: 6, IN_Y_SIZE: 6, IN_Z_SIZE: 3, IN_STRIDE: 6, IN_SLICE: 36, WINDOW_X_START: -1, WINDOW_Y_START: -1,
    WINDOW_X_END: 8, WINDOW_Y_END: 8, TILE_X_SIZE: 10, TILE_Y_SIZE: 10, TILE_X_INC: 10, TILE_Y_INC: 10,
    LOOP_1_RESET: 1, LOOP_3_RESET: 1, OUT_LOOP_0_COUNT: 2, OUT_LOOP_0_INC: 25, OUT_LOOP_1_COUNT: 5, OUT_LOOP_1_INC: 1,
    OUT_LOOP_2_COUNT: 2, OUT_LOOP_2_INC: 50, OUT_LOOP_3_COUNT: 5, OUT_LOOP_3_INC: 5, OUT_LOOP_6_INC: 100,
    IN_BASE_ADDR: 0x10000, OUT_BASE_ADDR: 0x20000, IN_ZERO_POINT: 9, OUT_ZERO_POINT: 9,
  }; // prettier-ignore
  const words = descriptor("TP", fields);
  const random = rng("sim-flips/tp");
  const contents = Uint8Array.from({ length: 4096 }, () => random.byte());
  const simulator = await simulatorOf("release");
  simulator.mapBuffer({ address: 0x10000, bytes: 4096, access: 1, contents });
  simulator.mapBuffer({ address: 0x20000, bytes: 4096, access: 2 });
  simulator.mapBuffer({ address: 0x30000, bytes: 124, access: 1, contents: bytesOf(words) });
  const run = (): string => {
    simulator.write(0x20000, new Uint8Array(4096).fill(0x5a));
    return outcome(() => {
      simulator.submit(streamOf(tpJobWords(0x30000)));
      return [simulator.read(0x20000, 4096)];
    });
  };
  const silent = silentBits(simulator, 0x30000, bytesOf(words), run);
  assert.equal(named("TP", silent, tpWithoutEffect(words)), []);
});

test.run();
