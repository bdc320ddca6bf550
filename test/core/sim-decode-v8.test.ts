// The version 8 coefficient decoder: worked examples of spec/coefficients-v8.md 8, round trips of a
// plain encoder, damaged buffers.
// SPDX-License-Identifier: MIT
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { CoefStats, Fault } from "../../core-as/assembly/abi.ts";
import type { NpuError } from "../../core-as/errors.ts";
import {
  assembleV8,
  channelsOfCores,
  codedBytes,
  encodeCoefsV8,
  PairStream,
  symbolMap,
  type CoefsV8,
} from "../helpers/coef-v8.ts";
import { BUILDS, coreOf } from "../helpers/cores.ts";
import { decodeCoefs } from "../helpers/decode-coefs.ts";
import { rng } from "../helpers/prng.mjs";
import { propSettings } from "../helpers/prop.ts";
import { thrownCode } from "../helpers/thrown.ts";

/** A buffer of the given words at byte offsets. */
function buffer(bytes: number, parts: Readonly<Record<number, readonly number[]>>): Uint8Array {
  const words = new Uint32Array(bytes / 4);
  for (const [offset, values] of Object.entries(parts)) words.set(values, Number(offset) / 4);
  return new Uint8Array(words.buffer);
}

const E1 = buffer(132, {
  0: [0x10],
  20: [0x76540123],
  28: [0x40],
  64: [0x00009edf, 0x64e911b8],
  128: [0x00008a93],
});
const E1_CASE: CoefsV8 = {
  kernelX: 3, kernelY: 3, kernelZ: 1, outZ: 1, depthwise: false, perCore: 1, weightZp: 0, cores: 6,
  weights: Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7, 255), biases: Int32Array.of(0x8a93),
}; // prettier-ignore

/** Weights 0..71 as [y][x][channel], zero point 128. */
const E2_CASE: CoefsV8 = {
  kernelX: 3, kernelY: 3, kernelZ: 8, outZ: 8, depthwise: true, perCore: 2, weightZp: 128, cores: 6,
  weights: Uint8Array.from({ length: 72 }, (_, i) => (i % 9) * 8 + Math.floor(i / 9)),
  biases: Int32Array.from({ length: 8 }, (_, i) => i),
}; // prettier-ignore
const E2_CORE0 = [0x5b1b96d2, 0x8b55bcbd, 0x55b4ad5c, 0x6f8e9b0a, 0x8c18e8e1, 0x1008a101, 0xc0];

/** Channels and weight - zero point in stream order, as the encoder's input says. */
function expected(c: CoefsV8): { channels: number[]; weights: number[] } {
  const size = c.kernelX * c.kernelY * (c.depthwise ? 1 : c.kernelZ);
  const channels = channelsOfCores(c).flat(2);
  const weights = channels.flatMap((channel) =>
    Array.from(c.weights.subarray(channel * size, (channel + 1) * size), (w) => w - c.weightZp),
  );
  return { channels, weights };
}

const cases = fc
  .record({
    kernelX: fc.integer({ min: 1, max: 7 }),
    kernelY: fc.integer({ min: 1, max: 7 }),
    kernelZ: fc.integer({ min: 1, max: 24 }),
    outZ: fc.integer({ min: 1, max: 40 }),
    depthwise: fc.boolean(),
    superblocks: fc.integer({ min: 1, max: 4 }),
    weightZp: fc.integer({ min: 0, max: 255 }),
    cores: fc.constantFrom(1, 2, 4, 6, 8, 9),
    seed: fc.string(),
    /** Width of the weights' distribution around the zero point. */
    spread: fc.constantFrom(0, 1, 3, 20, 255),
    map: fc.option(fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7], { minLength: 8 })),
  })
  .map(({ superblocks, seed, spread, map, ...shape }): CoefsV8 => {
    const random = rng(`sim-decode-v8/${seed}`);
    const planes = shape.depthwise ? 1 : shape.kernelZ;
    const length = shape.outZ * planes * shape.kernelX * shape.kernelY;
    const weight = (): number => (shape.weightZp + (random.next() % (spread + 1))) & 255;
    return {
      ...shape,
      kernelZ: shape.depthwise ? shape.outZ : shape.kernelZ,
      perCore: Math.ceil(Math.ceil(shape.outZ / shape.cores) / superblocks),
      weights: Uint8Array.from({ length }, weight),
      biases: Int32Array.from({ length: shape.outZ }, () => random.next() | 0),
      ...(map === null ? {} : { map }),
    };
  });

for (const build of BUILDS) {
  test(`${build}: example E1, one kernel`, async () => {
    assert.is(symbolMap(E1_CASE.weights).join(), "3,2,1,0,4,5,6,7");
    assert.equal(encodeCoefsV8(E1_CASE), E1);
    const { weights, biases, offsets, stats } = decodeCoefs(await coreOf(build), 8, E1, E1_CASE);
    assert.equal([...weights], [...E1_CASE.weights]);
    assert.equal([...biases], [35475]);
    assert.equal([...offsets], [0]);
    assert.is(stats[CoefStats.KERNELS], 1);
    assert.is(stats[CoefStats.ZRL_BITS], 0);
    assert.is(stats[CoefStats.LITERALS], 9);
    assert.is(stats[CoefStats.NONZERO], 8);
    assert.is(stats[CoefStats.BYTES], 132);
    assert.equal([...stats.slice(CoefStats.CORE_KERNELS, CoefStats.CORE_KERNELS + 2)], [1, 0]);
  });

  test(`${build}: example E2, depthwise`, async () => {
    const bytes = encodeCoefsV8(E2_CASE);
    const words = new Uint32Array(bytes.buffer);
    assert.is(words[5], 0x10237456);
    assert.equal([...words.slice(7, 14)], [0xc8, 0xc8, 0x76, 0x76, 0x76, 0x76, 0]);
    assert.equal([...words.slice(16, 23)], E2_CORE0);
    assert.equal([...words.slice(112)], [0, 1, 2, 3, 4, 5, 6, 7]);
    const { weights, biases, offsets } = decodeCoefs(await coreOf(build), 8, bytes, E2_CASE);
    assert.equal([...offsets], [5, 7, 4, 6, 3, 2, 1, 0]);
    assert.equal([...biases], [...offsets]);
    assert.equal([...weights], expected(E2_CASE).weights);
  });

  test(`${build}: decoding gives back what was encoded, with every symbol map`, async () => {
    const core = await coreOf(build);
    fc.assert(
      fc.property(cases, (c) => {
        const got = decodeCoefs(core, 8, encodeCoefsV8(c), c);
        const { channels, weights } = expected(c);
        assert.equal([...got.offsets], channels);
        assert.equal([...got.biases], channels.map((channel) => c.biases[channel])); // prettier-ignore
        assert.equal([...got.weights], weights);
        assert.is(got.stats[CoefStats.NONZERO], weights.filter((w) => w !== 0).length);
      }),
      propSettings(build === "release" ? 250 : 40),
    );
  });

  test(`${build}: damaged headers and streams are refused with a place`, async () => {
    const core = await coreOf(build);
    const damaged = (change: (words: Uint32Array) => void, fields: Partial<CoefsV8> = {}): string => {
      const words = new Uint32Array(E1.slice().buffer);
      change(words);
      return thrownCode(() => decodeCoefs(core, 8, new Uint8Array(words.buffer), { ...E1_CASE, ...fields }));
    };
    assert.is(damaged(() => undefined), "none");
    const reserved = Array.from({ length: 160 }, (_, bit) => bit).filter((bit) => bit !== 4);
    for (const bit of [...reserved, ...Array.from({ length: 32 }, (_, i) => 192 + i)])
      assert.is(damaged((w) => (w[bit >> 5]! ^= 1 << (bit & 31))), "TW_SIM_BAD_COEFFICIENTS", `bit ${bit}`);
    const list: [string, (words: Uint32Array) => void, Partial<CoefsV8>?][] = [
      ["version 0", (w) => (w[0] = 0)],
      ["version 2", (w) => (w[0] = 0x20)],
      ["a symbol map that repeats a length", (w) => (w[5] = 0x76540122)],
      ["a symbol map with a length of 8", (w) => (w[5] = 0x86540123)],
      ["no stream", (w) => (w[7] = 0)],
      ["a stream longer than the buffer", (w) => (w[7] = 0x441)],
      ["a stream longer than any buffer", (w) => (w[7] = 0xffffffff)],
      ["a stream too short for its codes", (w) => (w[7] = 0x2f)],
      ["a stream that ends a bit early", (w) => (w[7] = 0x3f)],
      ["a stream that ends a bit late", (w) => (w[7] = 0x41)],
      ["a second core's stream without kernels", (w) => (w[8] = 0x40)],
      ["words after the last core's length", (w) => (w[15] = 1)],
      ["bits set right after the end", (w) => (w[18] = 1)],
      ["bits set at the end of the filling", (w) => (w[31] = 0x80000000)],
      ["another number of kernels", (w) => (w[16]! ^= 1 << 12)],
      ["a larger kernel", () => undefined, { kernelZ: 2 }],
      ["a smaller kernel", () => undefined, { kernelX: 1, kernelY: 1 }],
      ["more channels", () => undefined, { outZ: 2 }],
      ["a superblock larger than any core's share", () => undefined, { perCore: 2 }],
      ["more cores than the header has room for", () => undefined, { cores: 10 }],
    ];
    for (const [name, change, fields] of list)
      assert.is(damaged(change, fields), "TW_SIM_BAD_COEFFICIENTS", name);
    const record = core.readWords(core.invoke("faultRecord"), Fault.WORDS);
    assert.ok(record[Fault.WORD_INDEX]! >= 0);
    for (let bytes = 0; bytes < E1.length; bytes += 3)
      assert.is(thrownCode(() => decodeCoefs(core, 8, E1.subarray(0, bytes), E1_CASE)), "TW_SIM_BAD_COEFFICIENTS");
  }); // prettier-ignore

  test(`${build}: every single bit of a buffer matters`, async () => {
    const core = await coreOf(build);
    for (const c of [E1_CASE, E2_CASE, { ...E2_CASE, depthwise: false, kernelZ: 1 }]) {
      const bytes = encodeCoefsV8(c);
      const text = (): string => {
        try {
          const { weights, biases } = decodeCoefs(core, 8, bytes, c);
          return `${weights.join()}|${biases.join()}`;
        } catch (error) {
          return (error as NpuError).code;
        }
      };
      const before = text();
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        bytes[bit >> 3]! ^= 1 << (bit & 7);
        assert.is.not(text(), before, `bit ${bit}`);
        bytes[bit >> 3]! ^= 1 << (bit & 7);
      }
    }
  });

  test(`${build}: zero runs: every bit matters, wrong runs, filling and flushes are refused`, async () => {
    const core = await coreOf(build);
    const map = [0, 1, 2, 3, 4, 5, 6, 7];
    const c: CoefsV8 = {
      kernelX: 2, kernelY: 2, kernelZ: 3, outZ: 2, depthwise: false, perCore: 2, weightZp: 9, cores: 1, zrlBits: 3,
      weights: Uint8Array.from({ length: 24 }, (_, i) => (i % 5 === 0 ? i : 9)), biases: Int32Array.of(1, -1), map,
    };
    const bytes = encodeCoefsV8(c);
    const text = (): string => {
      try {
        const { weights, biases } = decodeCoefs(core, 8, bytes, c);
        return `${weights.join()}|${biases.join()}`;
      } catch (error) {
        return (error as NpuError).code;
      }
    };
    const before = text();
    assert.is(before.split("|")[0], [...c.weights].map((weight) => weight - 9).join());
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      assert.is.not(text(), before, `bit ${bit}`);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
    }

    // Codes as [byte, zeros before it]; 36 bytes are due behind the number of kernels.
    const BAD = "TW_SIM_BAD_COEFFICIENTS";
    const outcome = (codes: readonly (readonly [number, number])[], part0?: number, zrlBits = 3): string => {
      const stream = new PairStream(map, zrlBits);
      for (const [byte, run] of [[2, 0], [0, 0], ...codes] as const) stream.put(byte, run);
      stream.finish(part0);
      return thrownCode(() => decodeCoefs(core, 8, assembleV8(map, [stream.bits], c.biases, zrlBits), c));
    };
    const full: [number, number][] = [[5, 7], [0, 7], [0, 7], [0, 7]];
    assert.is(outcome([...full, [0, 3]]), "none");
    assert.is(outcome([...full, [0, 3]], 0), BAD, "an odd number of codes, flushed as an even one");
    assert.is(outcome([...full, [0, 2], [0, 0]], 4), BAD, "an even number of codes, flushed as an odd one");
    assert.is(outcome([...full, [0, 2], [0, 0]]), "none");
    assert.is(outcome([...full, [0, 4]]), BAD, "a run beyond what is due");
    assert.is(outcome([...full, [0, 2], [0, 1]]), BAD, "a run beyond what is due in the second place");
    assert.is(outcome([...full, [0, 3], [0, 1]], 4), BAD, "filling with a run");
    assert.is(outcome([...full, [0, 3], [1, 0]], 4), BAD, "filling that is not zero");
    assert.is(outcome([...full, [0, 2]]), BAD, "a zero too few");
    assert.is(outcome([...full, [0, 3], [0, 0], [0, 0], [0, 0]]), BAD, "codes too many");
    for (let part0 = 0; part0 < 8; part0++)
      if (part0 !== 4) assert.is(outcome([...full, [0, 3]], part0), BAD, `flush ${part0}`);
    assert.is(outcome([[0, 35]], undefined, 9), BAD, "runs wider than any chip has them");
    assert.is(outcome([[0, 35]], undefined, 8), "none");
  }); // prettier-ignore

  test(`${build}: wrong filling, flush and order are refused`, async () => {
    const core = await coreOf(build);
    const map = [0, 1, 2, 3, 4, 5, 6, 7];
    // 2x2x3 = 12 weights: a block of nine and one of three. Two kernels on one core: an even count.
    const c: CoefsV8 = {
      kernelX: 2, kernelY: 2, kernelZ: 3, outZ: 2, depthwise: false, perCore: 2, weightZp: 9, cores: 1,
      weights: Uint8Array.from({ length: 24 }, (_, i) => i), biases: Int32Array.of(1, -1), map,
    }; // prettier-ignore
    const due = codedBytes(c, [[0, 1]]);
    assert.is(due.length, 38);
    const outcome = (bytes: readonly number[], part0?: number, fields = c): string => {
      const stream = new PairStream(map);
      for (const byte of bytes) stream.put(byte);
      stream.finish(part0);
      return thrownCode(() => decodeCoefs(core, 8, assembleV8(map, [stream.bits], c.biases), fields));
    };
    const BAD = "TW_SIM_BAD_COEFFICIENTS";
    assert.is(outcome(due), "none");
    const filling = due.map((_, at) => at).filter((at) => (at >= 23 && at < 29) || at >= 32);
    for (const at of filling)
      assert.is(outcome(due.map((byte, i) => (i === at ? 1 : byte))), BAD, `filling ${at}`);
    for (let part0 = 1; part0 < 8; part0++) assert.is(outcome(due, part0), BAD, `flush ${part0}`);
    assert.is(outcome(due.slice(0, -1)), BAD);
    assert.is(outcome(due.slice(0, -2)), BAD);
    assert.is(outcome([...due, 0]), BAD);
    assert.is(outcome([...due, 0, 0]), BAD);
    assert.is(outcome([3, ...due.slice(1)]), BAD);
    assert.is(outcome([2, 1, ...due.slice(2)]), BAD);

    // One kernel: an odd count, with one byte of filling behind it, and a flush of 4.
    const one = { ...c, outZ: 1, perCore: 1 };
    const odd = codedBytes({ ...one, kernelZ: 2 }, [[0]]);
    const fields = { ...one, kernelZ: 2 };
    assert.is(odd.length, 11);
    const single = { ...fields, biases: Int32Array.of(1) };
    assert.is(outcome(odd, undefined, single), "none");
    assert.is(outcome(odd, 0, single), BAD);
    assert.is(outcome([...odd, 0], 4, single), "none");
    assert.is(outcome([...odd, 0], undefined, single), BAD);
    assert.is(outcome([...odd, 1], 4, single), BAD);

    // Depthwise 2x2: four weights, five bytes of filling; 4x4: sixteen and two.
    for (const [side, zeros] of [[2, 5], [4, 2]] as const) {
      const depthwise = { ...one, kernelX: side, kernelY: side, kernelZ: 1, depthwise: true };
      const bytes = codedBytes(depthwise, [[0]]);
      assert.is(outcome(bytes, undefined, depthwise), "none");
      for (let i = 1; i <= zeros; i++)
        assert.is(outcome(bytes.map((b, at) => (at === bytes.length - i ? 128 : b)), undefined, depthwise), BAD);
    }
  }); // prettier-ignore
}

test.run();
