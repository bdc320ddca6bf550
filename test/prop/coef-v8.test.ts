// The coefficient codec of NN core version 8: round trips, and that optimised streams use the best symbol map.
// SPDX-License-Identifier: MIT
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Experiment, RunSearch } from "../../core-as/assembly/abi.ts";
import { wordAt } from "../../core-as/inspect/words.ts";
import { encodeCoefsV8 } from "../helpers/coef-v8.ts";
import { BUILDS, coreOf } from "../helpers/cores.ts";
import { decode, encode, type EncodeRequest } from "../helpers/encode-coefs.ts";
import { propSettings } from "../helpers/prop.ts";

const CORES = 6;

const requests = fc
  .record({
    kernels: fc.integer({ min: 1, max: 30 }),
    planes: fc.integer({ min: 1, max: 12 }),
    rows: fc.integer({ min: 1, max: 5 }),
    cols: fc.integer({ min: 1, max: 5 }),
    weightZp: fc.integer({ min: 0, max: 255 }),
    inZp: fc.integer({ min: 0, max: 255 }),
    superblocks: fc.integer({ min: 1, max: 3 }),
    native: fc.boolean(),
    spread: fc.integer({ min: 0, max: 128 }),
    seed: fc.nat(),
  })
  .map(({ native, spread, seed, superblocks, ...shape }): EncodeRequest => {
    const { kernels, rows, cols, weightZp } = shape;
    const planes = native ? kernels : shape.planes;
    const stored = (native ? 1 : planes) * rows * cols * kernels;
    const perCore = Math.ceil(kernels / CORES);
    const perSuperblock = Math.ceil(perCore / Math.min(superblocks, perCore));
    const draw = (i: number): number =>
      (Math.imul(i + 1, 2654435761) ^ Math.imul(seed, i | 1)) >>> 8;
    return {
      ...shape,
      version: 8,
      cores: CORES,
      planes,
      superblocks: Math.ceil(perCore / perSuperblock),
      // Near the zero point, as trained weights are, or all over.
      weights: Uint8Array.from({ length: stored }, (_, i) =>
        spread === 0 ? weightZp : weightZp + (draw(i) % (2 * spread)) - spread,
      ),
      biases: Int32Array.from({ length: kernels }, (_, i) => (seed - i * 977) | 0),
      outPlane: 1,
      search: RunSearch.NONE,
      ...(native ? { depthwise: { planes: 1, multiplier: 1, pad: weightZp } } : {}),
    };
  });

/** The same kernels for the plain encoder of the tests. */
function plainEncoding(
  request: EncodeRequest,
  perCore: number,
  map: readonly number[],
  zrlBits = 0,
): Uint8Array {
  const taps = request.weights.length / request.kernels;
  const biases = request.biases.map((bias, kernel) => {
    const raw = request.weights.subarray(kernel * taps, (kernel + 1) * taps);
    const sum = raw.reduce((total, weight) => total + weight - request.weightZp, 0);
    return bias + sum * (128 - request.inZp);
  });
  return encodeCoefsV8({
    kernelX: request.cols,
    kernelY: request.rows,
    kernelZ: request.planes,
    outZ: request.kernels,
    depthwise: request.depthwise !== undefined,
    perCore,
    weightZp: request.weightZp,
    cores: CORES,
    weights: request.weights,
    biases,
    map,
    zrlBits,
  });
}

/** Requests with zero runs, of weights that many zero points are among. */
const sparse = fc
  .record({
    request: requests,
    zeros: fc.integer({ min: 0, max: 100 }),
    block: fc.integer({ min: 1, max: 40 }),
  })
  .map(({ request, zeros, block }): EncodeRequest => {
    const weights = request.weights.map((weight, i) =>
      (Math.imul(Math.floor(i / block) + 1, 2654435761) >>> 8) % 100 < zeros
        ? request.weightZp
        : weight,
    );
    return { ...request, weights, experiments: Experiment.ZERO_RUNS, zrlMax: 8 };
  });

/** Bits of all streams, from the header's lengths. */
function streamBits(bytes: Uint8Array): number {
  return Array.from({ length: CORES }, (_, core) => wordAt(bytes, 28 + 4 * core)).reduce(
    (sum, bits) => sum + bits,
    0,
  );
}

const mapOf = (bytes: Uint8Array): number[] =>
  Array.from({ length: 8 }, (_, symbol) => (wordAt(bytes, 20) >>> (4 * symbol)) & 15);

for (const build of BUILDS) {
  const test = suite(`codec v8 (${build})`);
  const core = await coreOf(build);

  test("decoding gives back what was encoded", () => {
    fc.assert(
      fc.property(requests, (request) => {
        const kernels = decode(core, request, encode(core, request));
        const taps = request.weights.length / request.kernels;
        assert.is(kernels.length, request.kernels);
        for (const { weights, offset: channel } of kernels) {
          const raw = request.weights.subarray(channel * taps, (channel + 1) * taps);
          assert.equal(
            weights,
            Int16Array.from(raw, (weight) => weight - request.weightZp),
          );
        }
      }),
      propSettings(200),
    );
  });

  test("the plain encoder writes the same bytes with the same symbol map", () => {
    fc.assert(
      fc.property(requests, (request) => {
        const { bytes, kernelsPerCore } = encode(core, request);
        assert.equal(bytes, plainEncoding(request, kernelsPerCore, mapOf(bytes)));
      }),
      propSettings(150),
    );
  });

  test("zero runs of every width decode, and equal those of the plain encoder", () => {
    fc.assert(
      fc.property(sparse, fc.integer({ min: 0, max: 8 }), (shape, zrlBits) => {
        const request = { ...shape, search: RunSearch.FIXED, zrlBits };
        const encoded = encode(core, request);
        assert.is(encoded.zrlBits, zrlBits);
        const map = mapOf(encoded.bytes);
        assert.equal(encoded.bytes, plainEncoding(request, encoded.kernelsPerCore, map, zrlBits));
        const taps = request.weights.length / request.kernels;
        for (const { weights, offset: channel } of decode(core, request, encoded)) {
          const raw = request.weights.subarray(channel * taps, (channel + 1) * taps);
          assert.equal(
            weights,
            Int16Array.from(raw, (weight) => weight - request.weightZp),
          );
        }
      }),
      propSettings(200),
    );
  });

  test("the searched width is the best one, and none is without the experiment", () => {
    fc.assert(
      fc.property(sparse, (request) => {
        const sizes = Array.from(
          { length: 9 },
          (_, zrlBits) =>
            encode(core, { ...request, search: RunSearch.FIXED, zrlBits }).bytes.length,
        );
        const found = encode(core, { ...request, search: RunSearch.EXHAUSTIVE });
        assert.is(found.bytes.length, Math.min(...sizes));
        assert.is(found.zrlBits, sizes.indexOf(found.bytes.length));
        const plain = encode(core, { ...request, search: RunSearch.EXHAUSTIVE, experiments: 0 });
        assert.is(plain.zrlBits, 0);
        assert.is(plain.bytes.length, sizes[0]);
      }),
      propSettings(60),
    );
  });

  test("twelve cores, with a longer header", () => {
    fc.assert(
      fc.property(requests, (shape) => {
        const request = { ...shape, cores: 12, superblocks: 1 };
        const kernels = decode(core, request, encode(core, request));
        assert.equal(
          kernels.map(({ offset }) => offset).sort((a, b) => a - b),
          Array.from({ length: request.kernels }, (_, i) => i),
        );
      }),
      propSettings(50),
    );
  });

  // What a symbol costs beyond its payload does not depend on the payload, so a map that no exchange of two symbols
  // improves is the best of all 40320.
  test("no exchange of two symbols makes the streams shorter", () => {
    fc.assert(
      fc.property(requests, (request) => {
        const { bytes, kernelsPerCore } = encode(core, request);
        const best = streamBits(bytes);
        const map = mapOf(bytes);
        for (let a = 0; a < 8; a++)
          for (let b = a + 1; b < 8; b++) {
            const other = [...map];
            [other[a], other[b]] = [map[b]!, map[a]!];
            assert.ok(streamBits(plainEncoding(request, kernelsPerCore, other)) >= best);
          }
      }),
      propSettings(25),
    );
  });

  test.run();
}
