// Annotated coefficient buffers: worked examples of the format's descriptions, random buffers, damage.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { bitsAt } from "../../core-as/inspect/bit-spans.ts";
import { annotateCoefficients, type CoefficientFields } from "../../core-as/inspect/coefficient-bits.ts"; // prettier-ignore
import { checkSpans } from "../helpers/bit-spans.ts";
import { dealKernels, encodeCoefsV7 } from "../helpers/coef-v7.ts";
import { encodeCoefsV8 } from "../helpers/coef-v8.ts";
import { coreOf } from "../helpers/cores.ts";
import { rng } from "../helpers/prng.mjs";

const SMALL: CoefficientFields = {
  nnCoreVersion: 7,
  nnCores: 8,
  kernelX: 3,
  kernelY: 3,
  kernelZ: 1,
  outZ: 1,
  kernelsPerCore: 1,
  weightZeroPoint: 0,
  depthwise: false,
  outPlane: 36,
};

/** Version 7: sizes of the streams, then each stream's words, zero-filled. */
function bufferV7(stream: readonly number[]): Uint8Array {
  const words = new Uint32Array(32);
  words[0] = 64;
  words.set(stream, 16);
  return new Uint8Array(words.buffer);
}

const E1 = bufferV7([0x00000102, 0x00000100, 0x0041f054, 0]);

test("version 7, example E1: positions, kinds and values as written there", async () => {
  const { cores, runBits } = checkSpans(await coreOf("release"), E1, SMALL, "E1");
  assert.is(runBits, 2);
  const spans = [...cores[0]!.spans].map(({ from, bits, kind, value, item, yields }) => [
    ...[from - 512, bits, kind, value],
    ...(kind === "run" || kind === "literal" ? [item, yields] : []),
  ]);
  assert.equal(spans, [
    [0, 8, "header", 2],
    [8, 16, "header", 1],
    [24, 2, "run", 0, 0, 0],
    [26, 8, "literal", 0, 0, 1],
    [34, 32, "bias", 64],
    [66, 2, "run", 1, 1, 1],
    [68, 8, "literal", 5, 2, 1],
    [76, 2, "run", 3, 3, 3],
    [78, 8, "literal", 7, 6, 1],
    [86, 2, "run", 1, 7, 1],
    [88, 8, "literal", 0, 8, 1],
    [96, 32, "offset", 0],
    [128, 384, "padding", 0],
  ]);
  assert.equal(cores[0]!.kernels, [{ channel: 0, bias: 64, superblock: 0 }]);
});

test("version 8, example E1: the pipeline of pairs as written there", async () => {
  const words = new Uint32Array(33);
  words.set([0x10, 0, 0, 0, 0, 0x76540123, 0, 64], 0);
  words.set([0x00009edf, 0x64e911b8], 16);
  words[32] = 0x8a93;
  const bytes = new Uint8Array(words.buffer);
  const fields = { ...SMALL, nnCoreVersion: 8, nnCores: 6 };
  const { cores, tail, symbolMap } = checkSpans(await coreOf("release"), bytes, fields, "E1");
  assert.equal(symbolMap, [3, 2, 1, 0, 4, 5, 6, 7]);
  const spans = [...cores[0]!.spans];
  const values = spans.map(({ value }) => value);
  // prettier-ignore
  assert.equal(values.slice(0, 26), [7, 3, 3, 7, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3, 0, 1, 4, 4, 2, 3, 4, 4]);
  assert.is(spans.filter(({ kind }) => kind === "flush").length, 4);
  // Kernel count: two bytes with two parts each; filling: the byte that makes the count even, in two parts.
  assert.is(spans.filter(({ kind }) => kind === "count").length, 4);
  assert.equal([...cores[0]!.values], [0, 1, 2, 3, 4, 5, 6, 7, -1 & 255]);
  assert.equal(
    [...tail].map(({ kind, value }) => [kind, value]),
    [["bias", 35475]],
  );
});

test("random buffers of version 7, at every run width", async () => {
  const core = await coreOf("release");
  const random = rng("coefficient-bits-7");
  const pick = (n: number): number => random.next() % n;
  for (let i = 0; i < 60; i++) {
    const pointwise = i % 3 === 0;
    const [kernelX, kernelY] = pointwise ? [1, 1] : [1 + pick(8), 1 + pick(8)];
    const kernelZ = 1 + pick(20);
    const outZ = 1 + pick(25);
    const cores = [1, 2, 6, 8][pick(4)]!;
    const weightZp = random.byte();
    const share = [0, 60, 95, 100][pick(4)]!;
    const kernels = Array.from({ length: outZ }, (_, o) => ({
      weights: Uint8Array.from({ length: kernelX * kernelY * kernelZ }, () =>
        pick(100) < share ? weightZp : random.byte(),
      ),
      bias: random.next() | 0,
      offset: o * 36,
    }));
    const perCore = 1 + pick(Math.ceil(outZ / Math.min(outZ, cores)));
    const shape = { kernelX, kernelY, kernelZ, outZ, perCore, weightZp, cores };
    const bytes = encodeCoefsV7({
      ...shape,
      zrlBits: i % 9,
      kernels: dealKernels(kernels, cores, perCore),
    });
    const fields = { ...SMALL, kernelX, kernelY, kernelZ, outZ, kernelsPerCore: perCore, nnCores: cores, weightZeroPoint: weightZp }; // prettier-ignore
    const { bits, runBits } = checkSpans(core, bytes, fields, JSON.stringify(shape));
    assert.is(bits, 8 * bytes.length);
    assert.is(runBits, i % 9);
  }
});

test("random buffers of version 8, depthwise and not, with zero runs and without", async () => {
  const core = await coreOf("release");
  const random = rng("coefficient-bits-8");
  const pick = (n: number): number => random.next() % n;
  for (let i = 0; i < 60; i++) {
    const depthwise = i % 3 === 0;
    const [kernelX, kernelY, outZ] = [1 + pick(6), 1 + pick(6), 1 + pick(25)];
    const kernelZ = depthwise ? outZ : 1 + pick(20);
    const cores = [1, 2, 6, 8][pick(4)]!;
    const perCore = 1 + pick(Math.max(1, Math.floor(outZ / Math.min(outZ, cores))));
    const weightZp = random.byte();
    const taps = kernelX * kernelY * (depthwise ? 1 : kernelZ);
    const narrow = 1 << pick(9);
    const weights = Uint8Array.from({ length: outZ * taps }, () => weightZp + pick(narrow));
    const biases = Int32Array.from({ length: outZ }, () => random.next() | 0);
    const zrlBits = i % 2 === 0 ? 0 : i % 9;
    const shape = { kernelX, kernelY, kernelZ, outZ, perCore, weightZp, cores, depthwise, zrlBits };
    const bytes = encodeCoefsV8({ ...shape, weights, biases });
    const fields = { ...SMALL, nnCoreVersion: 8, kernelX, kernelY, kernelZ, outZ, depthwise, kernelsPerCore: perCore, nnCores: cores, weightZeroPoint: weightZp }; // prettier-ignore
    const { bits, runBits } = checkSpans(core, bytes, fields, JSON.stringify(shape));
    assert.is(bits, 8 * bytes.length);
    assert.is(runBits, zrlBits);
  }
});

test("buffers that contradict the descriptor are refused, whatever is wrong", async () => {
  const damaged = (change: (words: Uint32Array) => void, fields: Partial<CoefficientFields> = {}) => {
    const words = new Uint32Array(E1.slice().buffer);
    change(words);
    return () => annotateCoefficients(new Uint8Array(words.buffer), { ...SMALL, ...fields });
  }; // prettier-ignore
  damaged(() => undefined)();
  const cases: [RegExp, (words: Uint32Array) => void, Partial<CoefficientFields>?][] = [
    [/128 bytes at byte 64 leaves 128/, (w) => (w[0] = 128)],
    [/32 bytes at byte 64/, (w) => (w[0] = 32)],
    [/no stream/, (w) => (w[0] = 0)],
    [/a run width of 9 bits, at most 8/, (w) => (w[16] = 0x00000109)],
    [/without kernels/, (w) => (w[16] = 0x00000002)],
    [/ends before weight|goes on behind|do not fit/, (w) => (w[16] = 0x00001002)],
    [/set behind the end/, (w) => (w[31] = 0x80000000)],
    [/goes on behind weight/, (w) => (w[18] = 0x00c1f054)],
    [/ends before weight/, () => undefined, { kernelZ: 40 }],
    [/set behind the end|goes on/, (w) => (w[20] = 0x10), { kernelY: 1 }],
    [/no coefficient format is known for NN cores 6/, () => undefined, { nnCoreVersion: 6 }],
    [/a size of 0/, () => undefined, { kernelX: 0 }],
    [/a run width of 9 bits/, (w) => (w[0] = 0x910), { nnCoreVersion: 8 }],
    [/symbol map/, (w) => (w[0] = 0x10), { nnCoreVersion: 8 }],
    [/PRECODE is 1/, (w) => (w[0] = 0x11), { nnCoreVersion: 8 }],
  ];
  for (const [message, change, fields] of cases) assert.throws(damaged(change, fields), message);
});

test("bits are read across bytes, lowest first, and end in zeros", () => {
  const bytes = Uint8Array.of(0x80, 0x01, 0xff, 0xff, 0xff, 0xff);
  assert.is(bitsAt(bytes, 7, 2), 3);
  assert.is(bitsAt(bytes, 16, 32), 0xffffffff);
  assert.is(bitsAt(bytes, 44, 32), 0xf);
});

test.run();
