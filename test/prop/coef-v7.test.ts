// The coefficient codec of NN core version 7: what the encoder writes, the simulator's decoder reads back.
// SPDX-License-Identifier: MIT
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { QuirkFlag, RunSearch } from "../../core-as/assembly/abi.ts";
import { BUILDS, coreOf } from "../helpers/cores.ts";
import { decode, encode, type EncodeRequest } from "../helpers/encode-coefs.ts";
import { propSettings } from "../helpers/prop.ts";

/** Weights with runs of the zero point of every interesting length. */
function weightsWithRuns(length: number, zp: number, seeds: number[]): Uint8Array {
  const weights = new Uint8Array(length);
  let at = 0;
  for (let i = 0; at < length; i++) {
    const seed = seeds[i % seeds.length]! + i * 7;
    // Around 2^z for every width z, and sometimes none at all.
    const run = seed % 3 === 0 ? 0 : Math.max(2 ** (seed % 10) - 1 + ((seed >> 4) % 3) - 1, 0);
    weights.fill(zp, at, Math.min(at + run, length));
    at += run;
    if (at < length) weights[at++] = (zp + 1 + (seed % 255)) & 0xff;
  }
  return weights;
}

const requests = fc
  .record({
    kernels: fc.integer({ min: 1, max: 40 }),
    planes: fc.integer({ min: 1, max: 30 }),
    rows: fc.integer({ min: 1, max: 7 }),
    cols: fc.integer({ min: 1, max: 7 }),
    pointwise: fc.boolean(),
    weightZp: fc.integer({ min: 0, max: 255 }),
    inZp: fc.integer({ min: 0, max: 255 }),
    superblocks: fc.integer({ min: 1, max: 3 }),
    zrlBits: fc.integer({ min: 0, max: 8 }),
    seeds: fc.array(fc.nat(), { minLength: 1, maxLength: 12 }),
  })
  .map(({ pointwise, seeds, superblocks, ...shape }): EncodeRequest => {
    const [rows, cols] = pointwise ? [1, 1] : [shape.rows, shape.cols];
    const { kernels, planes, weightZp } = shape;
    const perCore = Math.ceil(kernels / Math.min(kernels, 8));
    const perSuperblock = Math.ceil(perCore / Math.min(superblocks, perCore));
    return {
      ...shape,
      rows,
      cols,
      // As the tiling computes it: no superblock is empty.
      superblocks: Math.ceil(perCore / perSuperblock),
      weights: weightsWithRuns(kernels * planes * rows * cols, weightZp, seeds),
      biases: Int32Array.from(
        { length: kernels },
        (_, i) => (seeds[i % seeds.length]! - i * 977) | 0,
      ),
      outPlane: 12,
      search: RunSearch.FIXED,
    };
  });

/** Checks that every channel comes back once, with its weights and its corrected bias. */
function checkRoundTrip(request: EncodeRequest, kernels: ReturnType<typeof decode>): void {
  const taps = request.planes * request.rows * request.cols;
  assert.equal(
    kernels.map(({ offset }) => offset / request.outPlane).sort((a, b) => a - b),
    Array.from({ length: request.kernels }, (_, i) => i),
  );
  for (const { weights, bias, offset } of kernels) {
    const channel = offset / request.outPlane;
    const raw = request.weights.subarray(channel * taps, (channel + 1) * taps);
    const expected = Int16Array.from(raw, (weight) => weight - request.weightZp);
    assert.equal(weights, expected);
    const sum = expected.reduce((total, weight) => total + weight, 0);
    assert.is(bias, (request.biases[channel]! - sum * request.inZp) | 0);
  }
}

for (const build of BUILDS) {
  const test = suite(`codec v7 (${build})`);
  const core = await coreOf(build);

  test("decoding gives back what was encoded, for every run width", () => {
    fc.assert(
      fc.property(requests, (request) => {
        const encoded = encode(core, request);
        assert.is(encoded.zrlBits, request.zrlBits);
        checkRoundTrip(request, decode(core, request, encoded));
      }),
      propSettings(300),
    );
  });

  test("runs of length maximum - 1, maximum and maximum + 1, for every width", () => {
    for (let zrlBits = 0; zrlBits <= 8; zrlBits++)
      for (const run of [2 ** zrlBits - 2, 2 ** zrlBits - 1, 2 ** zrlBits, 2 ** zrlBits + 1]) {
        if (run < 0) continue;
        const planes = run + 2;
        const weights = new Uint8Array(planes).fill(9);
        weights[0] = 1;
        weights[planes - 1] = 2;
        const request: EncodeRequest = {
          kernels: 1,
          planes,
          rows: 1,
          cols: 1,
          weights,
          biases: Int32Array.of(5),
          weightZp: 9,
          inZp: 0,
          outPlane: 1,
          search: RunSearch.FIXED,
          zrlBits,
        };
        checkRoundTrip(request, decode(core, request, encode(core, request)));
      }
  });

  test("the exhaustive search is never larger than any width, the greedy one never better", () => {
    fc.assert(
      fc.property(requests, (request) => {
        const sizes = Array.from(
          { length: 9 },
          (_, zrlBits) => encode(core, { ...request, zrlBits }).bytes.length,
        );
        const least = Math.min(...sizes);
        const best = encode(core, { ...request, search: RunSearch.EXHAUSTIVE });
        assert.is(best.bytes.length, least);
        assert.is(best.zrlBits, sizes.indexOf(least));
        const greedy = encode(core, { ...request, search: RunSearch.GREEDY });
        assert.ok(greedy.bytes.length >= least);
      }),
      propSettings(60),
    );
  });

  test("depthwise kernels are coded as if their empty planes were stored", () => {
    fc.assert(
      fc.property(
        requests,
        fc.constantFrom(1, 4),
        fc.integer({ min: 1, max: 2 }),
        fc.boolean(),
        fc.boolean(),
        (shape, planes, multiplier, padIsZero, pastEnd) => {
          const channels = Math.ceil(shape.kernels / multiplier);
          const kernels = channels * multiplier;
          const pad = padIsZero ? shape.weightZp : (shape.weightZp + 128) & 0xff;
          const small = planes * shape.rows * shape.cols;
          const request: EncodeRequest = {
            ...shape,
            kernels,
            superblocks: 1,
            planes: channels * planes,
            weights: weightsWithRuns(kernels * small, shape.weightZp, [...shape.biases]),
            biases: new Int32Array(kernels).fill(-3),
            depthwise: { planes, multiplier, pad },
            quirks: pastEnd ? QuirkFlag.READ_PAST_END : 0,
          };
          const expanded = new Uint8Array(kernels * channels * small).fill(pad);
          for (let kernel = 0; kernel < kernels; kernel++)
            expanded.set(
              request.weights.subarray(kernel * small, (kernel + 1) * small),
              (kernel * channels + Math.floor(kernel / multiplier)) * small,
            );
          const dense = { ...request, weights: expanded, depthwise: undefined };
          assert.equal(encode(core, request).bytes, encode(core, dense).bytes);
        },
      ),
      propSettings(150),
    );
  });

  test("kernels in any order decode to the same kernels", () => {
    fc.assert(
      fc.property(requests, fc.nat(), (request, seed) => {
        const key = (channel: number): number => (Math.imul(channel + 1, seed | 1) * 31) % 1009;
        const order = Array.from({ length: request.kernels }, (_, i) => i).sort(
          (a, b) => key(a) - key(b) || a - b,
        );
        checkRoundTrip(request, decode(core, request, encode(core, { ...request, order })));
      }),
      propSettings(150),
    );
  });

  test("an order other than the channels' is right for depthwise kernels, too", () => {
    fc.assert(
      fc.property(
        requests,
        fc.constantFrom(1, 4),
        fc.integer({ min: 1, max: 2 }),
        (shape, planes, multiplier) => {
          const channels = Math.ceil(shape.kernels / multiplier);
          const kernels = channels * multiplier;
          const small = planes * shape.rows * shape.cols;
          const request: EncodeRequest = {
            ...shape,
            kernels,
            superblocks: 1,
            planes: channels * planes,
            weights: weightsWithRuns(kernels * small, shape.weightZp, [...shape.biases]),
            biases: new Int32Array(kernels).fill(-3),
            depthwise: { planes, multiplier, pad: shape.weightZp },
            order: Array.from({ length: kernels }, (_, i) => kernels - 1 - i),
          };
          const expanded = new Uint8Array(kernels * channels * small).fill(shape.weightZp);
          for (let kernel = 0; kernel < kernels; kernel++)
            expanded.set(
              request.weights.subarray(kernel * small, (kernel + 1) * small),
              (kernel * channels + Math.floor(kernel / multiplier)) * small,
            );
          const dense = { ...request, weights: expanded, depthwise: undefined };
          const bytes = encode(core, request);
          assert.equal(bytes.bytes, encode(core, dense).bytes);
          checkRoundTrip(dense, decode(core, dense, bytes));
        },
      ),
      propSettings(100),
    );
  });

  test("dealt kernels: each once, for every shape, and always in the same order", () => {
    fc.assert(
      fc.property(requests, (shape) => {
        const request = { ...shape, order: "dealt" as const };
        const encoded = encode(core, request);
        assert.equal(
          [...encoded.order].sort((a, b) => a - b),
          Array.from({ length: request.kernels }, (_, i) => i),
        );
        checkRoundTrip(request, decode(core, request, encoded));
        assert.equal(encode(core, request), encoded);
      }),
      propSettings(150),
    );
  });

  test("dealing evens out streams of kernels with very different numbers of zeros", () => {
    const [kernels, planes] = [64, 96];
    // The first half of the kernels is dense, the other has hardly a weight.
    const weights = Uint8Array.from({ length: kernels * planes * 9 }, (_, i) =>
      i < (kernels * planes * 9) / 2 ? 1 + (i % 200) : i % 61 === 0 ? 7 : 0,
    );
    const request: EncodeRequest = {
      kernels,
      planes,
      rows: 3,
      cols: 3,
      weights,
      biases: new Int32Array(kernels),
      weightZp: 0,
      inZp: 3,
      outPlane: 4,
      search: RunSearch.FIXED,
      zrlBits: 4,
    };
    const [plain, dealt] = [encode(core, request), encode(core, { ...request, order: "dealt" })];
    const largest = (bytes: readonly number[]): number => Math.max(...bytes);
    const mean = plain.coreBytes.reduce((a, b) => a + b, 0) / plain.coreBytes.length;
    assert.ok(largest(plain.coreBytes) > 1.5 * mean);
    assert.ok(largest(dealt.coreBytes) < 1.02 * mean, `${dealt.coreBytes.join()}, mean ${mean}`);
  });

  test.run();
}
